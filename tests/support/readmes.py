"""The fenced blocks of code in a document."""

from __future__ import annotations

import re

_HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
# In an item of a list a block is indented, which Markdown removes.
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def code_blocks(document: str, language: str) -> list[str]:
    """The blocks of a language, without their fences."""
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, tongue, text in _FENCED.findall(document)
        if tongue == language
    ]


def code_blocks_below(document: str, heading: str, language: str) -> list[str]:
    """The blocks of a language between a heading of a document and its next heading.

    ValueError for a heading that is not there exactly once.
    """
    # A comment in a block looks like a heading; offsets stay as they are.
    outside = _FENCED.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), document)
    headings = list(_HEADING.finditer(outside))
    (section,) = (match for match in headings if match[1] == heading)
    end = min(
        (match.start() for match in headings if match.start() > section.start()), default=None
    )
    return code_blocks(document[section.end() : end], language)
