"""A report as a table for the terminal. The one module that needs rich, which is optional."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from iot_ca.fleet.render.summary import SIGNS, days_in_words, findings, headline
from iot_ca.fleet.render.text import visible

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


def print_report(report: Report, file: IO[str]) -> None:
    """Print the table, worst first, and what is wrong below it, where a terminal's view ends."""
    print_to_console(report, _Console(file=file))


def print_to_console(report: Report, console: Console) -> None:
    """Print the report to a console of rich."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH_WITHOUT_TERMINAL)
    console.print(_table(report, console))
    console.print()
    shown = partial(visible, encoding=console.encoding)
    # Text, not markup: rich would interpret brackets and `:names:` of emoji in it.
    for finding in findings(report):
        badge = (_badge(finding.state, console.encoding), _STYLES[finding.state])
        where = (shown(finding.where), "dim")
        text = Text.assemble(badge, "  ", shown(finding.text), "\n  ", where)
        console.print(text, soft_wrap=True)
    for note in report.notes:
        text = Text.assemble(("! note", "bold yellow"), "  ", shown(note))
        console.print(text, soft_wrap=True)
    if report.notes or any(row.wrong for row in report.rows):
        console.print()
    console.print(Text(headline(report), "bold"), soft_wrap=True)


class _Console(Console):
    """A console that leaves a pipe without a reader to its caller; rich ends the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise  # rich calls this in its `except BrokenPipeError`


def _table(report: Report, console: Console) -> Table:
    all_columns = console.width >= _MIN_WIDTH_OF_ALL_COLUMNS
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("account", "region", "CA", "state", "mode", "status"):
        table.add_column(name, overflow="fold")
    for name in ("auto-registration", "template", "managed") if all_columns else ():
        table.add_column(name, overflow="fold")
    table.add_column("expires", justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(*_cells(row, console.encoding, all_columns=all_columns))
    return table


def _cells(row: Row, encoding: str, *, all_columns: bool) -> Iterator[Text]:
    shown = partial(visible, encoding=encoding)
    account = Text(shown(row.account))
    if all_columns:
        account.append(f" {row.account_id}", "dim")
    yield account
    yield Text(row.region)
    yield Text(shown(row.ca))
    yield Text(_badge(row.state, encoding), _STYLES[row.state])
    yield _compared(row.mode, row.wanted_mode, encoding)
    yield _compared(row.status, row.wanted_status, encoding)
    if all_columns:
        yield Text(row.auto_registration_status or "-")
        yield Text(shown(row.template or "-"))
        yield Text(row.managed or "-")
    yield Text(days_in_words(row.days), _STYLES["expired"] if row.days < 0 else "", justify="right")


def _compared(observed: str | None, wanted: str, encoding: str) -> Text:
    """Return what AWS has, highlighted if it differs."""
    if observed is None:
        return Text("-")
    return Text(visible(observed, encoding), "" if observed == wanted else _STYLES["drifted"])


def _badge(state: State, encoding: str) -> str:
    """Return a state with its sign, or without it if the encoding lacks the sign."""
    sign = SIGNS[state]
    return f"{sign} {state}" if visible(sign, encoding) == sign else state
