"""Many devices at once, at AWS IoT's quotas: the real function in simulated time.

The devices come again until they are let in, and each time AWS IoT sends the event again.
"""

from __future__ import annotations

import functools
import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import boto3

from modules.jitr.function import handler as entry
from tests.support.hcl import blocks, text
from tests.support.jitr.fleet import Fleet, name
from tests.support.jitr.simulated_time import LambdaQueue, Quotas, Schedule, TokenBucket

# AWS IoT Core's quotas for each of the calls of a device, in an account and Region.
DEVICES, CALLS_PER_SECOND = 500, 10
# Within which the devices come, say after power is back.
WAVE_SECONDS = 10
# A device that is not let in comes again after so long, which doubles each time.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 300
PATIENT = entry.IOT
CALLS_OF_A_DEVICE = {
    *("DescribeCertificate", "DescribeThing", "CreateThing"),
    *("AttachPolicy", "AttachThingPrincipal", "UpdateCertificate"),
}


@dataclass
class Wave:
    """What came of it."""

    seconds: float
    quotas: Quotas
    queue: LambdaQueue
    events: list[dict[str, Any]]


def wave(fleet: Fleet, devices: int, calls_per_second: int, concurrency: int) -> Wave:
    """Let the devices come, and come again until they are let in."""
    random.seed(500)
    schedule = Schedule()
    quotas = Quotas(schedule, calls_per_second)
    events = [fleet.meet(name(f"device-{number}")) for number in range(devices)]
    clock = SimpleNamespace(sleep=schedule.sleep, monotonic=schedule.monotonic)
    for module in ("botocore.endpoint", "modules.jitr.function.provisioning"):
        fleet.monkeypatch.setattr(f"{module}.time", clock)
    # Lambda runs each call in an environment that has clients of its own.
    current = threading.local()
    fleet.monkeypatch.setattr(entry, "_client", lambda *_: current.client)
    session = boto3.session.Session()
    clients = [session.client("iot", config=PATIENT) for _ in range(concurrency)]
    for client in clients:
        quotas.watch(client)

    def call(client: Any, event: Mapping[str, Any]) -> object:
        current.client = client
        return entry.handler(event, None)

    queue = LambdaQueue(schedule, clients, call, timeout())

    def connect(event: Mapping[str, Any], pause: float) -> None:
        # AWS IoT sends the event whenever it meets a certificate that waits for activation.
        if fleet.stored_status(event) == "PENDING_ACTIVATION":
            queue.send(event)
            longer = min(2 * pause, LONGEST_PAUSE_SECONDS)
            later = random.uniform(pause / 2, pause)
            schedule.after(later, lambda: connect(event, longer))

    for event in events:
        first = functools.partial(connect, event, FIRST_PAUSE_SECONDS)
        schedule.after(random.uniform(0, WAVE_SECONDS), first)
    schedule.run()
    return Wave(schedule.now, quotas, queue, events)


def timeout() -> int:
    """Of the function, in seconds."""
    return int(re.findall(r"^  timeout += (\d+)$", text("modules/jitr"), re.MULTILINE)[0])


def default_concurrency() -> int:
    """How many runs the module allows at once."""
    return int(blocks("modules/jitr", "variable")["reserved_concurrency"]["default"])


def test_a_wave_of_devices_is_provisioned_without_a_dead_letter(fleet: Fleet) -> None:
    done = wave(fleet, DEVICES, CALLS_PER_SECOND, default_concurrency())

    assert done.queue.dead_letters == []
    assert {fleet.stored_status(event) for event in done.events} == {"ACTIVE"}
    # One description for each run, none of which failed, and never a certificate without its thing.
    assert done.queue.failures == 0
    answered = done.quotas.answered
    assert answered.keys() == CALLS_OF_A_DEVICE
    assert answered["DescribeCertificate"] == done.queue.runs
    assert answered["CreateThing"] == DEVICES
    # Ten a second would take 50 seconds; what the devices' further events cost is more than that.
    assert DEVICES / CALLS_PER_SECOND < done.seconds < 600


def test_without_a_reservation_a_wave_makes_dead_letters(fleet: Fleet) -> None:
    """The reason for the default: a fifth of the wave, at a fifth of the quotas."""
    devices, calls_per_second = DEVICES // 5, CALLS_PER_SECOND // 5

    done = wave(fleet, devices, calls_per_second, concurrency=devices)

    assert done.queue.dead_letters
    assert all("ThrottlingException" in error for _, error in done.queue.dead_letters)
    assert (
        done.quotas.throttled["DescribeCertificate"] > done.quotas.answered["DescribeCertificate"]
    )


def test_a_bucket_is_full_at_first_and_fills_with_time() -> None:
    bucket = TokenBucket(10)
    assert [bucket.take(0.0) for _ in range(12)].count(True) == 10
    assert [bucket.take(0.25) for _ in range(5)].count(True) == 2
    assert [bucket.take(99.0) for _ in range(12)].count(True) == 10
