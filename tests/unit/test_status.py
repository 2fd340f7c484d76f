"""What looks mean, and how they are told: states, findings, table, JSON, page. No AWS."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from iot_ca import model, utc
from iot_ca.aws.registry import Registry
from iot_ca.certificates import pem as pem_text
from iot_ca.errors import Failure
from iot_ca.fleet import status
from iot_ca.fleet.clients import Entry, Member
from iot_ca.fleet.inventory import Fleet, Place, Wanted
from iot_ca.fleet.render import html as page
from iot_ca.fleet.render import report
from iot_ca.fleet.status import STATES, Report, Row
from iot_ca.model import DesiredCa, ObservedCa, Target
from iot_ca.reconcile import drift
from tests.unit.support import ec_key, issue, pem

NOW = datetime.now(timezone.utc)
ROOT = issue(ec_key(), end=NOW + timedelta(days=400, hours=1))
CERTIFICATE = pem_text.read(pem(ROOT))
TAGS = {model.ORIGIN_TAG: "registered", model.OWNER_TAG: "me", model.REVISION_TAG: "register 1"}
IN_SYNC = ObservedCa("SNI_ONLY", "ACTIVE", True, tags=TAGS)


def a_row(**more: Any) -> Row:
    """A row of a CA in sync, but for `more`."""
    row = Row(
        account="production",
        account_id="111111111111",
        region="eu-west-1",
        ca="root",
        certificate_id="ab" * 32,
        state="in sync",
        wrong=(),
        wanted_mode="SNI_ONLY",
        wanted_status="ACTIVE",
        not_after=NOW + timedelta(days=400, hours=1),
        days=400,
        registered=True,
        mode="SNI_ONLY",
        status="ACTIVE",
        auto_registration=True,
        template="factory",
        managed="registered",
        revision="register 1",
    )
    return replace(row, **more)


def a_report(*rows: Row, **more: Any) -> Report:
    """A report of these rows."""
    return Report(rows, NOW, **more)


def wanted(**more: Any) -> Wanted:
    """A CA as the file wants it."""
    return Wanted(DesiredCa(CERTIFICATE.pem, **more), "template_name" in more)


def assessed(
    found: ObservedCa | Failure | None, moment: datetime = NOW, days: int = 90, **more: Any
) -> Row:
    """The row of one look."""
    place = Place("one", Target("111111111111", "eu-west-1"), {"root": wanted(**more)})
    fleet = Fleet((place,), {"root": CERTIFICATE})
    looked = {place: {CERTIFICATE.certificate_id: found}}
    (row,) = status.assess(fleet, looked, moment, days).rows
    return row


def test_a_ca_as_wanted_is_in_sync() -> None:
    row = assessed(IN_SYNC)
    assert (row.state, row.wrong, row.days) == ("in sync", (), 400)
    assert (row.mode, row.status, row.auto_registration) == ("SNI_ONLY", "ACTIVE", True)
    assert (row.template, row.managed, row.revision) == (None, "registered", "register 1")


@pytest.mark.parametrize(
    ("observed", "more", "told"),
    [
        (replace(IN_SYNC, status="INACTIVE"), {}, "status is INACTIVE, wanted ACTIVE"),
        (replace(IN_SYNC, mode="DEFAULT"), {}, "mode is DEFAULT, wanted SNI_ONLY"),
        (IN_SYNC, {"certificate_mode": "DEFAULT"}, "mode is SNI_ONLY, wanted DEFAULT"),
        (
            replace(IN_SYNC, auto_registration=False),
            {},
            "auto-registration is DISABLE, wanted ENABLE",
        ),
        (IN_SYNC, {"template_name": "factory"}, "template is none, wanted factory"),
        (replace(IN_SYNC, tags={}), {}, "not managed by this module yet"),
        (
            replace(IN_SYNC, tags={k: v for k, v in TAGS.items() if k != model.REVISION_TAG}),
            {},
            "tag iot-ca:revision is missing",
        ),
        (None, {}, "not registered, wanted SNI_ONLY, ACTIVE"),
    ],
)
def test_what_differs_is_drift_in_words(
    observed: ObservedCa | None, more: dict[str, Any], told: str
) -> None:
    row = assessed(observed, **more)
    assert (row.state, row.wrong) == ("drifted", (told,))


def test_tags_that_the_module_put_there_are_not_taken_for_drift() -> None:
    authority = DesiredCa(CERTIFICATE.pem, tags={"team": "iot", "cost": "1"})
    (register,) = drift.steps(authority, None, "register 1", "me")
    assert isinstance(register, drift.Register)
    tags = register.tags
    assert status.differences(wanted(), replace(IN_SYNC, tags={**tags, "theirs": "x"})) == []
    without = {key: value for key, value in tags.items() if key != "team"}
    (told,) = status.differences(wanted(), replace(IN_SYNC, tags=without))
    assert told.startswith("tag iot-ca:managed-tags is ")


@pytest.mark.parametrize(
    ("days_left", "warning", "state"),
    [(91, 90, "in sync"), (89, 90, "expiring"), (89, 30, "in sync"), (-1, 90, "expired")],
)
def test_the_end_of_a_certificate_is_seen_coming(days_left: int, warning: int, state: str) -> None:
    moment = ROOT.not_valid_after_utc - timedelta(days=days_left, minutes=-1)
    row = assessed(IN_SYNC, moment, warning)
    assert row.state == state
    assert [each.startswith("expire") for each in row.wrong] == [True] * (state != "in sync")


def test_a_failure_is_one_line_and_says_nothing_of_the_ca() -> None:
    row = assessed(Failure("no\n answer"))
    assert (row.state, row.wrong, row.registered, row.mode) == (
        "failed",
        ("no answer",),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("states", "exit_status"),
    [
        ((), 0),
        (("in sync", "expiring", "expired"), 0),
        (("in sync", "drifted"), 2),
        (("failed",), 1),
        (("drifted", "failed", "in sync"), 1),
    ],
)
def test_the_exit_status_says_the_worst_that_is_known(
    states: tuple[Any, ...], exit_status: int
) -> None:
    assert a_report(*(a_row(state=state) for state in states)).exit_status == exit_status


def test_the_same_thing_is_told_once() -> None:
    down = {"state": "failed", "wrong": ("no answer",)}
    off = {"state": "drifted", "wrong": ("status is INACTIVE, wanted ACTIVE",)}
    rows = [
        *(a_row(account="lab", ca=ca, region=r, **down) for r in ("a-1", "b-1") for ca in "xy"),
        a_row(**off),
        a_row(**off, region="us-east-1", ca="x"),
        *(a_row(**off, account=f"a{number}", account_id=f"{number:012}") for number in range(6)),
        a_row(),
    ]
    first, second = report.findings(a_report(*rows))
    assert (first.text, first.where) == ("no answer", "lab 111111111111: a-1, b-1 (x, y)")
    assert second.where.startswith("production 111111111111: eu-west-1 (root), us-east-1 (x); a0 ")
    assert second.where.endswith("; and 2 more accounts")


def test_json_has_every_fact_by_name() -> None:
    told = json.loads(report.as_json(a_report(a_row(), a_row(state="failed", wrong=("no",)))))
    assert told["counts"]["in_sync"] == told["counts"]["failed"] == 1
    assert told["exit_status"] == 1
    first = told["certificate_authorities"][0]
    assert first == {
        "account": "production",
        "account_id": "111111111111",
        "region": "eu-west-1",
        "ca": "root",
        "certificate_id": "ab" * 32,
        "state": "in_sync",
        "wrong": [],
        "wanted_mode": "SNI_ONLY",
        "wanted_status": "ACTIVE",
        "registered": True,
        "mode": "SNI_ONLY",
        "status": "ACTIVE",
        "auto_registration_status": "ENABLE",
        "template": "factory",
        "managed": "registered",
        "revision": "register 1",
        "not_after": utc.rfc3339(NOW + timedelta(days=400, hours=1)),
        "days": 400,
    }


def table(shown: Report, width: int, terminal: bool = True) -> str:
    """The table as a terminal of this width shows it, without its colours."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False
    )
    report.print_table(shown, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_fits_a_terminal_and_ends_with_what_is_wrong() -> None:
    bad = a_row(account="[b]lab", state="drifted", wrong=("status is [red]OFF",), status="INACTIVE")
    shown = a_report(bad, a_row(), notes=("a note",))
    for width in (80, 120, 160):
        lines = table(shown, width).splitlines()
        rows = lines[: lines.index("")]
        assert all(len(line.rstrip()) <= width for line in rows)
        assert len(rows) == 3
        assert "[b]lab" in rows[1]
        assert lines[-1] == "1 CA in 1 account and 1 region: 1 drifted, 1 in sync"
        assert "≠ drifted  status is [red]OFF" in lines
        assert "! note  a note" in lines
    assert "factory" in table(shown, 160)


def test_a_pipe_gets_whole_cells() -> None:
    long = "a" * 90
    assert long in table(a_report(a_row(account=long)), 40, terminal=False)


def test_no_name_gives_orders_to_the_terminal() -> None:
    evil = a_row(account="\x1b]0;evil\x07", ca="\x1b[2J", state="failed", wrong=("\x1b[31m\r",))
    shown = table(a_report(evil, notes=("\x9b1m",)), 160)
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_a_character_that_can_not_be_written_costs_itself_alone(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Names in the file are refused; this one is AWS's own answer."""
    target = tmp_path / "status.html"
    status._write("<p>a\ud800b", str(target))
    assert target.read_text(encoding="utf-8") == "<p>a?b"
    status._write("a\ud800b", "-")
    assert capsysbinary.readouterr().out == b"a?b"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_page_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    target = tmp_path / "status.html"
    target.write_text("the old one")
    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises((Failure, KeyboardInterrupt)):
        status._write("new", str(target))
    assert [each.name for each in tmp_path.iterdir()] == ["status.html"]
    assert target.read_text() == "the old one"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", "'' can't be written: it names no file"),
        ("/", "/ can't be written: it names no file"),
        ("file/status.html", "file/status.html can't be written: Not a directory"),
    ],
)
def test_a_path_that_can_not_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, wanted: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as failed:
        status._write("new", path)
    assert str(failed.value) == wanted


