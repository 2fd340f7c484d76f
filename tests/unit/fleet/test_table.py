"""The report as a table on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from iot_ca.fleet.render import page_table, table
from iot_ca.fleet.report import Provisioning, Report, Unlisted
from tests.support.status.reports import a_report, a_row, an_unlisted_row


def printed(report: Report, width: int, terminal: bool = True) -> str:
    """The table as a terminal of this width shows it, without its colours."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False
    )
    table.print_to_console(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_the_columns_of_the_page() -> None:
    headings = [column.heading.lower() for column in page_table._COLUMNS]
    assert [column.name.lower() for column in table._COLUMNS] == headings


def test_the_table_fits_a_terminal_and_ends_with_the_findings() -> None:
    bad = a_row(
        account="[b]lab",
        state="drifted",
        wrong=("status is [red]OFF",),
        next_steps=("apply [b]it",),
        status="INACTIVE",
        wrong_columns=("status",),
    )
    report = a_report(bad, a_row(), notes=("a note",))
    for width in (80, 120, 160):
        lines = printed(report, width).splitlines()
        rows = lines[: lines.index("")]
        assert all(len(line.rstrip()) <= width for line in rows)
        assert len(rows) == 3
        assert "[b]lab" in rows[1]
        assert lines[-1] == "1 CA in 1 account and 1 region: 1 drifted, 1 in sync"
        assert "≠ drifted  status is [red]OFF" in lines
        assert "  next: apply [b]it" in lines
        assert "! note  a note" in lines
        assert "≠ INACTIVE" in rows[1]
    assert "JITP factory" in printed(report, 160)
    assert "12 (3 pending)" in printed(report, 160)
    wide = printed(report, 200)
    assert f" {'ab' * 6} " in wide
    assert "registered by this module" in wide


def test_without_a_terminal_no_cell_is_cut() -> None:
    long = "a" * 90
    assert long in printed(a_report(a_row(account=long)), 40, terminal=False)


def test_no_name_sends_control_characters_to_the_terminal() -> None:
    evil = a_row(
        account="\x1b]0;evil\x07",
        ca="\x1b[2J",
        state="failed",
        wrong=("\x1b[31m\r",),
        mode="\x1b[3J",
        status="\x1b[4J",
        provisioning=Provisioning("JITP", "\x1b[5J"),
    )
    text = printed(a_report(evil, notes=("\x9b1m",)), 200)
    assert all(character.isprintable() or character == "\n" for character in text)
    for number in (2, 3, 4, 5):
        assert rf"\x1b[{number}J" in text
    assert r"\x1b[31m\r" in text
    assert r"\x9b1m" in text


def test_no_text_becomes_markup_or_an_emoji() -> None:
    text = "[red]a:id:b\\[/]"
    report = a_report(a_row(account=text, state="failed", wrong=(text,)), notes=(text,))
    assert printed(report, 200).count(text) == 4


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "utf-8"])
def test_the_table_is_aligned_in_any_encoding(encoding: str) -> None:
    written = io.BytesIO()
    report = a_report(
        a_row(account="本番", ca="ルート", state="drifted", wrong=("ルート",)),
        a_row(account="a", ca="é"),
        notes=("日本",),
    )
    with io.TextIOWrapper(written, encoding, errors="strict") as file:
        table.print_report(report, file)
        file.flush()
        lines = written.getvalue().decode(encoding).splitlines()
    columns = [cell_len(line[: line.index("eu-west-1")]) for line in lines[1:3]]
    assert columns[0] == columns[1] > 0
    assert ("本番" if encoding in ("cp932", "utf-8") else r"\u672c\u756a") in lines[1]
    assert [line for line in lines if line.startswith("! note")]


def test_a_wrong_cell_is_marked_in_any_encoding() -> None:
    written = io.BytesIO()
    with io.TextIOWrapper(written, "ascii") as file:
        table.print_report(a_report(a_row(mode=None, wrong_columns=("mode",))), file)
        file.flush()
        assert b" ! - " in written.getvalue()


def test_unlisted_cas_follow_the_findings() -> None:
    unlisted = Unlisted((an_unlisted_row(),), (("lab 1: eu-west-1", "denied"),))
    lines = printed(a_report(a_row(), unlisted=unlisted), 160).splitlines()
    assert lines[-2] == "1 registered CA that the file does not name"
    assert "? not readable  denied" in lines
    (line,) = (line for line in lines if "CN=former" in line)
    assert f" {'cd' * 6} " in line
    assert line.split()[-3:] == ["1000+", "30", "days"]
