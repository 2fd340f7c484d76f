"""Standard output in any encoding, closed or full."""

from __future__ import annotations

import io
import sys

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet.standard_output import standard_output


def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "cp1252"))
    with standard_output() as stdout:
        stdout.write("é日\ud800")
    assert written.getvalue() == b"\xe9\\u65e5\\ud800"


def test_a_closed_standard_output_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    message = r"^standard output can't be written: it is closed$"
    with pytest.raises(Failure, match=message), standard_output():
        pass