class Together:
    """So many callers wait for each other that with fewer at once they would wait for ever."""

    def __init__(self, parties: int) -> None:
        # The last one lets them wait a little longer: whoever is one too many comes then.
        self._barrier = threading.Barrier(parties, action=lambda: time.sleep(0.02))
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0

    def wait(self) -> None:
        """Return as soon as all are here."""
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        self._barrier.wait(30)
        with self._lock:
            self._running -= 1


def numbered(places: int, cas: int) -> Fleet:
    """A fleet of so many accounts and CAs; the CAs' IDs are numbers."""
    certificates = {f"ca{n}": replace(CERTIFICATE, certificate_id=str(n)) for n in range(cas)}
    each = dict.fromkeys(certificates, wanted())
    return Fleet(
        tuple(Place(f"a{n}", Target(f"{n:012}", "eu-west-1"), each) for n in range(places)),
        certificates,
    )


@pytest.mark.parametrize(("cas", "at_once"), [(1, 32), (2, 16), (20, 6)])
def test_accounts_are_entered_and_looked_at_together_up_to_the_bound(
    monkeypatch: pytest.MonkeyPatch, cas: int, at_once: int
) -> None:
    """All looks together make no more than 64 calls at once, each of them no more than ten."""
    together = Together(at_once)

    def enter(self: Member, regions: Sequence[str] = ()) -> Entry:
        del regions
        together.wait()
        return Entry(None, self.target.account_id)

    def observe(self: Registry, ids: Iterable[str]) -> dict[str, ObservedCa]:
        del self
        together.wait()
        return dict.fromkeys(ids, IN_SYNC)

    monkeypatch.setattr(Member, "enter", enter)
    monkeypatch.setattr(Registry, "observe", observe)
    fleet = numbered(2 * at_once, cas)
    found = status.look(fleet)
    assert found == {place: dict.fromkeys(map(str, range(cas)), IN_SYNC) for place in fleet.places}
    assert together.most == at_once


