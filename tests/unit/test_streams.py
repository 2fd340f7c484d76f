"""Standard output and standard error in any encoding, closed, full or without a reader."""

from __future__ import annotations

import io
import sys

import pytest

from iot_ca.errors import Failure
from iot_ca.streams import say, standard_output
from tests.support.program.broken_streams import BROKEN, broken_stream


def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "cp1252"))
    with standard_output() as stdout:
        stdout.write("é日\ud800")
    assert written.getvalue() == b"\xe9\\u65e5\\ud800"


@pytest.mark.parametrize("kind", BROKEN)
def test_standard_output_that_takes_nothing_is_reported(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    reasons = {"full": "No space left on device", "without a reader": "Broken pipe"}
    with broken_stream(kind) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        message = f"^standard output can't be written: {reasons.get(kind, 'it is closed')}$"
        with pytest.raises(Failure, match=message), standard_output() as stdout:
            stdout.write("text")


def test_a_report_may_be_cut_by_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_stream("without a reader") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with standard_output(may_be_cut=True) as stdout:
            stdout.write("text")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_line_that_no_stream_takes_is_no_error(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with broken_stream(kind) as stream:
        say("a line", stream)
        say("another line", stream)
    # Not on another stream instead, as `print` does with None.
    assert capfd.readouterr() == ("", "")
