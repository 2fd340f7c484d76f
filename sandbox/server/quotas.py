"""Quotas of AWS IoT: calls a second of each operation, in each account and Region.

Enforced only where asked for. The operations and their quotas are those of the AWS General
Reference, "AWS IoT Core endpoints and quotas". How many calls AWS accepts at once is not
documented.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.server.calls import Call

OPERATIONS = frozenset(
    {
        "DeleteCACertificate",
        "DescribeCACertificate",
        "DescribeCertificate",
        "GetRegistrationCode",
        "ListCertificatesByCA",
        "ListTagsForResource",
        "RegisterCACertificate",
        "UpdateCACertificate",
        "UpdateCertificate",
    }
)


@dataclass(frozen=True)
class Rate:
    """So many calls a second, and so many at once (``burst``)."""

    per_second: float = 10.0
    burst: int = 10


def parse_rate(document: Mapping[str, Any]) -> Rate:
    """Return the rate that a JSON object asks for. Raises ValueError with what is wrong with it."""
    rate = Rate(**{k: v for k, v in document.items() if k in {"per_second", "burst"}})
    if unknown := sorted(set(document) - {"per_second", "burst"}):
        raise ValueError(f"unknown: {', '.join(unknown)}; known: burst, per_second")
    if isinstance(rate.per_second, bool) or not isinstance(rate.per_second, int | float):
        raise ValueError("per_second must be a number")
    if rate.per_second <= 0:
        raise ValueError("per_second must be greater than 0")
    if type(rate.burst) is not int or rate.burst < 1:
        raise ValueError("burst must be a number, at least 1")
    return rate


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Quotas:
    """A token bucket for each operation, account and Region. Thread-safe.

    ``clock`` gives the time in seconds; a test may set it.
    """

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self._lock = threading.Lock()
        self._rate: Rate | None = None
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def enforce(self, rate: Rate | None) -> None:
        """Enforce this rate from now on, with full buckets; None ends that."""
        with self._lock:
            self._rate = rate
            self._buckets.clear()

    def admit(self, call: Call) -> bool:
        """Return whether a call is within its quota; it then counts against it."""
        if call.service != "iot" or call.operation not in OPERATIONS:
            return True
        with self._lock:
            if self._rate is None:
                return True
            now = self.clock()
            key = (call.operation, call.account, call.region)
            bucket = self._buckets.setdefault(key, _Bucket(self._rate.burst, now))
            refilled = bucket.tokens + (now - bucket.filled_at) * self._rate.per_second
            bucket.tokens, bucket.filled_at = min(refilled, self._rate.burst), now
            if bucket.tokens < 1:
                return False
            bucket.tokens -= 1
            return True