@pytest.mark.parametrize(("cas", "at_once"), [(1, 2), (5, 10), (20, 10)])
def test_the_calls_of_one_look_are_made_together_up_to_the_bound(
    monkeypatch: pytest.MonkeyPatch, cas: int, at_once: int
) -> None:
    together = Together(at_once)

    def call(*_: object) -> None:
        together.wait()

    monkeypatch.setattr(Member, "enter", lambda self, _regions: Entry(None, self.target.account_id))
    monkeypatch.setattr(Member, "client", lambda *_: None)
    monkeypatch.setattr(Registry, "_describe", call)
    monkeypatch.setattr(Registry, "_tags", call)
    monkeypatch.setattr(Registry, "arn", lambda _, certificate_id: certificate_id)
    fleet = numbered(1, cas)
    assert status.look(fleet) == {fleet.places[0]: dict.fromkeys(map(str, range(cas)))}
    assert together.most == at_once


class Checked(HTMLParser):
    """Reads a page and fails on what is not closed; keeps elements, attributes and texts."""

    VOID = frozenset({"meta", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def checked(text: str) -> Checked:
    """The page, read."""
    parser = Checked()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


HOSTILE = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onmouseover='alert(1)",
            "</style></script><!--",
            "&lt;b&gt;",
            "]]>",
            "javascript:alert(1)",
        ]
    ),
)
# All texts of a row that are shown, but its state: that is one of five words of the program.
SHOWN = ("account", "account_id", "region", "ca", "mode", "status", "template", "managed")
PLAIN = [
    element
    for element, _ in checked(page.render(a_report(a_row(wrong=("x",)), notes=("x",)))).elements
]


