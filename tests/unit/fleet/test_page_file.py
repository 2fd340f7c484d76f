"""How the page is written: into which file, with which mode, and as a whole."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import page_file


def written(path: Path) -> list[str]:
    """Write a page, and return the names that its folder then has."""
    page_file.write(b"new", str(path))
    return sorted(file.name for file in path.parent.iterdir())


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
        page_file.write(b"new", str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["status.html"]
    assert target.read_text() == "the old one"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "'' can't be written: it names no file"),
        ("/", "/ can't be written: it names no file"),
        ("file/status.html", "file/status.html can't be written: Not a directory"),
        ("folder", "folder can't be written: Is a directory"),
        ("loop", "loop can't be written: Too many levels of symbolic links"),
        ("lost", "lost can't be written: No such file or directory"),
    ],
)
def test_a_path_that_can_not_be_written_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lost").symlink_to("no-folder/status.html")
    with pytest.raises(Failure) as failed:
        page_file.write(b"new", path)
    assert str(failed.value) == message


@pytest.mark.parametrize("exists", [True, False])
def test_the_target_of_a_link_is_written_and_the_link_stays(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "releases").mkdir()
    target = tmp_path / "releases" / "status.html"
    if exists:
        target.write_text("the old one")
    (tmp_path / "inner.html").symlink_to("releases/status.html")
    link = tmp_path / "status.html"
    link.symlink_to("inner.html")
    assert written(link) == ["inner.html", "releases", "status.html"]
    assert link.is_symlink()
    assert (tmp_path / "inner.html").is_symlink()
    assert not target.is_symlink()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["status.html"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o666])
def test_an_existing_page_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "status.html"
    target.touch()
    target.chmod(mode)
    assert written(target) == ["status.html"]
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_new_page_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    written(tmp_path / "status.html")
    assert (tmp_path / "status.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_an_existing_page_keeps_its_owner_as_far_as_the_system_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is one of the user's; only root may give a file to another user."""
    calls: list[tuple[int, int]] = []

    def chown(path: Path, user: int, group: int) -> None:
        del path
        calls.append((user, group))
        if user != -1:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", chown)
    target = tmp_path / "status.html"
    target.touch(0o640)
    assert written(target) == ["status.html"]
    status = target.stat()
    assert calls == [(-1, status.st_gid), (status.st_uid, -1)]
    assert target.read_text() == "new"


def test_a_private_page_is_private_before_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "status.html"
    target.touch()
    target.chmod(0o600)
    modes: list[int] = []

    def chmod(path: Path, mode: int) -> None:
        del mode
        modes.append(stat.S_IMODE(path.stat().st_mode))

    monkeypatch.setattr(Path, "chmod", chmod)
    written(target)
    assert modes == [0o600]


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path: Path) -> None:
    name = "a" * 250 + ".html"
    assert written(tmp_path / name) == [name]


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    fifo = tmp_path / "status.html"
    os.mkfifo(fifo)
    writer = threading.Thread(target=page_file.write, args=(b"new", str(fifo)), daemon=True)
    writer.start()
    # Without blocking: a writer that replaces the FIFO would never open it.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer.join(10)
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_is_written_into(tmp_path: Path) -> None:
    """/dev/null itself must not be at risk, so a terminal is used, behind a link."""
    ours, theirs = os.openpty()
    (tmp_path / "status.html").symlink_to(os.ttyname(theirs))
    assert written(tmp_path / "status.html") == ["status.html"]
    assert os.read(ours, 10) == b"new"
    assert (tmp_path / "status.html").is_symlink()
    os.close(theirs)
    os.close(ours)


def test_an_open_descriptor_is_written_into(tmp_path: Path) -> None:
    """On Linux /dev/fd/N is a link to the regular file, which a shell may be appending to."""
    log = tmp_path / "log"
    log.write_bytes(b"old ")
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    page_file.write(b"new", f"/dev/fd/{descriptor}")
    os.write(descriptor, b" later")
    os.close(descriptor)
    assert log.read_bytes() == b"old new later"
