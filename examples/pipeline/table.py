"""One table of all plans, as Markdown for a comment."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from accounts import MATRIX_LIMIT, Account
from plans import CHANGES, FAILED, NO_CHANGES, WORDS, Report

MARK = "<!-- iot-ca plan -->"
# GitHub refuses a comment of more than 65536 characters.
COMMENT_LIMIT = 60000
TEXT_LIMIT = 300
# How long a cell may be; a shorter one if not all accounts fit into a comment.
CELL_LIMITS = (1000, 300, 0)
ORDER = (FAILED, CHANGES, NO_CHANGES)


def table(reports: Mapping[Account, Report], heading: str) -> str:
    """Return one table of all plans: failures, then changes, then the others."""
    counts = [f"{sum(r.status == s for r in reports.values())} {WORDS[s]}" for s in ORDER]
    lines = [MARK, heading, "", ", ".join(counts), ""]
    if len(reports) > MATRIX_LIMIT:
        lines += [f"GitHub takes {MATRIX_LIMIT} accounts, these are {len(reports)}.", ""]
    lines += ["| account | stage | region | plan | what |", "| --- | --- | --- | --- | --- |"]
    rows: list[str] = []
    for limit in CELL_LIMITS:
        rows = _rows(reports, limit)
        if len("\n".join(rows)) < COMMENT_LIMIT:
            break
    shown = [row for n, row in enumerate(rows) if len("\n".join(rows[: n + 1])) < COMMENT_LIMIT]
    if len(shown) < len(rows):
        shown.append(f"\n{len(rows) - len(shown)} more accounts: see the artifacts of the run.")
    return "\n".join([*lines, *shown, ""])


def trouble(message: str, heading: str) -> str:
    """Return the comment for a pull request of which nothing could be planned."""
    return "\n".join([MARK, heading, "", f"failed: {_text(message)}", ""])


def heading(commit: str | None, run: str | None) -> str:
    """Return the heading, which tells the comment of this commit from that of an earlier one."""
    of_commit = f" of {commit[:7]}" if commit else ""
    return f"## Plan{of_commit}" + (f" ([run]({run}))" if run else "")


def _rows(reports: Mapping[Account, Report], limit: int) -> list[str]:
    return [
        f"| {account.name} ({account.account_id}) | {account.stage} | {account.region} "
        f"| {WORDS[report.status]} | {_cell(report, limit)} |"
        for status in ORDER
        for account, report in reports.items()
        if report.status == status
    ]


def _cell(report: Report, limit: int) -> str:
    """Return the counts and as many texts as fit, at least one of both."""
    texts = [report.counts, *report.what] if report.counts else list(report.what)
    texts = [text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}..." for text in texts]
    fitting = [n for n in range(len(texts)) if n == 0 or len("; ".join(texts[: n + 1])) <= limit]
    more = len(texts) - len(fitting)
    return _text("; ".join(texts[: len(fitting)] + ([f"and {more} more"] if more else [])))


def _text(text: str) -> str:
    """Return a text that stays text in Markdown, whatever AWS or Terraform said."""
    return re.sub(r"([\\|`*_\[\]~@#])", r"\\\1", html.escape(text, quote=False))
