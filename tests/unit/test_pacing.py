"""How calls keep within a quota, in a time that the test sets."""

from __future__ import annotations

from itertools import pairwise

import pytest

from iot_ca.aws.pacing import Pacer, SlownessNotice, TokenBucket
from iot_ca.aws.session import Account
from tests.support.program.aws_calls import TARGET
from tests.support.program.broken_streams import BROKEN, broken_stream


class Clock:
    """The time, which passes only while the program sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The program's time."""
    made = Clock()
    monkeypatch.setattr("iot_ca.waiting.now", lambda: made.now)
    monkeypatch.setattr("iot_ca.waiting.sleep", made.sleep)
    return made


def test_a_bucket_lets_a_burst_pass_and_then_one_at_a_time() -> None:
    bucket = TokenBucket(per_second=10, burst=3)
    waits = [bucket.take(5.0) for _ in range(6)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_a_bucket_refills_up_to_its_burst() -> None:
    bucket = TokenBucket(per_second=10, burst=2)
    assert [bucket.take(0.0) for _ in range(3)] == pytest.approx([0, 0, 0.1])
    assert [bucket.take(100.0) for _ in range(3)] == pytest.approx([0, 0, 0.1])


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = TokenBucket(per_second=10, burst=1)
    assert [bucket.take(5.0), bucket.take(4.0)] == pytest.approx([0, 0.1])


def test_each_operation_has_a_quota_of_its_own(clock: Clock) -> None:
    pacer = Pacer(SlownessNotice())
    for _ in range(50):
        pacer.wait("DescribeCACertificate")
        pacer.wait("ListTagsForResource")
    assert clock.pauses == []
    pacer.wait("DescribeCACertificate")
    assert clock.pauses == pytest.approx([0.1])


def test_operations_without_such_a_quota_are_not_paced(clock: Clock) -> None:
    pacer = Pacer(SlownessNotice())
    for _ in range(100):
        pacer.wait("DescribeThingGroup")
    assert clock.pauses == []


def test_a_long_wait_is_announced_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    pacer = Pacer(SlownessNotice())
    for _ in range(105):
        pacer.wait("DescribeCACertificate")
    assert clock.now < 1010
    assert capsys.readouterr().err == ""
    for _ in range(400):
        pacer.wait("DescribeCACertificate")
    assert capsys.readouterr().err.splitlines() == [
        "iot_ca: waiting because of AWS's quotas (AWS IoT allows 10 calls a second of each kind in "
        "an account and Region)"
    ]


def test_short_pauses_in_a_long_run_are_not_announced(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = SlownessNotice()
    for _ in range(50):
        notice.pause(0.1)
        clock.now += 60
    assert capsys.readouterr().err == ""


def test_pauses_of_many_threads_at_once_count_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    del clock
    notice = SlownessNotice()
    for _ in range(50):
        notice.pause(9.0)
    assert capsys.readouterr().err == ""
    notice.pause(11.0)
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("kind", BROKEN)
def test_a_long_wait_needs_no_standard_error(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    pacer = Pacer(SlownessNotice())
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        for _ in range(200):
            pacer.wait("DescribeCACertificate")
    assert clock.now > 1010


def test_each_attempt_of_a_call_is_paced(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    sent: list[float] = []
    client = Account(TARGET).client("iot")

    def send(**_: object) -> None:
        sent.append(clock.now)
        raise InterruptedError

    client.meta.events.register("before-send.iot", send)
    for _ in range(55):
        with pytest.raises(InterruptedError):
            client.describe_ca_certificate(certificateId="a" * 64)
    assert sent[49] == 1000.0
    assert [later - earlier for earlier, later in pairwise(sent[49:])] == pytest.approx([0.1] * 5)
