"""How the page is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import status


def test_a_character_that_can_not_be_encoded_is_replaced(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Such a name in a file is refused; this one is in AWS's answer."""
    target = tmp_path / "status.html"
    status._write_page("<p>a\ud800b", str(target))
    assert target.read_text(encoding="utf-8") == "<p>a?b"
    status._write_page("a\ud800b", "-")
    assert capsysbinary.readouterr().out == b"a?b"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_page_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fails(*_: object) -> None:
        raise error

    target = tmp_path / "status.html"
    target.write_text("the old one")
    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises((Failure, KeyboardInterrupt)):
        status._write_page("new", str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["status.html"]
    assert target.read_text() == "the old one"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "'' can't be written: it names no file"),
        ("/", "/ can't be written: it names no file"),
        ("file/status.html", "file/status.html can't be written: Not a directory"),
    ],
)
def test_a_path_that_can_not_be_written_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Failure) as failed:
        status._write_page("new", path)
    assert str(failed.value) == message
