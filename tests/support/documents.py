"""The Markdown documents of the repository: their links, their anchors and their commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import Counter
from pathlib import Path

from tests.support.readmes import code_blocks
from tools.checkout import ROOT

_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?)(?: +#+)?$", re.MULTILINE)
_NAME = re.compile(r'<a (?:name|id)="([^"]+)">')
_CONTINUED = re.compile(r"\\\n *")


def documents() -> list[Path]:
    """Return the Markdown files that belong to the repository."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return [ROOT / name for name in sorted(filter(None, tracked.split("\0")))]


def links(text: str) -> list[str]:
    """Return the targets of the links of a document, but not those of the Web."""
    prose = _INLINE_CODE.sub("", _FENCED.sub("", text))
    return [link for link in _LINK.findall(prose) if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a document: its names, and its headings as GitHub spells them."""
    prose = _FENCED.sub("", text)
    seen: Counter[str] = Counter()
    slugs = set(_NAME.findall(prose))
    for heading in _HEADING.findall(prose):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        slugs.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return slugs


def command_lines(text: str) -> list[str]:
    """Return the lines of a document's shell blocks, continued lines as one, without prompts."""
    shell = "\n".join(code_blocks(text, "sh"))
    typed = re.findall(r"^\$ (.*)$", "\n".join(code_blocks(text, "console")), re.MULTILINE)
    return [*_CONTINUED.sub(" ", shell).splitlines(), *typed]


def program_arguments(line: str) -> list[list[str]]:
    """Return the arguments of each call of the program in a line, its command first."""
    calls = re.findall(r"\biot_ca ((?:csr|status|diagnose|inventory)\b[^>|&;)]*)", line)
    return [shlex.split(call, comments=True) for call in calls]


def aws_calls(line: str) -> list[tuple[str, str, set[str]]]:
    """Return service, operation and options of each call of the AWS CLI in a line."""
    unquoted = re.sub(r"'[^']*'", "''", line)
    _, *texts = re.split(r"\baws (?=[a-z0-9-]+ [a-z0-9-]+)", unquoted)
    calls = []
    for text in texts:
        service, operation, *_ = text.split()
        arguments = re.split(r"[|;)#]|&&", text)[0]
        calls.append((service, operation, set(re.findall(r" --([a-z0-9-]+)", arguments))))
    return calls
