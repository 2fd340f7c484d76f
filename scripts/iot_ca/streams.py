"""Standard output and standard error: in any encoding, closed, full, or a pipe without a reader."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from iot_ca.errors import Failure


def say(line: str, stream: TextIO | None) -> None:
    """Print a line if the stream takes it; None, as Python has it without the stream, does not.

    AWS holds what was done, and what is under way must go on: a stream that is closed or full must
    not turn it into a failure.
    """
    if stream is None:
        return
    try:
        print(line, file=stream, flush=True)
    except (OSError, ValueError):
        _discard_the_rest(stream)


@contextmanager
def standard_output(*, may_be_cut: bool = False) -> Iterator[TextIO]:
    r"""Provide standard output, and flush it afterwards.

    A character that its encoding lacks is written as an escape such as `\u65e5`. With `may_be_cut`,
    if the reader of a pipe stops reading, as `head` does, the rest is discarded.

    Raises Failure for a standard output that is closed or can't be written.
    """
    stream = sys.stdout
    if stream is None or stream.closed:  # None: the process was started without one
        raise Failure("standard output can't be written: it is closed")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    try:
        yield stream
        stream.flush()
    except OSError as error:
        _discard_the_rest(stream)
        if may_be_cut and isinstance(error, BrokenPipeError):
            return
        reason = error.strerror or type(error).__name__
        raise Failure(f"standard output can't be written: {reason}") from error


def _discard_the_rest(stream: TextIO) -> None:
    """Lead a stream nowhere: at its exit Python writes what is left and would fail again."""
    with suppress(OSError, ValueError):
        descriptor = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
