"""The page in a real browser: on a phone and on a desk, sorted, filtered, light and dark."""

from __future__ import annotations

import struct
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from iot_ca.fleet.render import html as page
from iot_ca.fleet.report import STATES, Provisioning, Report, Row, Unlisted
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import DeviceCertificates
from tests.support.status.browser import Browser
from tests.support.status.reports import an_unlisted_row

NOW = datetime.now(timezone.utc)
PHONE = (360, 740)
DESK = (1280, 900)
# As long as a name may be, and nothing in it to break a line at.
LONG = "account-" + "x" * 120


def a_row(number: int, **more: Any) -> Row:
    """The row of an account; every third has drifted, one has failed, one has a hostile name."""
    days = 4000 - 37 * number
    state, wrong = STATES[-1], ()
    facts: dict[str, Any] = {
        "account": f"account-{number}",
        "account_id": f"{number:012}",
        "region": ("eu-west-1", "ap-southeast-2")[number % 2],
        "ca": f"root-{number % 4}",
        "certificate_id": "ab" * 32,
        "state": state,
        "wrong": wrong,
        "wanted_mode": "SNI_ONLY",
        "wanted_status": "ACTIVE",
        "not_after": NOW + timedelta(days=days, minutes=1),
        "days": days,
        "registered": True,
        "mode": "SNI_ONLY",
        "status": "ACTIVE",
        "auto_registration": True,
        "template": "factory",
        "managed": "registered",
        "provisioning": Provisioning("JITP", "factory"),
        "devices": DeviceCertificates(1000, number, more=True),
    }
    if number % 3 == 0:
        facts |= {"state": "drifted", "wrong": ("status is INACTIVE",), "status": "INACTIVE"}
        facts |= {"next_steps": ("apply the module there",), "wrong_columns": ("status",)}
    return Row(**{**facts, **more})


@pytest.fixture(scope="module")
def report() -> Report:
    """Twenty-four rows, worst first."""
    rows = [a_row(number) for number in range(24)]
    rows[4] = a_row(4, account=LONG, state="failed", wrong=(f"no way to {LONG}",), mode=None)
    rows[5] = a_row(5, account='<img src=x onerror="document.title=1">', ca="</svg><b>")
    denied = Check("role", None, "the credentials may not call iam:GetRole", unreadable=True)
    rows[8] = a_row(
        8,
        state="not readable",
        region="ap-southeast-2",
        wrong=("not readable (role): the credentials may not call iam:GetRole",),
        next_steps=("give the role the policy report_json of modules/iam-policies",),
        provisioning=Provisioning("JITR", "iot_jitr_root_2025_1a2b3c4d", (denied,)),
        wrong_columns=("provisioning",),
    )
    rows.sort(key=lambda row: STATES.index(row.state))
    unlisted = Unlisted((an_unlisted_row(), an_unlisted_row(subject=f"CN={LONG}")))
    return Report(tuple(rows), NOW, notes=("a note",), unlisted=unlisted)


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of it."""
    path = tmp_path_factory.mktemp("page") / "status.html"
    path.write_text(page.render(report), encoding="utf-8")
    return path


def column(browser: Browser, index: int) -> list[str]:
    """The texts of a column, in order, of the rows that are shown."""
    texts: list[str] = browser.run(
        "[...document.querySelectorAll('#cas tbody tr')].filter((row) => !row.hidden)"
        f".map((row) => row.cells[{index}].textContent.trim())"
    )
    return texts


def colours(png: bytes) -> set[bytes]:
    """The colours of a PNG of 8 bits a channel (PNG specification, "Filtering"), as it is sent."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    channels = {2: 3, 6: 4}[kind]
    assert depth == 8
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw, stride = zlib.decompress(data), width * channels
    seen: set[bytes] = set()
    before = bytearray(stride)
    for row in range(height):
        start = row * (stride + 1)
        before = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], before, channels)
        if row % 8 == 0:
            seen |= {bytes(before[i : i + 3]) for i in range(0, stride, channels)}
    return seen


