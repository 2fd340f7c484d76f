"""Pauses between attempts, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from iot_ca import waiting
from iot_ca.waiting import Patience

Pauses = Callable[[Patience], list[float]]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test; without jitter."""
    now = [0.0]
    monkeypatch.setattr("iot_ca.waiting.time.monotonic", lambda: now[0])
    monkeypatch.setattr("iot_ca.waiting.random.uniform", lambda _, most: most)
    return now


def pauses(patience: Patience) -> list[float]:
    """All pauses until it is time to give up."""
    every = []
    while (pause := patience.next_pause()) is not None:
        every.append(pause)
        assert len(every) < 1000
    return every


@pytest.mark.usefixtures("clock")
def test_pauses_double_up_to_a_limit_and_fill_the_time() -> None:
    every = pauses(Patience(60, first=1, longest=10))
    assert every == [1, 2, 4, 8, 10, 10, 10, 10, 5]
    assert sum(every) == 60


def test_the_time_of_the_attempts_counts(clock: list[float]) -> None:
    patience = Patience(60, first=1, longest=10)
    assert patience.next_pause() == 1
    clock[0] = 59
    assert patience.next_pause() == 1
    clock[0] = 60
    assert patience.next_pause() is None


def test_slow_attempts_are_repeated_all_the_same(clock: list[float]) -> None:
    patience = Patience(10, first=1, attempts=3)
    clock[0] = 30
    assert patience.next_pause() == 0
    clock[0] = 60
    assert patience.next_pause() == 0
    assert patience.next_pause() is None


def test_clients_do_not_come_back_at_the_same_moment() -> None:
    first = {Patience(60, first=1).next_pause() for _ in range(10)}
    assert len(first) > 1
    assert all(pause is not None and 0.5 <= pause <= 1 for pause in first)
    every = pauses(Patience(60))
    assert all(later <= 4 * earlier for earlier, later in pairwise(every))


def test_sleep_waits_that_long() -> None:
    started = time.monotonic()
    waiting.sleep(0.05)
    assert time.monotonic() - started >= 0.05


def test_an_interruption_ends_the_pauses_of_all_threads() -> None:
    with ThreadPoolExecutor() as pool:
        pauses = [pool.submit(waiting.sleep, 60) for _ in range(3)]
        with waiting.interrupted():
            errors = [pause.exception() for pause in pauses]
    assert [type(error) for error in errors] == [KeyboardInterrupt] * 3
    waiting.sleep(0)
