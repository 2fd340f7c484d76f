"""Streams that take nothing, in place of standard output or standard error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

# "none": so Python has the stream of a process that was started without it.
BROKEN = ("none", "closed", "full", "without a reader")


@contextmanager
def broken_stream(kind: str) -> Iterator[TextIO | None]:
    """A stream of one of the kinds in BROKEN."""
    if kind == "none":
        yield None
        return
    if kind == "without a reader":
        reader, writer = os.pipe()
        os.close(reader)
        stream: TextIO = os.fdopen(writer, "w")
    else:
        stream = Path("/dev/full").open("w")  # noqa: SIM115
    if kind == "closed":
        stream.close()
    yield stream
    with suppress(OSError):  # of what is still in its buffer
        stream.close()
