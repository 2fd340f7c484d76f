"""The report as a page: nothing in it comes from elsewhere, and no text becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ElementTree
from datetime import timedelta
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from iot_ca.fleet.render import html
from iot_ca.fleet.render.text import visible
from iot_ca.fleet.report import STATES, Provisioning, Unlisted
from iot_ca.provisioning.checks.check import Check
from tests.support.certificates import NOW
from tests.support.status.reports import a_report, a_row, an_unlisted_row


class Page(HTMLParser):
    """Reads a page and fails on an element that is not closed."""

    VOID = frozenset({"meta", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

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
# All texts of a row on the page except its state, which is one of a few words of the program.
SHOWN = ("account", "account_id", "region", "ca", "mode", "status", "managed")


def with_text(text: str, **shown: str) -> str:
    """The page of a CA that has one text wherever there may be one, and of an unlisted CA."""
    provisioning = Provisioning("JITP", text)
    row = a_row(**shown, wrong=(text,), next_steps=(f"do {text}",), provisioning=provisioning)
    unlisted = Unlisted((an_unlisted_row(subject=text, unreadable=text),), ((text, text),))
    return html.render(a_report(row, notes=(text,), unlisted=unlisted))


HARMLESS = [element for element, _ in Page(with_text("x")).elements]


@settings(max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(SHOWN, HOSTILE)), HOSTILE)
def test_no_text_becomes_markup(shown: dict[str, str], wrong: str) -> None:
    page = Page(with_text(wrong, **shown))
    assert [element for element, _ in page.elements] == HARMLESS
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    texts = "".join(page.texts)
    for text in (*shown.values(), wrong):
        assert visible(text) in texts


def test_a_control_character_is_visible_on_the_page() -> None:
    hostile = "a\x1b[2J\x00\u202e\ud800"
    shown = {name: f"{name} {hostile}" for name in SHOWN}
    text = with_text(hostile, **shown)
    assert all(character.isprintable() or character == "\n" for character in text)
    for name in SHOWN:
        assert rf"{name} a\x1b[2J\x00\u202e\ud800" in text


def test_the_page_loads_nothing_and_its_policy_allows_nothing() -> None:
    text = html.render(a_report(a_row()))
    page = Page(text)
    for element, attributes in page.elements:
        assert not {"src", "href", "action", "data", "srcset"} & attributes.keys(), element
    assert "url(" not in text
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text
    policy = next(a["content"] for e, a in page.elements if "http-equiv" in a) or ""
    assert policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (inner,) = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


def test_the_verdict_says_that_something_was_not_read() -> None:
    text = html.render(a_report(a_row(), unlisted=Unlisted(failures=(("one", "denied"),))))
    verdict = "All 1 in sync, and CAs that the file does not name could not be read"
    assert f"<h1>{verdict}</h1>" in text
    assert f"<title>{verdict} " in text


def test_the_findings_come_first_on_the_page() -> None:
    rows = [
        a_row(state=state, wrong=() if state == "in sync" else (f"is {state}",)) for state in STATES
    ]
    text = html.render(a_report(*rows, notes=("a note",)))
    assert "<h1>7 of 8 need attention</h1>" in text
    order = [text.index(part) for part in ("is failed", "is expiring", "a note", "<svg", "<table")]
    assert order == sorted(order)
    assert "<h1>All 1 in sync</h1>" in html.render(a_report(a_row()))
    assert "What is wrong" not in html.render(a_report(a_row()))


def test_a_report_without_rows_has_no_timeline() -> None:
    text = html.render(a_report())
    assert "<h1>Nothing to look at</h1>" in text
    assert "<svg" not in text


def test_many_findings_are_folded() -> None:
    rows = [a_row(state="failed", wrong=(f"reason {number}",)) for number in range(20)]
    assert "<summary>and 12 more</summary>" in html.render(a_report(*rows))


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
    (svg,) = re.findall(r"<svg.*?</svg>", html.render(a_report(*rows)), re.DOTALL)
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


def test_the_page_has_the_whole_certificate_id_and_the_origin() -> None:
    text = html.render(a_report(a_row(certificate_id="0123456789ab" + "cd" * 26)))
    assert f"<summary>0123456789ab</summary><code>0123456789ab{'cd' * 26}</code>" in text
    assert "registered by this module" in text
    assert ">adopted<" in html.render(a_report(a_row(managed="adopted")))


def test_a_finding_has_its_next_step_and_marks_its_cell() -> None:
    row = a_row(
        state="drifted",
        status="INACTIVE",
        wrong=("status is INACTIVE",),
        next_steps=("apply the module there",),
        wrong_columns=("status",),
    )
    text = html.render(a_report(row))
    assert "<p>Next: apply the module there.</p>" in text
    assert 'data-label="Status" class="wrong">INACTIVE</td>' in text
    assert text.count('class="wrong"') == 1


def test_the_page_shows_provisioning_and_devices() -> None:
    check = Check("template enabled", False, "it is disabled")
    faulty = a_row(provisioning=Provisioning("JITP", "factory", (check,)))
    assert ">JITP factory, faulty</td>" in html.render(a_report(faulty))
    assert ">12 (3 pending)</td>" in html.render(a_report(faulty))


def test_unlisted_cas_have_a_section_of_their_own() -> None:
    text = html.render(a_report(a_row(), unlisted=Unlisted((an_unlisted_row(),))))
    assert "1 registered CA that the file does not name." in text
    assert "<code>" + "cd" * 32 + "</code>" in text
    for shown in ("CN=former", "1000+", "30 days", "DEFAULT"):
        assert f">{shown}</td>" in text
    nothing = html.render(a_report(a_row(), unlisted=Unlisted()))
    assert "every CA that could be listed is in the file." in nothing
    assert "Not in the file" not in html.render(a_report(a_row()))