@settings(max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(SHOWN, HOSTILE)), HOSTILE)
def test_no_text_becomes_part_of_the_page(shown: dict[str, str], wrong: str) -> None:
    text = page.render(a_report(a_row(**shown, wrong=(wrong,)), notes=(wrong,)))
    seen = checked(text)
    assert [element for element, _ in seen.elements] == PLAIN
    for _, attributes in seen.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    said = "".join(seen.texts).replace("\r", "\n")
    for each in (*shown.values(), wrong):
        assert each.replace("\r", "\n") in said or not each.isprintable()


def test_the_page_needs_nothing_else_and_allows_nothing_else() -> None:
    text = page.render(a_report(a_row()))
    seen = checked(text)
    for element, attributes in seen.elements:
        assert not {"src", "href", "action", "data", "srcset"} & attributes.keys(), element
    assert "url(" not in text
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text
    policy = next(a["content"] for e, a in seen.elements if "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (inner,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_what_is_wrong_comes_first() -> None:
    rows = [
        a_row(state=state, wrong=() if state == "in sync" else (f"is {state}",)) for state in STATES
    ]
    text = page.render(a_report(*rows, notes=("a note",)))
    assert "<h1>4 of 5 need attention</h1>" in text
    order = [text.index(part) for part in ("is failed", "is expiring", "a note", "<svg", "<table")]
    assert order == sorted(order)
    assert "<h1>All 1 in sync</h1>" in page.render(a_report(a_row()))
    assert "What is wrong" not in page.render(a_report(a_row()))


def test_many_things_that_are_wrong_are_folded() -> None:
    rows = [a_row(state="failed", wrong=(f"reason {number}",)) for number in range(20)]
    assert "<summary>and 12 more</summary>" in page.render(a_report(*rows))


@settings(max_examples=60)
@given(
    st.lists(st.integers(-4000, 20_000), min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40),
)
def test_the_timeline_stays_in_its_frame(ends: list[int], name: str) -> None:
    rows = [
        a_row(ca=f"{number}{name}", days=days, not_after=NOW + timedelta(days=days, minutes=1))
        for number, days in enumerate(ends)
    ]
    (svg,) = re.findall(r"<svg.*?</svg>", page.render(a_report(*rows)), re.DOTALL)
    drawing = ElementTree.fromstring(svg)
    assert len(drawing.findall("g")) == len(ends)
    for element in drawing.iter():
        for key, value in element.attrib.items():
            if value.endswith("%") and key != "width":
                assert 0 <= float(value.rstrip("%")) <= 100
        assert float(element.get("width", "0%").rstrip("%")) >= 0
    ticks = [e.text for e in drawing.iter() if e.get("class") == "tick"]
    assert len(ticks) <= 7
    ends_of_lines = [
        float((e.get("cx") or "").rstrip("%")) for e in drawing.iter() if e.tag == "circle"
    ]
    assert ends_of_lines == sorted(ends_of_lines)