def _unfiltered(kind: int, line: bytes, above: bytearray, channels: int) -> bytearray:
    done = bytearray(line)
    for i in range(len(done)):
        left = done[i - channels] if i >= channels else 0
        up = above[i]
        corner = above[i - channels] if i >= channels else 0
        if kind == 1:
            done[i] = (done[i] + left) & 255
        elif kind == 2:
            done[i] = (done[i] + up) & 255
        elif kind == 3:
            done[i] = (done[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            nearest = min((left, up, corner), key=lambda each: abs(guess - each))
            done[i] = (done[i] + nearest) & 255
    return done


@pytest.mark.parametrize("size", [(320, 600), PHONE, (768, 1024), (1276, 800), (1277, 800), DESK])
def test_no_element_exceeds_the_screen(browser: Browser, file: Path, size: tuple[int, int]) -> None:
    browser.open(file, *size)
    wide, inner = browser.run("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == size[0]
    sticking_out = browser.run(
        "[...document.querySelectorAll('main *')].filter((e) => { const r ="
        " e.getBoundingClientRect(); return r.width > 1 && r.height > 1 && !e.closest('thead, svg')"
        " && (r.left < -1 || r.right > window.innerWidth + 1); }).map((e) => e.outerHTML)"
    )
    assert sticking_out == []


def test_the_page_loads_without_errors_or_requests(
    browser: Browser, file: Path, report: Report
) -> None:
    browser.open(file, *DESK)
    assert browser.run("document.title").startswith("10 of 24 need attention")
    assert browser.run("document.querySelectorAll('#cas tbody tr').length") == len(report.rows)
    assert browser.run("document.querySelectorAll('img, b b, svg b').length") == 0
    complaints = [
        event
        for event in browser.events
        if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
    ]
    assert complaints == []
    asked = [e for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert [event["params"]["request"]["url"] for event in asked] == [file.as_uri()]


def test_the_findings_are_visible_without_scrolling(browser: Browser, file: Path) -> None:
    browser.open(file, *PHONE)
    assert column(browser, 3)[0] == "✕ failed"
    tops = browser.run(
        "['h1', '#wrong', '.findings li', 'svg', '#cas', '#unlisted'].map((selector) =>"
        " document.querySelector(selector).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)
    assert tops[2] < PHONE[1]


def test_a_click_sorts_and_a_second_one_reverses_the_order(browser: Browser, file: Path) -> None:
    browser.open(file, *DESK)
    regions = column(browser, 1)
    assert regions != sorted(regions)

    browser.click("thead th:nth-child(2) button")
    assert column(browser, 1) == sorted(regions)
    assert browser.run("document.querySelector('[aria-sort]').textContent") == "Region"
    browser.click("thead th:nth-child(2) button")
    assert column(browser, 1) == sorted(regions, reverse=True)
    assert browser.run("document.querySelector('[aria-sort]').ariaSort") == "descending"

    # By the number of days, not by its letters; and back to the worst first.
    browser.click("thead th:last-child button")
    days = [int(text.split()[0]) for text in column(browser, 10)]
    assert days == sorted(days)
    browser.click("thead th:nth-child(4) button")
    states = [text[2:] for text in column(browser, 3)]
    assert states == sorted(states, key=[str(state) for state in STATES].index)


def test_on_a_phone_the_table_is_sorted_by_a_list(browser: Browser, file: Path) -> None:
    browser.open(file, *PHONE)
    browser.run(
        "(() => { const list = document.getElementById('sort'); list.value = '2';"
        " list.dispatchEvent(new Event('change')); })()"
    )
    assert column(browser, 2) == sorted(column(browser, 2))
    assert browser.run("document.getElementById('sort').offsetHeight") >= 30
    assert (
        browser.run("getComputedStyle(document.querySelector('#cas tbody tr')).display") == "grid"
    )


def test_text_and_states_filter_the_table(browser: Browser, file: Path, report: Report) -> None:
    browser.open(file, *DESK)
    browser.click("#filter")
    browser.type("AP-SOUTH root-1")
    wanted = sum(row.region == "ap-southeast-2" and row.ca == "root-1" for row in report.rows)
    assert len(column(browser, 0)) == wanted > 0
    assert browser.run("document.getElementById('shown').textContent") == f"{wanted} of 24 shown"

    browser.open(file, *DESK)
    browser.click(".counts .drifted button")
    assert set(column(browser, 3)) == {"≠ drifted"}
    assert len(column(browser, 3)) == report.counts["drifted"]
    browser.click(".counts .failed button")
    assert set(column(browser, 3)) == {"≠ drifted", "✕ failed"}
    assert browser.run("document.querySelectorAll('[aria-pressed=true]').length") == 2


def test_light_and_dark_follow_the_system_and_the_button(browser: Browser, file: Path) -> None:
    grounds = {}
    for dark in (False, True):
        browser.open(file, *DESK, dark=dark)
        grounds[dark] = browser.run("getComputedStyle(document.body).backgroundColor")
    browser.click("#theme")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == grounds[False]
    assert browser.run("document.getElementById('theme').textContent") == "☾ Dark"
    assert grounds[False] != grounds[True]
    browser.run("localStorage.clear()")


CONTRAST = """
(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
  };
  const poor = [];
  for (const e of document.querySelectorAll("body *:not(script, svg, svg *)")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest(":disabled, .sortby, [hidden]")) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(e.outerHTML);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_enough_contrast(browser: Browser, file: Path, dark: bool) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 at least."""
    browser.open(file, *DESK, dark=dark)
    assert browser.run(CONTRAST) == []


def test_every_control_has_an_accessible_name(browser: Browser, file: Path) -> None:
    browser.open(file, *PHONE)
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    nameless = [
        node
        for node in nodes
        if node.get("role", {}).get("value")
        in ("button", "combobox", "searchbox", "image", "table")
        and not node["ignored"]
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    roles = [node.get("role", {}).get("value") for node in nodes if not node["ignored"]]
    # Shown as cards, it is a table all the same.
    assert roles.count("row") == 25 + 3
    assert roles.count("rowheader") == 24 + 2


@pytest.mark.parametrize("dark", [False, True])
def test_the_picture_is_not_empty(browser: Browser, file: Path, dark: bool) -> None:
    browser.open(file, *PHONE, dark=dark)
    seen = colours(browser.picture())
    assert len(seen) > 50
    assert (bytes((0x11, 0x15, 0x1A)) if dark else bytes((0xF4, 0xF6, 0xF8))) in seen


def test_without_javascript_the_page_is_complete(browser: Browser, file: Path) -> None:
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(file, *DESK)
        hidden = browser.run("[...document.querySelectorAll('[hidden]')].map((e) => e.className)")
        assert hidden == ["", "tools"]
        assert len(column(browser, 0)) == 24
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)


# Words that a line break or the edge of a cell splits: each has more than one rectangle. IDs and
# names of more than 24 characters have to be split.
SPLIT_WORDS = """
(() => {
  const split = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("svg, [hidden], thead, option, code")) continue;
    for (const word of node.data.matchAll(/[^\\s-]+/g)) {
      if (word[0].length > 24) continue;
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
      if (tops.size > 1) split.push(word[0]);
    }
  }
  return split;
})()
"""


@pytest.mark.parametrize("width", [320, 360, 500, 768, 1024, 1277])
def test_no_word_is_split(browser: Browser, file: Path, width: int) -> None:
    browser.open(file, width, 900)
    assert browser.run(SPLIT_WORDS) == []


def test_a_wrong_cell_is_marked_by_a_sign(browser: Browser, file: Path) -> None:
    for size in (PHONE, DESK):
        browser.open(file, *size)
        marks = browser.run(
            "[...document.querySelectorAll('#cas td.wrong')].map((cell) =>"
            " cell.dataset.label + getComputedStyle(cell, '::after').content)"
        )
        assert sorted(marks) == ['Provisioning" ≠"'] + ['Status" ≠"'] * 8


def test_the_whole_certificate_id_unfolds_to_be_copied(browser: Browser, file: Path) -> None:
    browser.open(file, *DESK)
    browser.click("#cas tbody summary")
    browser.run("getSelection().selectAllChildren(document.querySelector('#cas tbody code'))")
    assert browser.run("getSelection().toString()") == "ab" * 32
