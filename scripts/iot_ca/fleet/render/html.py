"""A report as one page that needs nothing else: no network, no framework, not even JavaScript.

Every text goes through `escape`, and should one ever be forgotten, the page's own policy allows
no script and no style but the two that are in it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca.fleet.render.report import SIGNS, days_in_words, findings, headline
from iot_ca.reconcile.drift import enable
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from iot_ca.fleet.render.report import Finding
    from iot_ca.fleet.status import Report, Row, State

_FOLDER = Path(__file__).parent
# Of the list of what is wrong, how much is unfolded.
_UNFOLDED = 8

# Heading, and how it is sorted.
_COLUMNS = (
    ("Account", ""),
    ("Region", ""),
    ("CA", ""),
    ("State", "number"),
    ("Mode", ""),
    ("Status", ""),
    ("Auto-registration", ""),
    ("Template", ""),
    ("Managed", ""),
    ("Expires", "number"),
)

# The timeline, in pixels from the top; from left to right it is in percent, so that it fits any
# screen without its letters shrinking.
_ROW = 48
_AXIS = 26
_LEFT, _RIGHT = 2.0, 96.0
_MOST_TICKS = 6
_NAME_LENGTH = 24

_NOTHING = "-"


def render(report: Report) -> str:
    """The whole HTML document."""
    style, script = _read("page.css"), _read("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    verdict = _verdict(report)
    moment = rfc3339(report.moment)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(verdict)} · AWS IoT CA certificates</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            "<header>",
            "<div>",
            '<p class="over">CA certificates in AWS IoT Core</p>',
            f"<h1>{escape(verdict)}</h1>",
            f'<p class="dim">{escape(headline(report))}. Looked up '
            f'<time datetime="{moment}">{_spoken(report.moment)}</time>.</p>',
            "</div>",
            '<button id="theme" type="button" hidden></button>',
            "</header>",
            "<main>",
            *_counts(report),
            *_what_is_wrong(report),
            *_expiry(report),
            *_table(report),
            "</main>",
            "<footer><p>Made by terraform-aws-iot-ca. Nothing was written to AWS.</p></footer>",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _read(name: str) -> str:
    return "\n" + (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _verdict(report: Report) -> str:
    """What somebody who reads one line should know."""
    rows = len(report.rows)
    wrong = sum(row.state != "in sync" for row in report.rows)
    if wrong:
        return f"{wrong} of {rows} {'needs' if wrong == 1 else 'need'} attention"
    return f"All {rows} in sync" if rows else "Nothing to look at"


def _spoken(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _class(state: State) -> str:
    return state.replace(" ", "-")


def _badge(state: State) -> str:
    return f'<span class="badge {_class(state)}">{SIGNS[state]} {state}</span>'


def _counts(report: Report) -> Iterator[str]:
    """One button for each state; with JavaScript it filters the table."""
    yield '<ul class="counts" aria-label="How many there are of each state">'
    for state, count in report.counts.items():
        yield (
            f'<li class="{_class(state)}"><button type="button" value="{_class(state)}" '
            f'aria-pressed="false"{"" if count else " disabled"}><b>{count}</b> '
            f"<span>{SIGNS[state]} {state}</span></button></li>"
        )
    yield "</ul>"


def _what_is_wrong(report: Report) -> Iterator[str]:
    found = findings(report)
    if not found and not report.notes:
        return
    yield '<section aria-labelledby="wrong"><h2 id="wrong">What is wrong</h2>'
    yield '<ul class="findings">'
    yield from map(_finding, found[:_UNFOLDED])
    for note in report.notes:
        yield f'<li><div><span class="badge note">! note</span></div><p>{escape(note)}</p></li>'
    yield "</ul>"
    folded = found[_UNFOLDED:]
    if folded:
        yield f"<details><summary>and {len(folded)} more</summary>"
        yield '<ul class="findings">'
        yield from map(_finding, folded)
        yield "</ul></details>"
    yield "</section>"


def _finding(finding: Finding) -> str:
    return (
        f"<li><div>{_badge(finding.state)}</div><div><p>{escape(finding.text)}</p>"
        f'<p class="dim">{escape(finding.where)}</p></div></li>'
    )


def _expiry(report: Report) -> Iterator[str]:
    """A line of time for each CA; the same CA ends on the same day in all accounts."""
    ends = sorted({(row.not_after, row.ca): row for row in report.rows}.items())
    if not ends:
        return
    rows = [row for _, row in ends]
    height = len(rows) * _ROW + _AXIS
    begin = min([report.moment, rows[0].not_after])
    last = max([report.moment + timedelta(days=365), rows[-1].not_after])

    def x(moment: datetime) -> float:
        share = (moment - begin) / (last - begin)
        return round(_LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share)), 2)

    yield '<section aria-labelledby="expiry"><h2 id="expiry">When the CAs expire</h2>'
    told = "; ".join(f"{row.ca}: {row.not_after:%Y-%m-%d}" for row in rows)
    yield f'<svg role="img" height="{height}" aria-label="{escape(f"Expiry dates. {told}")}">'
    now, soon = x(report.moment), x(report.moment + timedelta(days=report.warning_days))
    bottom = len(rows) * _ROW
    yield f'<rect class="zone" x="{now}%" y="0" width="{soon - now:.2f}%" height="{bottom}"/>'
    for year in _years(begin, last):
        at = x(report.moment.replace(year=year, month=1, day=1, hour=0, minute=0))
        yield f'<line class="grid" x1="{at}%" x2="{at}%" y1="0" y2="{bottom}"/>'
        yield (f'<text class="tick" x="{at}%" y="{height - 8}" text-anchor="middle">{year}</text>')
    yield f'<line class="today" x1="{now}%" x2="{now}%" y1="0" y2="{bottom + 4}"/>'
    for index, row in enumerate(rows):
        yield from _line_of_time(row, report, index * _ROW, now, x(row.not_after))
    yield "</svg></section>"


def _line_of_time(row: Row, report: Report, top: int, now: float, end: float) -> Iterator[str]:
    tone = (
        "expired" if row.days < 0 else "expiring" if row.days < report.warning_days else "in-sync"
    )
    name = row.ca if len(row.ca) <= _NAME_LENGTH else row.ca[: _NAME_LENGTH - 1] + "…"
    until = f"{row.not_after:%Y-%m-%d}, {days_in_words(row.days)}"
    yield f'<g class="{tone}"><title>{escape(f"{row.ca}: {until}")}</title>'
    yield (
        f'<text x="{_LEFT}%" y="{top + 18}" dx="6"><tspan class="name">{escape(name)}</tspan>'
        f'<tspan class="until" dx="8">{until}</tspan></text>'
    )
    first, last = sorted((now, end))
    yield f'<line class="track" x1="{first}%" x2="{last}%" y1="{top + 32}" y2="{top + 32}"/>'
    yield f'<circle class="end" cx="{end}%" cy="{top + 32}" r="6"/></g>'


def _years(begin: datetime, last: datetime) -> Sequence[int]:
    """The years to mark: every one, or every second, fifth, tenth, ..., so that few remain."""
    years = range(begin.year + 1, last.year + 1)
    for step in (1, 2, 5, 10, 20, 50, 100, 1000):
        marked = [year for year in years if year % step == 0]
        if len(marked) <= _MOST_TICKS:
            return marked
    return []


def _table(report: Report) -> Iterator[str]:
    yield '<section aria-labelledby="all"><h2 id="all">All of them</h2>'
    yield '<div class="tools" hidden>'
    yield (
        '<label for="filter">Filter <input id="filter" type="search" autocomplete="off" '
        'placeholder="account, region, CA, …"></label>'
    )
    yield '<label class="sortby" for="sort">Sort by <select id="sort">'
    for index, (name, _) in enumerate(_COLUMNS):
        chosen = " selected" if name == "State" else ""
        yield f'<option value="{index}"{chosen}>{name}</option>'
    yield "</select></label>"
    yield '<output id="shown" for="filter"></output></div>'
    # The roles say again what the elements are: shown as cards, browsers would forget it.
    yield '<table role="table" aria-labelledby="all"><thead role="rowgroup"><tr role="row">'
    for name, kind in _COLUMNS:
        sort = ' aria-sort="ascending"' if name == "State" else ""
        number = ' class="number"' if name == "Expires" else ""
        yield (
            f'<th role="columnheader" scope="col" data-kind="{kind}"{sort}{number}>'
            f'<button type="button">{name}</button></th>'
        )
    yield '</tr></thead><tbody role="rowgroup">'
    for row in report.rows:
        yield "".join(_table_row(row, report))
    yield "</tbody></table></section>"


def _table_row(row: Row, report: Report) -> Iterator[str]:
    ranks = list(report.counts)
    flag = row.auto_registration
    yield f'<tr role="row" data-state="{_class(row.state)}">'
    yield (
        f'<th role="rowheader" scope="row" data-value="{escape(row.account)}">'
        f'{escape(row.account)} <span class="dim">{escape(row.account_id)}</span></th>'
    )
    yield _cell("Region", escape(row.region))
    yield _cell("CA", escape(row.ca), "name")
    yield _cell("State", _badge(row.state), value=ranks.index(row.state))
    yield _cell("Mode", *_compared(row.mode, row.wanted_mode))
    yield _cell("Status", *_compared(row.status, row.wanted_status))
    yield _cell("Auto-registration", _NOTHING if flag is None else escape(enable(flag)))
    yield _cell("Template", escape(row.template or _NOTHING), "name" if row.template else "")
    yield _cell("Managed", escape(row.managed or _NOTHING))
    late = "late" if row.days < 0 else "off" if row.days < report.warning_days else ""
    told = (
        f'<time datetime="{rfc3339(row.not_after)}" title="{row.not_after:%Y-%m-%d}">'
        f"{days_in_words(row.days)}</time>"
    )
    yield _cell("Expires", told, f"number {late}".strip(), row.days)
    yield "</tr>"


def _cell(label: str, content: str, kind: str = "", value: int | None = None) -> str:
    """A cell; `content` is HTML already."""
    kind = kind or ("none" if content == _NOTHING else "")
    kind = f' class="{kind}"' if kind else ""
    sorted_by = "" if value is None else f' data-value="{value}"'
    return f'<td role="cell" data-label="{label}"{kind}{sorted_by}>{content}</td>'


def _compared(observed: str | None, wanted: str) -> tuple[str, str]:
    """What AWS has, and how it looks where that is not as wanted."""
    if observed is None:
        return _NOTHING, ""
    return escape(observed), "" if observed == wanted else "off"
