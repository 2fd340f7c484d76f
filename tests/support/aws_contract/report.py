"""The table of assumptions: on the screen, as JSON, and as Markdown for the documents."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

Result = Literal["agreed", "not agreed", "could not be tested"]

_HEXADECIMAL_ID = re.compile(r"\b[0-9a-f]{64}\b")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# The run's own names, which end in a number that depends on what the run has made before.
_NAME = re.compile(r"\bRUN[-_][a-z]+\d+x*")
_LINK_WIDTH = 40
_WIDTH = 100
_COLUMN = 20  # where the text begins, behind the longest result


@dataclass(frozen=True)
class Row:
    """One assumption, where it comes from, and what AWS has answered."""

    section: str
    assumption: str
    source: str
    result: Result
    answer: str


@dataclass(frozen=True)
class Report:
    """A run: when, where, and what came of it. `leftovers` are what is left."""

    run: str
    time: str
    region: str
    read_only: bool
    rows: tuple[Row, ...]
    leftovers: tuple[str, ...] = ()

    def count(self, result: Result) -> int:
        """Return how many rows have a result."""
        return sum(row.result == result for row in self.rows)


def neutral(text: str, names: Mapping[str, str]) -> str:
    """Return `text` without what only one run or account has: IDs, and the keys of `names`."""
    for name, replacement in sorted(names.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(name, replacement)
    text = _UUID.sub("UUID", _HEXADECIMAL_ID.sub("ID", _NAME.sub("RUN", text)))
    return " ".join(text.split())


def write_json(report: Report, path: Path) -> None:
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> Report:
    """Return a report that `write_json` has written."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    document["rows"] = tuple(Row(**row) for row in document["rows"])
    document["leftovers"] = tuple(document["leftovers"])
    return Report(**document)


def screen_lines(report: Report) -> list[str]:
    """Return the table for a terminal: each row's result and assumption, then the details."""
    lines: list[str] = []
    for section, rows in _sections(report.rows):
        lines += ["", section, "-" * len(section)]
        for row in rows:
            lines += _wrapped(row.result, row.assumption)
            lines += _wrapped("    answer", row.answer or "-")
            lines += _wrapped("    source", row.source)
    counts = (f"{report.count(result)} {result}" for result in _RESULTS)
    return [*lines, "", ", ".join(counts)]


_RESULTS: Sequence[Result] = ("agreed", "not agreed", "could not be tested")


def markdown(report: Report) -> str:
    """Return the table for a document; nothing in it changes from run to run."""
    parts = []
    for section, rows in _sections(report.rows):
        parts.append(f"### {section}\n")
        parts.append("| Assumption | Result | Answer | Source |\n| --- | --- | --- | --- |")
        for row in rows:
            cells = (row.assumption, row.result, row.answer or "-", _link(row.source))
            parts.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)


def _sections(rows: Iterable[Row]) -> Iterable[tuple[str, list[Row]]]:
    for section, group in groupby(rows, lambda row: row.section):
        yield section, list(group)


def _wrapped(label: str, text: str) -> list[str]:
    """Return `text` behind `label`, in lines that all begin in the text's column."""
    width = _WIDTH - _COLUMN
    first, *others = textwrap.wrap(text, width, break_long_words=False) or [""]
    return [f"{label:<{_COLUMN}}{first}", *(" " * _COLUMN + line for line in others)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _link(source: str) -> str:
    """Return a source as a link whose text is the page's name, if it is an address."""
    if not source.startswith("https://"):
        return source
    page = source.partition("#")[0].rstrip("/").rpartition("/")[2].removesuffix(".html")
    text = textwrap.shorten(page.replace("-", " "), _LINK_WIDTH, placeholder=" ...")
    return f"[{text}]({source})"
