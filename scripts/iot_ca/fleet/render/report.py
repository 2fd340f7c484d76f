"""A report as a table for the terminal, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from iot_ca.reconcile.drift import enable
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from iot_ca.fleet.status import Report, Row, State

# A state is told by its sign and its word; its colour only underlines them.
SIGNS: dict[State, str] = {
    "failed": "✕",
    "drifted": "≠",
    "expired": "✕",
    "expiring": "!",
    "in sync": "✓",
}
_STYLES: dict[State, str] = {
    "failed": "bold red",
    "drifted": "bold yellow",
    "expired": "bold red",
    "expiring": "yellow",
    "in sync": "green",
}

_PLACES = 5
# For a file or a pipe: wide enough that no cell is cut.
_WIDTH_WITHOUT_TERMINAL = 200
_ROOMY = 140


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and the rows that it is wrong with."""

    state: State
    text: str
    rows: tuple[Row, ...]

    @property
    def where(self) -> str:
        """The accounts with their regions and CAs, in words; not too many of them."""
        cas: dict[tuple[str, str], dict[str, list[str]]] = {}
        for row in self.rows:
            by_region = cas.setdefault((row.account, row.account_id), {})
            by_region.setdefault(row.region, []).append(row.ca)
        told = []
        for (account, account_id), by_region in cas.items():
            regions: dict[tuple[str, ...], list[str]] = {}
            for region, those in by_region.items():
                regions.setdefault(tuple(those), []).append(region)
            parts = [f"{', '.join(names)} ({', '.join(those)})" for those, names in regions.items()]
            told.append(f"{account} {account_id}: {', '.join(parts)}")
        more = f"; and {_many(len(told) - _PLACES, 'more account')}" if len(told) > _PLACES else ""
        return "; ".join(told[:_PLACES]) + more


def findings(report: Report) -> list[Finding]:
    """Everything that is wrong, worst first, each thing once however many rows have it."""
    rows: dict[tuple[State, str], list[Row]] = {}
    for row in report.rows:
        if row.wrong:
            rows.setdefault((row.state, "; ".join(row.wrong)), []).append(row)
    return [Finding(state, text, tuple(those)) for (state, text), those in rows.items()]


def headline(report: Report) -> str:
    """How many rows there are, and how many of each state, in one sentence."""
    counts = report.counts
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    accounts = len({row.account_id for row in report.rows})
    regions = len({row.region for row in report.rows})
    cas = len({row.ca for row in report.rows})
    return (
        f"{_many(cas, 'CA')} in {_many(accounts, 'account')} and {_many(regions, 'region')}: "
        f"{told or 'nothing to look at'}"
    )


def days_in_words(days: int) -> str:
    """A time to live, short."""
    if days < 0:
        return "expired"
    return _many(days, "day")


def as_json(report: Report) -> str:
    """One JSON object; what is in it only ever grows."""
    return json.dumps(
        {
            "looked_up": rfc3339(report.moment),
            "exit_status": report.exit_status,
            "expiry_warning_days": report.warning_days,
            "counts": {state.replace(" ", "_"): n for state, n in report.counts.items()},
            "notes": list(report.notes),
            "certificate_authorities": [_as_json(row) for row in report.rows],
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_json(row: Row) -> dict[str, object]:
    told = asdict(row)
    flag = told.pop("auto_registration")
    return {
        **told,
        "state": row.state.replace(" ", "_"),
        "wrong": list(row.wrong),
        "not_after": rfc3339(row.not_after),
        "auto_registration_status": None if flag is None else enable(flag),
    }


def print_table(report: Report, console: Console | None = None) -> None:
    """The table, worst first, and below it, where a terminal ends, what is wrong in words."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_WITHOUT_TERMINAL)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("account", "region", "CA", "state", "mode", "status"):
        table.add_column(name, overflow="fold")
    # What a narrow terminal can do without.
    roomy = console.width >= _ROOMY
    for name in ("auto-registration", "template", "managed") if roomy else ():
        table.add_column(name, overflow="fold")
    table.add_column("expires", justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row, roomy))
    console.print(table)
    console.print()
    for finding in findings(report):
        style = _STYLES[finding.state]
        text, where = escape(_printable(finding.text)), escape(_printable(finding.where))
        sign = f"[{style}]{SIGNS[finding.state]} {finding.state}[/]"
        console.print(f"{sign}  {text}\n  [dim]{where}[/]", soft_wrap=True)
    for note in report.notes:
        console.print(f"[bold yellow]! note[/]  {escape(_printable(note))}", soft_wrap=True)
    if report.notes or any(row.wrong for row in report.rows):
        console.print()
    console.print(escape(headline(report)), style="bold", soft_wrap=True)


def _cells(row: Row, roomy: bool) -> Iterator[Text]:
    from rich.text import Text

    account = Text(_printable(row.account))
    if roomy:
        account.append(f" {row.account_id}", "dim")
    yield account
    yield Text(row.region)
    yield Text(_printable(row.ca))
    yield Text(f"{SIGNS[row.state]} {row.state}", _STYLES[row.state])
    yield _compared(row.mode, row.wanted_mode)
    yield _compared(row.status, row.wanted_status)
    if roomy:
        flag = row.auto_registration
        yield Text("-" if flag is None else enable(flag))
        yield Text(_printable(row.template or "-"))
        yield Text(row.managed or "-")
    yield Text(days_in_words(row.days), _STYLES["expired"] if row.days < 0 else "", justify="right")


def _compared(observed: str | None, wanted: str) -> Text:
    from rich.text import Text

    if observed is None:
        return Text("-")
    return Text(observed, "" if observed == wanted else _STYLES["drifted"])


def _printable(text: str) -> str:
    """Without what a terminal would take for an order."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
