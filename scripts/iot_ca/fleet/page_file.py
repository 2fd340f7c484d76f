"""The file of the status page: replaced as a whole if it is a regular file, else written into."""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from contextlib import suppress
from pathlib import Path

from iot_ca.errors import Failure

# Linux gives a regular file that a shell has opened for a descriptor as the target of these links.
# The file is the shell's, such as a log that is appended to, so it must not be replaced.
_DESCRIPTOR_PATH = re.compile(r"/(?:dev|proc/self)/fd/([0-9]{1,9})|/dev/std(?:out|err)")


def is_standard_output(path: str) -> bool:
    """Return whether a path is `-` or names the file that standard output is open for."""
    if path == "-":
        return True
    # No such file, or a standard output that is closed or has no descriptor.
    with suppress(OSError, ValueError, AttributeError):
        return os.path.samestat(Path(path).stat(), os.fstat(sys.stdout.fileno()))
    return False


def write(content: bytes, path: str) -> None:
    """Write the page.

    Symbolic links are followed. A regular file is replaced as a whole or not at all, since a web
    server may be reading it. It keeps its mode and, as far as the system allows it, its owner and
    group. Anything else, such as a device or a FIFO, is written into.

    Raises Failure if that is not possible.
    """
    if not Path(path).name:
        raise Failure(f"{path or repr(path)} can't be written: it names no file")
    try:
        _write(content, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Failure(f"{path} can't be written: {reason}") from None


def _write(content: bytes, path: str) -> None:
    descriptor = _descriptor(path)
    if descriptor is not None:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        return
    try:
        status = Path(path).stat()
    except FileNotFoundError:  # also for a link to a file that does not exist yet
        status = None
    if status is None or stat.S_ISREG(status.st_mode):
        _replace(Path(os.path.realpath(path)), content, status)
    else:
        Path(path).write_bytes(content)


def _descriptor(path: str) -> int | None:
    """Return the number of the open descriptor that a path such as /dev/fd/3 stands for."""
    match = _DESCRIPTOR_PATH.fullmatch(path)
    if match is None:
        return None
    return int(match[1]) if match[1] else {"/dev/stdout": 1, "/dev/stderr": 2}[path]


def _replace(target: Path, content: bytes, status: os.stat_result | None) -> None:
    """Replace a regular file; `status` is that of the old one, None if there is none."""
    # Not the target's name with an ending: that may be longer than the file system allows.
    temporary = target.with_name(f".iot-ca-{secrets.token_hex(8)}")
    # An old page may be private, so the new one must not be readable before it has the old mode.
    mode = 0o666 if status is None else 0o600
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
        if status is not None:
            _copy_owner_and_mode(status, temporary)
        temporary.replace(target)
    finally:
        # After any end, an interrupt from the keyboard included.
        with suppress(OSError):
            temporary.unlink()


def _copy_owner_and_mode(status: os.stat_result, path: Path) -> None:
    """Give a file the group, owner and mode of another; skip what the system refuses."""
    if hasattr(os, "chown"):  # not on Windows
        # One by one: a user may give a file to a group of theirs, but only root to another user.
        for user, group in ((-1, status.st_gid), (status.st_uid, -1)):
            with suppress(PermissionError):
                os.chown(path, user, group)
    # After the owner, whose change clears some bits of the mode. Some file systems have no modes.
    with suppress(PermissionError):
        path.chmod(stat.S_IMODE(status.st_mode))
