"""The program's time, faster than real time: its pauses take a fraction of what it believes."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from sandbox.control import Sandbox

# Higher, and the sandbox's own speed would be the limit that the program meets.
SPEED = 6.0


def speed_up(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, *, burst: int = 1) -> None:
    """Speed the program up, and the sandbox's quotas, which allow so many calls at once."""

    def sleep(seconds: float) -> None:
        time.sleep(seconds / SPEED)

    fast = SimpleNamespace(monotonic=lambda: time.monotonic() * SPEED, sleep=sleep)
    monkeypatch.setattr("iot_ca.waiting.time", fast)
    monkeypatch.setattr("botocore.endpoint.time", fast)
    sandbox.enforce_quotas(per_second=10 * SPEED, burst=burst)
