"""A report as one HTML page that needs nothing else: no network, framework or even JavaScript.

Every text goes through `escape_html`. If one is ever forgotten, the page's own content security
policy still allows no script and no style except the two in the page, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca.fleet.render import page_table, page_unlisted, timeline
from iot_ca.fleet.render.page_table import badge, css_class
from iot_ca.fleet.render.summary import SIGNS, findings, headline
from iot_ca.fleet.render.text import escape_html
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from iot_ca.fleet.render.summary import Finding
    from iot_ca.fleet.report import Report

_FOLDER = Path(__file__).parent

_MAX_UNFOLDED_FINDINGS = 8


def render(report: Report) -> str:
    """Return the whole HTML document."""
    script = _read("page.js")
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        *_head(report, _read("page.css"), script),
        "<body>",
        *_header(report),
        "<main>",
        *_counts(report),
        *_what_is_wrong(report),
        *_expiry(report),
        *page_table.render(report),
        *(() if report.unlisted is None else page_unlisted.render(report.unlisted)),
        "</main>",
        "<footer><p>Made by terraform-aws-iot-ca. Nothing was written to AWS.</p></footer>",
        f"<script>{script}</script>",
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(lines)


def _head(report: Report, style: str, script: str) -> Iterator[str]:
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{escape_html(_verdict(report))} · AWS IoT CA certificates</title>"
    yield f"<style>{style}</style>"
    yield "</head>"


def _header(report: Report) -> Iterator[str]:
    yield "<header>"
    yield "<div>"
    yield '<p class="over">CA certificates in AWS IoT Core</p>'
    yield f"<h1>{escape_html(_verdict(report))}</h1>"
    yield (
        f'<p class="dim">{escape_html(headline(report))}. Looked up '
        f'<time datetime="{rfc3339(report.moment)}">{report.moment:%Y-%m-%d %H:%M UTC}</time>.</p>'
    )
    yield "</div>"
    yield '<button id="theme" type="button" hidden></button>'
    yield "</header>"


def _read(name: str) -> str:
    return "\n" + (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _verdict(report: Report) -> str:
    """Return the one line that a reader should know."""
    rows = len(report.rows)
    wrong = sum(row.state != "in sync" for row in report.rows)
    verdict = f"All {rows} in sync" if rows else "Nothing to look at"
    if wrong:
        verdict = f"{wrong} of {rows} {'needs' if wrong == 1 else 'need'} attention"
    unread = ", and CAs that the file does not name could not be read"
    return f"{verdict}{unread if report.is_unlisted_unreadable else ''}"


def _counts(report: Report) -> Iterator[str]:
    """Yield one button for each state; with JavaScript it filters the table."""
    yield '<ul class="counts" aria-label="How many there are of each state">'
    for state, count in report.counts.items():
        yield (
            f'<li class="{css_class(state)}"><button type="button" value="{css_class(state)}" '
            f'aria-pressed="false"{"" if count else " disabled"}><b>{count}</b> '
            f"<span>{SIGNS[state]} {state}</span></button></li>"
        )
    yield "</ul>"


def _what_is_wrong(report: Report) -> Iterator[str]:
    all_findings = findings(report)
    if not all_findings and not report.notes:
        return
    yield '<section aria-labelledby="wrong"><h2 id="wrong">What is wrong</h2>'
    yield '<ul class="findings">'
    yield from map(_finding, all_findings[:_MAX_UNFOLDED_FINDINGS])
    for note in report.notes:
        text = escape_html(note)
        yield f'<li><div><span class="badge note">! note</span></div><p>{text}</p></li>'
    yield "</ul>"
    folded = all_findings[_MAX_UNFOLDED_FINDINGS:]
    if folded:
        yield f"<details><summary>and {len(folded)} more</summary>"
        yield '<ul class="findings">'
        yield from map(_finding, folded)
        yield "</ul></details>"
    yield "</section>"


def _finding(finding: Finding) -> str:
    step = f"<p>Next: {escape_html(finding.next_step)}.</p>" if finding.next_step else ""
    return (
        f"<li><div>{badge(finding.state)}</div><div><p>{escape_html(finding.text)}</p>{step}"
        f'<p class="dim">{escape_html(finding.where)}</p></div></li>'
    )


def _expiry(report: Report) -> Iterator[str]:
    if report.rows:
        yield '<section aria-labelledby="expiry"><h2 id="expiry">When the CAs expire</h2>'
        yield from timeline.render(report)
        yield "</section>"
