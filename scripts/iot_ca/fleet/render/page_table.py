"""The table of the page: one row for each row of the report. `_COLUMNS` lists its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_ca.fleet.render.summary import (
    SIGNS,
    days_in_words,
    devices_in_words,
    managed_in_words,
    provisioning_in_words,
    short_id,
)
from iot_ca.fleet.render.text import escape_html
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from iot_ca.fleet.report import Column as ColumnName
    from iot_ca.fleet.report import Report, Row, State

_NOTHING = "-"


def render(report: Report) -> Iterator[str]:
    """Yield the section with the table, its filter and its order."""
    yield '<section aria-labelledby="all"><h2 id="all">All of them</h2>'
    yield from _tools()
    # The roles repeat what the elements are: browsers drop it if CSS shows the rows as cards.
    yield '<table id="cas" role="table" aria-labelledby="all">'
    yield '<thead role="rowgroup"><tr role="row">'
    for column in _COLUMNS:
        sort = ' aria-sort="ascending"' if column.heading == "State" else ""
        css = f' class="{column.heading_class}"' if column.heading_class else ""
        yield (
            f'<th role="columnheader" scope="col" data-kind="{column.kind}"{sort}{css}>'
            f'<button type="button">{column.heading}</button></th>'
        )
    yield '</tr></thead><tbody role="rowgroup">'
    for row in report.rows:
        cells = (column.cell(column.heading, row, report) for column in _COLUMNS)
        yield f'<tr role="row" data-state="{css_class(row.state)}">{"".join(cells)}</tr>'
    yield "</tbody></table></section>"


def badge(state: State) -> str:
    """Return a state with its sign and colour."""
    return f'<span class="badge {css_class(state)}">{SIGNS[state]} {state}</span>'


def css_class(state: State) -> str:
    """Return the CSS class of a state."""
    return state.replace(" ", "-")


def _tools() -> Iterator[str]:
    """Yield the filter and the order of the table, which JavaScript shows."""
    yield '<div class="tools" hidden>'
    yield (
        '<label for="filter">Filter <input id="filter" type="search" autocomplete="off" '
        'placeholder="account, region, CA, …"></label>'
    )
    yield '<label class="sortby" for="sort">Sort by <select id="sort">'
    for index, column in enumerate(_COLUMNS):
        selected = " selected" if column.heading == "State" else ""
        yield f'<option value="{index}"{selected}>{column.heading}</option>'
    yield "</select></label>"
    yield '<output id="shown" for="filter"></output></div>'


def _account(heading: str, row: Row, report: Report) -> str:
    del heading, report  # the first cell is the row's header
    return (
        f'<th role="rowheader" scope="row" data-value="{escape_html(row.account)}">'
        f'{escape_html(row.account)} <span class="dim">{escape_html(row.account_id)}</span></th>'
    )


def certificate_id(whole: str) -> str:
    """Return the HTML of the short certificate ID, which unfolds into the whole one, to copy."""
    short = escape_html(short_id(whole))
    return f"<details><summary>{short}</summary><code>{escape_html(whole)}</code></details>"


def _ca(heading: str, row: Row, report: Report) -> str:
    del report
    content = f"{escape_html(row.ca)}{certificate_id(row.certificate_id)}"
    return cell(heading, content, "name")


def _state(heading: str, row: Row, report: Report) -> str:
    return cell(heading, badge(row.state), value=list(report.counts).index(row.state))


def _expiry(heading: str, row: Row, report: Report) -> str:
    tone = "late" if row.days < 0 else "off" if row.days < report.warning_days else ""
    content = (
        f'<time datetime="{rfc3339(row.not_after)}" title="{row.not_after.date()}">'
        f"{days_in_words(row.days)}</time>"
    )
    return cell(heading, content, f"number {tone}".strip(), row.days)


def _text(heading: str, text: str | None, css: str = "") -> str:
    return cell(heading, escape_html(text or _NOTHING), css if text else "")


def _marked(name: ColumnName, text: str | None, heading: str, row: Row, css: str = "") -> str:
    """Return what AWS has, marked if it is wrong."""
    wrong = "wrong" if name in row.wrong_columns else ""
    return cell(heading, escape_html(text or _NOTHING), f"{css if text else ''} {wrong}".strip())


def _devices(heading: str, row: Row, report: Report) -> str:
    del report
    text, css = devices_in_words(row), "wrong" if "devices" in row.wrong_columns else ""
    number = -1 if row.devices is None else row.devices.count
    return cell(heading, escape_html(text or _NOTHING), f"number devices {css}".strip(), number)


def cell(label: str, content: str, css: str = "", value: int | None = None) -> str:
    """Return a cell; `content` is HTML already, `value` what the column is sorted by."""
    css = css or ("none" if content == _NOTHING else "")
    css = f' class="{css}"' if css else ""
    sorted_by = "" if value is None else f' data-value="{value}"'
    return f'<td role="cell" data-label="{label}"{css}{sorted_by}>{content}</td>'


@dataclass(frozen=True)
class _Column:
    """A column of the table.

    Attributes:
        heading: its text, also the label of its cells.
        cell: returns the HTML of a row's cell, from the heading, the row and the report.
        kind: how page.js sorts it, "number" or, empty, as text.
        heading_class: the CSS class of the heading.
    """

    heading: str
    cell: Callable[[str, Row, Report], str]
    kind: str = ""
    heading_class: str = ""


_COLUMNS = (
    _Column("Account", _account),
    _Column("Region", lambda heading, row, _: _text(heading, row.region)),
    _Column("CA", _ca),
    _Column("State", _state, kind="number"),
    _Column("Mode", lambda heading, row, _: _marked("mode", row.mode, heading, row)),
    _Column("Status", lambda heading, row, _: _marked("status", row.status, heading, row)),
    _Column(
        "Auto-registration",
        lambda heading, row, _: _marked(
            "auto-registration", row.auto_registration_status, heading, row
        ),
    ),
    _Column(
        "Provisioning",
        lambda heading, row, _: _marked(
            "provisioning", provisioning_in_words(row), heading, row, "name"
        ),
    ),
    _Column("Devices", _devices, kind="number", heading_class="number"),
    _Column(
        "Managed",
        lambda heading, row, _: _marked(
            "managed", managed_in_words(row.managed), heading, row, "name"
        ),
    ),
    _Column("Expires", _expiry, kind="number", heading_class="number"),
)
