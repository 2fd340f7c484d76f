"""Keep calls within AWS IoT's quotas, which are calls a second of a whole account in a Region.

A program that makes the calls of 100 CAs at once is throttled, and so is its next run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from iot_ca import waiting
from iot_ca.streams import say

# AWS General Reference, "AWS IoT Core endpoints and quotas", for each of these operations.
_CALLS_PER_SECOND = 10.0
PACED_OPERATIONS = frozenset(
    {
        "DeleteCACertificate",
        "DescribeCACertificate",
        "ListCertificatesByCA",
        "ListTagsForResource",
        "RegisterCACertificate",
        "UpdateCACertificate",
    }
)
# How many calls AWS IoT accepts at once is not documented. This many are not paced, so that a plan
# of fifty CAs does not wait; if AWS IoT accepts fewer, some are throttled and tried again.
BURST_CALLS = 50

# A user wonders what a run waits for after about this long.
_LONG_WAIT_SECONDS = 10.0

_UNIQUE_ID = "iot_ca_pacing"


class TokenBucket:
    """A quota: so many calls a second, and so many at once. The caller knows the time and waits.

    Args:
        per_second: the calls a second.
        burst: the calls at once, after a pause.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = float(burst)
        self._updated_at: float | None = None

    def take(self, now: float) -> float:
        """Take a token at `now`, in seconds; return the seconds until the call may be made."""
        if self._updated_at is not None:
            refilled = self._tokens + max(now - self._updated_at, 0.0) * self._per_second
            self._tokens = min(refilled, self._burst)
        self._updated_at = now
        self._tokens -= 1
        return max(-self._tokens / self._per_second, 0.0)


class SlownessNotice:
    """Says once, on standard error, that AWS's quotas make a run take long. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paused_until = 0.0
        self._paused_seconds = 0.0
        self._is_given = False

    def pause(self, seconds: float) -> None:
        """Note a pause because of a quota, which begins now."""
        with self._lock:
            now = waiting.now()
            # Pauses of several threads at the same time count once.
            begins = max(now, self._paused_until)
            self._paused_seconds += max(now + seconds - begins, 0.0)
            self._paused_until = max(self._paused_until, now + seconds)
            if self._is_given or self._paused_seconds < _LONG_WAIT_SECONDS:
                return
            self._is_given = True
        say(
            "iot_ca: waiting because of AWS's quotas (AWS IoT allows "
            f"{_CALLS_PER_SECOND:.0f} calls a second of each kind in an account and Region)",
            sys.stderr,
        )


class Pacer:
    """Paces the calls of one account and Region, those of all threads together."""

    def __init__(self, notice: SlownessNotice) -> None:
        self._notice = notice
        self._lock = threading.Lock()
        self._buckets = {
            operation: TokenBucket(_CALLS_PER_SECOND, BURST_CALLS) for operation in PACED_OPERATIONS
        }

    def wait(self, operation: str) -> None:
        """Wait until a call of this operation is within its quota."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            return
        with self._lock:
            seconds = bucket.take(waiting.now())
        if seconds > 0:
            self._notice.pause(seconds)
            waiting.sleep(seconds)


def pace(client: Any, wait_for_turn: Callable[[str], None]) -> None:
    """Let each attempt of each call of a client wait for its turn, as `Pacer.wait` does."""

    def wait(operation_name: str, **_: Any) -> None:
        wait_for_turn(operation_name)

    # First: botocore signs in the same event, and a signature carries the time.
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"request-created.{service}", wait, unique_id=_UNIQUE_ID)
