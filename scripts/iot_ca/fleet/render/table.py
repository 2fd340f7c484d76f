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
    devices_in_words,
    findings,
    headline,
    managed_in_words,
    provisioning_in_words,
    short_id,
    unlisted_headline,
    unreadable_rows,
)
from iot_ca.fleet.render.text import visible

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from iot_ca.fleet.report import Column as ColumnName
    from iot_ca.fleet.report import Report, Row, State, Unlisted, UnlistedRow

_STYLES: dict[State, str] = {
    "failed": "bold red",
    "drifted": "bold yellow",
    "faulty": "bold red",
    "not readable": "bold yellow",
    "unknown": "bold yellow",
    "expired": "bold red",
    "expiring": "yellow",
    "in sync": "green",
}

_NOTHING = "-"

# For a file or a pipe: wide enough that no cell is cut.
_WIDTH_WITHOUT_TERMINAL = 240
# From these widths on, the table has the account's and the certificate's ID, and more columns.
_MIN_WIDTH_OF_IDS = 160
_MIN_WIDTH_OF_PROVISIONING = 120
_MIN_WIDTH_OF_ALL_COLUMNS = 190


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
        step = f"\n  next: {shown(finding.next_step)}" if finding.next_step else ""
        text = Text.assemble(badge, "  ", shown(finding.text), step, "\n  ", where)
        console.print(text, soft_wrap=True)
    for note in report.notes:
        text = Text.assemble(("! note", "bold yellow"), "  ", shown(note))
        console.print(text, soft_wrap=True)
    if report.notes or any(row.wrong for row in report.rows):
        console.print()
    if report.unlisted is not None:
        _print_unlisted(report.unlisted, console)
    console.print(Text(headline(report), "bold"), soft_wrap=True)


def _print_unlisted(unlisted: Unlisted, console: Console) -> None:
    """Print the CAs that the files do not name, and where these could not be listed."""
    shown = partial(visible, encoding=console.encoding)
    if unlisted.rows:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name, _ in _UNLISTED_COLUMNS:
            table.add_column(name, overflow="fold")
        for row in unlisted.rows:
            cells = (Text(shown(cell(row) or _NOTHING)) for _, cell in _UNLISTED_COLUMNS)
            table.add_row(*cells)
        console.print(table)
        console.print()
    failures = [*unlisted.failures, *unreadable_rows(unlisted)]
    for where, reason in failures:
        badge = (_badge("not readable", console.encoding), _STYLES["not readable"])
        text = Text.assemble(badge, "  ", shown(reason), "\n  ", (shown(where), "dim"))
        console.print(text, soft_wrap=True)
    if failures:
        console.print()
    console.print(Text(unlisted_headline(unlisted), "bold"), soft_wrap=True)


class _Console(Console):
    """A console that leaves a pipe without a reader to its caller; rich ends the process."""

    def on_broken_pipe(self) -> None:
        """Raise the error that is being handled."""
        raise  # rich calls this in its `except BrokenPipeError`


def _table(report: Report, console: Console) -> Table:
    columns = [column for column in _COLUMNS if console.width >= column.min_width]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        justify: JustifyMethod = "right" if column.is_number else "left"
        table.add_column(column.name, justify=justify, overflow="fold", no_wrap=column.is_number)
    for row in report.rows:
        cells = [column.cell(row, console.encoding) for column in columns]
        if console.width >= _MIN_WIDTH_OF_IDS:
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


def _cell(row: Row, column: ColumnName, text: str | None, encoding: str) -> Text:
    """Return what AWS has, highlighted and with a sign if it is wrong."""
    shown = visible(text or _NOTHING, encoding)
    if column not in row.wrong_columns:
        return Text(shown)
    sign = SIGNS["drifted"]
    sign = sign if visible(sign, encoding) == sign else "!"
    return Text(f"{sign} {shown}", _STYLES["drifted"])


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
        min_width: the width from which on a terminal has the column.
        is_number: whether it is aligned on the right, and never wrapped.
    """

    name: str
    cell: Callable[[Row, str], Text]
    min_width: int = 0
    is_number: bool = False


def _marked(name: ColumnName, text: Callable[[Row], str | None], min_width: int = 0) -> _Column:
    """Return a column whose cells are marked if they are wrong."""
    return _Column(name, lambda row, encoding: _cell(row, name, text(row), encoding), min_width)


_COLUMNS = (
    _Column("account", _account),
    _Column("region", lambda row, _: Text(row.region)),
    _Column("CA", lambda row, encoding: Text(visible(row.ca, encoding))),
    _Column("state", _state),
    _marked("mode", lambda row: row.mode),
    _marked("status", lambda row: row.status),
    _marked(
        "auto-registration", lambda row: row.auto_registration_status, _MIN_WIDTH_OF_ALL_COLUMNS
    ),
    _marked("provisioning", provisioning_in_words, _MIN_WIDTH_OF_PROVISIONING),
    _marked("devices", devices_in_words, _MIN_WIDTH_OF_PROVISIONING),
    _marked("managed", lambda row: managed_in_words(row.managed), _MIN_WIDTH_OF_ALL_COLUMNS),
    _Column("expires", _expiry, is_number=True),
)
_COLUMN_OF_CA = [column.name for column in _COLUMNS].index("CA")

_UNLISTED_COLUMNS: tuple[tuple[str, Callable[[UnlistedRow], str | None]], ...] = (
    ("account", lambda row: f"{row.account} {row.account_id}"),
    ("region", lambda row: row.region),
    ("certificate ID", lambda row: short_id(row.certificate_id)),
    ("subject", lambda row: row.subject),
    ("mode", lambda row: row.mode),
    ("status", lambda row: row.status),
    ("devices", devices_in_words),
    ("expires", lambda row: None if row.days is None else days_in_words(row.days)),
)
