"""Texts in which every character shows and none acts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_ca.fleet.render.text import visible


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("ルート é", "utf-8", "ルート é"),
        ("ルート é", "cp1252", r"\u30eb\u30fc\u30c8 é"),
        ("é", "ascii", r"\xe9"),
        ("\x1b[2J\x9b1m\x07\x00\x7f", "utf-8", r"\x1b[2J\x9b1m\x07\x00\x7f"),
        ("a\nb\rc\td\u2028", "utf-8", r"a\nb\rc\td\u2028"),
        ("abc\u202ecba", "utf-8", r"abc\u202ecba"),
        ("\ud800", "utf-8", r"\ud800"),
        ("a\u3000b\u00a0c", "utf-8", "a\u3000b\u00a0c"),
    ],
)
def test_what_can_not_be_shown_is_escaped(text: str, encoding: str, shown: str) -> None:
    assert visible(text, encoding) == shown


@given(st.text(), st.sampled_from(["utf-8", "ascii", "cp1252", "cp932", "utf-16"]))
def test_no_control_character_is_left_and_every_encoding_has_the_rest(
    text: str, encoding: str
) -> None:
    shown = visible(text, encoding)
    assert not any(ord(character) < 32 or 126 < ord(character) < 160 for character in shown)
    assert shown.encode(encoding).decode(encoding) == shown
