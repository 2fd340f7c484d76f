"""Descriptions of variables and outputs: paragraphs, and a list with an item for each attribute.

Where the program takes its credentials from.

- `profile`: name of a profile. Default: none.
- `mode_change`, `mode_check` (DEFAULT): one text for two attributes.
  - `inner`: attribute of an attribute.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from tools.errors import ToolError

_HEREDOC = re.compile(r"<<(-?)(\w+)\n(.*?)\n?[ \t]*\2", re.DOTALL)
_ITEM = re.compile(r"(`[\w-]+`(?:, `[\w-]+`)*)(?: \(([^)]+)\))?: *(.*)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Item:
    """What a description says about one attribute, or about several alike."""

    names: tuple[str, ...]
    text: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Description:
    """Paragraphs, each on one line, and the items of the list."""

    paragraphs: tuple[str, ...]
    items: tuple[Item, ...] = ()


@dataclass
class _Lines:
    """The lines of an item, and the items within it."""

    indent: int
    lines: list[str]
    inner: list[_Lines]

    def item(self) -> Item:
        text = " ".join(self.lines)
        match = _ITEM.fullmatch(text)
        if match is None:
            raise ToolError(f"`- {text}` does not begin like `- `NAME`: TEXT`")
        names = tuple(re.findall(r"`([^`]+)`", match[1]))
        described = f"{match[2]}: {match[3]}" if match[2] else match[3]
        # In a cell of its own the text begins a sentence.
        described = described[:1].upper() + described[1:]
        return Item(names, described, tuple(inner.item() for inner in self.inner))


def plain_text(expression: str) -> str:
    """Return the text of a string as python-hcl2 gives it, quoted or as a heredoc."""
    text = expression[1:-1] if expression[:1] == expression[-1:] == '"' else expression
    heredoc = _HEREDOC.fullmatch(text)
    if heredoc:
        body = heredoc[3]
        text = textwrap.dedent(body) if heredoc[1] else body
    else:
        text = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text)
    return text.replace("$${", "${").replace("%%{", "%{").strip()


def parse_description(text: str, with_list: bool) -> Description:
    """Return the parts of a description; without `with_list` a list is part of its paragraph.

    Raises ToolError if an item of the list does not begin with an attribute's name.
    """
    paragraphs: list[str] = []
    top: list[_Lines] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if with_list and lines[:1] and lines[0].lstrip().startswith("- "):
            _read_list(lines, top)
        elif top and lines[:1] and lines[0].startswith(" "):
            _read_list(["<br><br>", *lines], top)
        else:
            paragraphs.append(_paragraph(lines))
    return Description(tuple(filter(None, paragraphs)), tuple(lines.item() for lines in top))


def _read_list(lines: list[str], top: list[_Lines]) -> None:
    for line in lines:
        text = line.lstrip()
        if text.startswith("- "):
            item = _Lines(len(line) - len(text), [text[2:]], [])
            around = [outer for outer in _last(top) if outer.indent < item.indent]
            (around[-1].inner if around else top).append(item)
        else:
            list(_last(top))[-1].lines.append(text.rstrip())


def _last(items: list[_Lines]) -> Iterator[_Lines]:
    """The last item, the last one within it, and so on."""
    while items:
        yield items[-1]
        items = items[-1].inner


def _paragraph(lines: list[str]) -> str:
    """One line; items of a list that is not about attributes keep their own."""
    text = ""
    for line in (line.strip() for line in lines):
        text += ("<br>" if line.startswith("- ") else " ") + line if text else line
    return text
