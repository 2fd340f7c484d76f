"""A report as a table for the terminal. The one module that needs rich, which is optional.

`_COLUMNS` lists the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from iot_ca.fleet.render.summary import (
    SIGNS,
    days_in_words,
    findings,
    headline,
    managed_in_words,
    short_id,
)
from iot_ca.fleet.render.text import visible

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from iot_ca.fleet.assessment import Report, Row, State

_STYLES: dict[State, str] = {
    "failed": "bold red",
    "drifted": "bold yellow",
    "expired": "bold red",
    "expiring": "yellow",
    "in sync": "green",
}

# For a file or a pipe: wide enough that no cell is cut.
_WIDTH_WITHOUT_TERMINAL = 240
# From this width on, the table has all columns.
_MIN_WIDTH_OF_ALL_COLUMNS = 160


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
    columns = [column for column in _COLUMNS if all_columns or not column.only_if_wide]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        justify: JustifyMethod = "right" if column.is_number else "left"
        table.add_column(column.name, justify=justify, overflow="fold", no_wrap=column.is_number)
    for row in report.rows:
        cells = [column.cell(row, console.encoding) for column in columns]
        if all_columns:
            cells[0].append(f" {row.account_id}", "dim")
            short = visible(short_id(row.certificate_id), console.encoding)
            cells[_COLUMN_OF_CA].append(f" {short}", "dim")
        table.add_row(*cells)
    return table


def _account(row: Row, encoding: str) -> Text:
    return Text(visible(row.account, encoding))


def _state(row: Row, encoding: str) -> Text:
    return Text(_badge(row.state, encoding), _STYLES[row.state])


def _expiry(row: Row, encoding: str) -> Text:
    del encoding  # ASCII alone
    return Text(days_in_words(row.days), _STYLES["expired"] if row.days < 0 else "")


def _compared(observed: str | None, wanted: str, encoding: str) -> Text:
    """Return what AWS has, highlighted if it differs."""
    if observed is None:
        return Text("-")
    return Text(visible(observed, encoding), "" if observed == wanted else _STYLES["drifted"])


def _badge(state: State, encoding: str) -> str:
    """Return a state with its sign, or without it if the encoding lacks the sign."""
    sign = SIGNS[state]
    return f"{sign} {state}" if visible(sign, encoding) == sign else state


@dataclass(frozen=True)
class _Column:
    """A column of the table.

    Attributes:
        name: its heading.
        cell: returns the cell of a row, for an encoding.
        only_if_wide: whether a narrow terminal goes without the column.
        is_number: whether it is aligned on the right, and never wrapped.
    """

    name: str
    cell: Callable[[Row, str], Text]
    only_if_wide: bool = False
    is_number: bool = False


_COLUMNS = (
    _Column("account", _account),
    _Column("region", lambda row, _: Text(row.region)),
    _Column("CA", lambda row, encoding: Text(visible(row.ca, encoding))),
    _Column("state", _state),
    _Column("mode", lambda row, encoding: _compared(row.mode, row.wanted_mode, encoding)),
    _Column("status", lambda row, encoding: _compared(row.status, row.wanted_status, encoding)),
    _Column(
        "auto-registration",
        lambda row, _: Text(row.auto_registration_status or "-"),
        only_if_wide=True,
    ),
    _Column(
        "template",
        lambda row, encoding: Text(visible(row.template or "-", encoding)),
        only_if_wide=True,
    ),
    _Column(
        "managed", lambda row, _: Text(managed_in_words(row.managed) or "-"), only_if_wide=True
    ),
    _Column("expires", _expiry, is_number=True),
)
_COLUMN_OF_CA = [column.name for column in _COLUMNS].index("CA")
