"""The section of the page with the CAs that the files do not name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from iot_ca.fleet.render.page_table import badge, cell, certificate_id
from iot_ca.fleet.render.summary import (
    days_in_words,
    devices_in_words,
    unlisted_headline,
    unreadable_rows,
)
from iot_ca.fleet.render.text import escape_html

if TYPE_CHECKING:
    from iot_ca.fleet.report import Unlisted, UnlistedRow

_NOTHING = "-"


def render(unlisted: Unlisted) -> Iterator[str]:
    """Yield the section: a table, and where CAs could not be listed."""
    yield '<section aria-labelledby="unlisted"><h2 id="unlisted">Not in the file</h2>'
    yield f"<p>{escape_html(unlisted_headline(unlisted))}.</p>"
    failures = [*unlisted.failures, *unreadable_rows(unlisted)]
    if failures:
        yield '<ul class="findings">'
        for where, reason in failures:
            yield (
                f"<li><div>{badge('not readable')}</div><div><p>{escape_html(reason)}</p>"
                f'<p class="dim">{escape_html(where)}</p></div></li>'
            )
        yield "</ul>"
    if unlisted.rows:
        yield '<table role="table" class="unlisted" aria-labelledby="unlisted">'
        yield '<thead role="rowgroup"><tr role="row">'
        for heading, _ in _COLUMNS:
            yield f'<th role="columnheader" scope="col">{heading}</th>'
        yield '</tr></thead><tbody role="rowgroup">'
        for row in unlisted.rows:
            cells = (content(heading, row) for heading, content in _COLUMNS)
            yield f'<tr role="row">{"".join(cells)}</tr>'
        yield "</tbody></table>"
    yield "</section>"


def _account(heading: str, row: UnlistedRow) -> str:
    del heading  # the first cell is the row's header
    return (
        f'<th role="rowheader" scope="row">{escape_html(row.account)} '
        f'<span class="dim">{escape_html(row.account_id)}</span></th>'
    )


def _text(heading: str, text: str | None, css: str = "") -> str:
    return cell(heading, escape_html(text or _NOTHING), css if text else "")


_COLUMNS: tuple[tuple[str, Callable[[str, UnlistedRow], str]], ...] = (
    ("Account", _account),
    ("Region", lambda heading, row: _text(heading, row.region)),
    ("Certificate", lambda heading, row: cell(heading, certificate_id(row.certificate_id), "name")),
    ("Subject", lambda heading, row: _text(heading, row.subject, "name")),
    ("Mode", lambda heading, row: _text(heading, row.mode)),
    ("Status", lambda heading, row: _text(heading, row.status)),
    ("Devices", lambda heading, row: _text(heading, devices_in_words(row), "number")),
    (
        "Expires",
        lambda heading, row: _text(
            heading, None if row.days is None else days_in_words(row.days), "number"
        ),
    ),
)
