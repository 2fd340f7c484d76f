"""Simulated time: AWS IoT's quotas and Lambda's queue around the real function, without waiting.

Each run of the function is a thread, of which one at a time is awake: it sleeps until the schedule
wakes it, and the schedule only goes on when it sleeps again or has ended. So a run of hours takes
seconds, and nothing depends on how fast the machine is.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

# AWS Lambda developer guide, "How Lambda handles errors and retries with asynchronous invocation".
RETRY_DELAYS_SECONDS = (60, 120)
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 1, 300
# How long AWS IoT takes to answer: a guess, and a low one, since a fast run meets more throttling.
LATENCY_SECONDS = 0.06


class Schedule:
    """The time, and what is due at which time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._asleep = threading.Semaphore(0)

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something later."""
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), act))

    def run(self) -> None:
        """Do everything that is due, in order, until nothing is."""
        while self._due:
            self.now, _, act = heapq.heappop(self._due)
            act()

    def start(self, work: Callable[[], object]) -> None:
        """Begin a thread; returns when it sleeps or has ended."""

        def body() -> None:
            try:
                work()
            finally:
                self._asleep.release()

        threading.Thread(target=body, daemon=True).start()
        self._asleep.acquire()

    def sleep(self, seconds: float) -> None:
        """Let the time pass for a thread of `start`."""
        awake = threading.Event()

        def wake() -> None:
            awake.set()
            self._asleep.acquire()

        self.after(seconds, wake)
        self._asleep.release()
        awake.wait()

    def monotonic(self) -> float:
        """Return the time, as `time.monotonic` does."""
        return self.now


@dataclass
class TokenBucket:
    """A quota: so many calls a second, and as many at once."""

    per_second: float
    tokens: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.per_second

    def take(self, now: float) -> bool:
        """Return whether a call at this time is within the quota."""
        refilled = self.tokens + (now - self.at) * self.per_second
        self.tokens, self.at = min(refilled, self.per_second), now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class _Body:
    """The body of a response, as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        """Yield all of it."""
        yield self._content


class Quotas:
    """AWS IoT's quotas for an account and Region: a bucket for each operation."""

    def __init__(self, schedule: Schedule, per_second: float) -> None:
        self._schedule = schedule
        self._per_second = per_second
        self._buckets: dict[str, TokenBucket] = {}
        self.answered: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()

    def watch(self, client: Any) -> None:
        """Answer the calls of a client that are over their quota, and let each take its time."""
        client.meta.events.register_first("before-send.iot.*", self._before_send)

    def _before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.rpartition(".")[2]
        self._schedule.sleep(LATENCY_SECONDS)
        bucket = self._buckets.setdefault(operation, TokenBucket(self._per_second))
        if bucket.take(self._schedule.now):
            self.answered[operation] += 1
            return None
        self.throttled[operation] += 1
        headers = {"x-amzn-errortype": "ThrottlingException", "content-type": "application/json"}
        body = _Body(json.dumps({"message": "Rate exceeded"}).encode())
        return AWSResponse(request.url, 429, HTTPHeaders.from_dict(headers), body)


@dataclass
class LambdaQueue:
    """Lambda's queue of asynchronous calls of one function.

    Attributes:
        environments: one client for each run that is possible at once; how many there are is the
            concurrency.
        call: calls the function with a client and an event.
        timeout: seconds that a run may take.
        runs: how many there were; `failures` of them failed.
        dead_letters: the events that failed for good, with the error.
    """

    schedule: Schedule
    environments: list[Any]
    call: Callable[[Any, Mapping[str, Any]], object]
    timeout: float
    dead_letters: list[tuple[Mapping[str, Any], str]] = field(default_factory=list)
    runs: int = 0
    failures: int = 0

    def send(self, event: Mapping[str, Any], failures: int = 0, throttled: int = 0) -> None:
        """Call the function as soon as it may run, and again where it fails."""
        if not self.environments:
            longest = min(FIRST_BACKOFF_SECONDS * 2**throttled, LONGEST_BACKOFF_SECONDS)
            # The guide does not say how Lambda spreads the retries, without which all would come
            # back at once for ever.
            self.schedule.after(
                random.uniform(longest / 2, longest),
                lambda: self.send(event, failures, throttled + 1),
            )
            return
        environment = self.environments.pop()
        self.schedule.start(lambda: self._run(environment, event, failures))

    def _run(self, environment: Any, event: Mapping[str, Any], failures: int) -> None:
        self.runs += 1
        began, error = self.schedule.now, ""
        try:
            self.call(environment, event)
        except Exception as problem:
            error = str(problem)
        if self.schedule.now - began > self.timeout:
            error = "Task timed out"
        self.environments.append(environment)
        self.failures += bool(error)
        if error and failures < len(RETRY_DELAYS_SECONDS):
            delay = RETRY_DELAYS_SECONDS[failures]
            self.schedule.after(delay, lambda: self.send(event, failures + 1))
        elif error:
            self.dead_letters.append((event, error))
