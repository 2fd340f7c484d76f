"""Texts from files and from AWS in a form in which every character shows and none acts."""

from __future__ import annotations

import html
import unicodedata


def is_visible(character: str) -> bool:
    """Return whether a character is shown as itself: it is printable, or a space of any width."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def visible(text: str, encoding: str = "utf-8") -> str:
    r"""Return the text with escapes, such as `\x1b`, in place of what can't be shown.

    These are control characters, on which a terminal would act, characters that change the
    direction of writing, and those that the encoding lacks.
    """
    escaped = "".join(
        character if is_visible(character) else character.encode("unicode_escape").decode()
        for character in text
    )
    return escaped.encode(encoding, "backslashreplace").decode(encoding)


def escape_html(text: str) -> str:
    """Return the visible text as HTML, for the inside of an element or of a quoted attribute."""
    return html.escape(visible(text))
