"""How long to wait between attempts while AWS does not answer, and when to give up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# So that many clients that are refused at the same moment do not come back at the same moment.
_MIN_SHARE = 0.5


class Patience:
    """The pauses between the attempts at one thing: each twice as long as the last, up to a limit.

    Args:
        seconds: when to give up, counted from now.
        first, longest: the first pause and the longest one, in seconds.
        attempts: how many to make at least, even if the time is over: a call that times out takes
            longer than most budgets.
    """

    def __init__(
        self, seconds: float, *, first: float = 0.1, longest: float = 5.0, attempts: int = 1
    ) -> None:
        self._seconds = seconds
        self._next = first
        self._longest = longest
        self._attempts_left = attempts - 1
        self._started = time.monotonic()
        self._paused = 0.0

    @property
    def elapsed(self) -> float:
        """The seconds since the first attempt, at least those of all pauses."""
        return max(time.monotonic() - self._started, self._paused)

    def next_pause(self) -> float | None:
        """Return the seconds until the next attempt; None if it is time to give up."""
        left = self._seconds - self.elapsed
        if left <= 0 and self._attempts_left <= 0:
            return None
        self._attempts_left -= 1
        share = random.uniform(_MIN_SHARE, 1)
        pause = min(self._next * share, max(left, 0.0))
        self._next = min(2 * self._next, self._longest)
        self._paused += pause
        return pause


_interrupted = threading.Event()


def now() -> float:
    """Return the seconds since some moment. The tests replace it, as they replace `sleep`."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Sleep; raise KeyboardInterrupt in `interrupted`. Tests replace it to save time."""
    if _interrupted.wait(seconds):
        raise KeyboardInterrupt


@contextmanager
def interrupted() -> Iterator[None]:
    """End the pauses of all threads in the block: Python interrupts the main thread only."""
    _interrupted.set()
    try:
        yield
    finally:
        _interrupted.clear()
