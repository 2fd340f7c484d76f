"""A report as a table for the terminal. The one module that needs rich, which is optional."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from iot_ca.fleet.render.summary import SIGNS, days_in_words, findings, headline

if TYPE_CHECKING:
    from iot_ca.fleet.assessment import Report, Row, State

_STYLES: dict[State, str] = {
    "failed": "bold red",
    "drifted": "bold yellow",
    "expired": "bold red",
    "expiring": "yellow",
    "in sync": "green",
}

# For a file or a pipe: wide enough that no cell is cut.
_WIDTH_WITHOUT_TERMINAL = 200
# From this width on, the table has all columns.
_MIN_WIDTH_OF_ALL_COLUMNS = 140


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the table, worst first, and what is wrong below it, where a terminal's view ends."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_WITHOUT_TERMINAL)
    console.print(_table(report, all_columns=console.width >= _MIN_WIDTH_OF_ALL_COLUMNS))
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


def _table(report: Report, *, all_columns: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("account", "region", "CA", "state", "mode", "status"):
        table.add_column(name, overflow="fold")
    for name in ("auto-registration", "template", "managed") if all_columns else ():
        table.add_column(name, overflow="fold")
    table.add_column("expires", justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row, all_columns=all_columns))
    return table


def _cells(row: Row, *, all_columns: bool) -> Iterator[Text]:
    account = Text(_printable(row.account))
    if all_columns:
        account.append(f" {row.account_id}", "dim")
    yield account
    yield Text(row.region)
    yield Text(_printable(row.ca))
    yield Text(f"{SIGNS[row.state]} {row.state}", _STYLES[row.state])
    yield _compared(row.mode, row.wanted_mode)
    yield _compared(row.status, row.wanted_status)
    if all_columns:
        yield Text(row.auto_registration_status or "-")
        yield Text(_printable(row.template or "-"))
        yield Text(row.managed or "-")
    yield Text(days_in_words(row.days), _STYLES["expired"] if row.days < 0 else "", justify="right")


def _compared(observed: str | None, wanted: str) -> Text:
    """Return what AWS has, highlighted if it differs."""
    if observed is None:
        return Text("-")
    return Text(observed, "" if observed == wanted else _STYLES["drifted"])


def _printable(text: str) -> str:
    """Return the text without control characters, which a terminal would act on."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
