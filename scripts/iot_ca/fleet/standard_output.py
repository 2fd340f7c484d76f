"""Standard output for a report: in any encoding, closed, full, or a pipe without a reader."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from iot_ca.errors import Failure


@contextmanager
def standard_output() -> Iterator[TextIO]:
    r"""Provide standard output, and flush it afterwards.

    A character that its encoding lacks is written as an escape such as `\u65e5`. If the reader of
    a pipe stops reading, as `head` does, the rest is discarded.

    Raises Failure for a standard output that is closed or can't be written.
    """
    if sys.stdout is None:  # so Python says that the process was started without one
        raise Failure("standard output can't be written: it is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_the_rest()
    except OSError as error:
        _discard_the_rest()
        reason = error.strerror or type(error).__name__
        raise Failure(f"standard output can't be written: {reason}") from None


def _discard_the_rest() -> None:
    """Lead standard output nowhere: at its exit Python writes what is left and would fail again."""
    with suppress(OSError, ValueError):
        descriptor = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
