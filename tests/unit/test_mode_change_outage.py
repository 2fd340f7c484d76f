"""An outage of AWS while a mode change has the CA inactive or not registered."""

from __future__ import annotations

import pytest

from iot_ca.reconcile import insistence
from tests.support.program.broken_streams import BROKEN, broken_stream
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import Program, identity
from tests.support.program.mode_changes import (
    GROUP,
    MODES,
    assert_changed,
    fail,
    refused,
    registered,
    snapshot,
)

OUTAGE = "ServiceUnavailableException"
WAITING = "iot_ca: the mode of the CA is being changed and AWS does not answer"


@pytest.fixture
def slept(program: Program, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the program."""
    del program
    pauses: list[float] = []
    monkeypatch.setattr("iot_ca.waiting.sleep", pauses.append)
    return pauses


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("operation", "first"), [("DeleteCACertificate", 2), ("RegisterCACertificate", 2)]
)
def test_an_outage_of_a_minute_does_not_stop_a_mode_change(
    program: Program,
    aws: FakeAws,
    proof: dict[str, str],
    slept: list[float],
    mode: str,
    operation: str,
    first: int,
) -> None:
    wanted = registered(program, aws, mode, proof)
    fail(aws, operation, *range(first, first + 7), code=OUTAGE)
    status, _, err = program.request("register", program.request_to_register(wanted, "change 2"))
    assert status == 0
    assert_changed(aws, wanted["certificate_mode"])
    assert len(slept) == 7
    assert sum(slept) > 30
    # Once, however often it waits.
    (line,) = err
    assert line.startswith(WAITING)
    assert "up to 5 minutes" in line


@pytest.mark.parametrize("kind", BROKEN)
def test_an_outage_is_waited_out_without_standard_error(
    program: Program,
    aws: FakeAws,
    proof: dict[str, str],
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2, 3, code=OUTAGE)
    with broken_stream(kind) as stream:
        monkeypatch.setattr("sys.stderr", stream)
        request = program.request_to_register(wanted, "change 2")
        assert program.request("register", request)[0] == 0
    assert_changed(aws, "DEFAULT")
    assert len(slept) == 2


def test_an_outage_is_waited_out_for_minutes_and_no_longer(
    program: Program, aws: FakeAws, proof: dict[str, str], slept: list[float]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", *range(2, 1000), code=OUTAGE)
    status, _, err = program.request("register", program.request_to_register(wanted, "change 2"))
    assert status == 1
    assert insistence._SECONDS - 1 < sum(slept) <= insistence._SECONDS + 0.01
    waiting, line = err
    assert waiting.startswith(WAITING)
    assert "the CA might not be registered now" in line
    assert (aws.cas, set(aws.groups)) == ({}, {GROUP})
    # The rollback is tried once, when the time is over.
    calls = aws.calls.count("RegisterCACertificate")
    assert calls == 2 + len(slept) + 1
    aws._RegisterCACertificate = type(aws)._RegisterCACertificate.__get__(aws)  # type: ignore[method-assign]
    program.register(wanted, "change 2")
    assert_changed(aws, "DEFAULT")


def test_a_refusal_is_rolled_back_despite_an_outage(
    program: Program, aws: FakeAws, proof: dict[str, str], slept: list[float]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = snapshot(aws)
    # The inner of the two counts only what the outer one lets through.
    fail(aws, "RegisterCACertificate", 2, 3, 4, code=OUTAGE)
    fail(aws, "RegisterCACertificate", 2)
    status, _, err = program.request("register", program.request_to_register(wanted, "change 2"))
    assert status == 1
    assert "is registered in SNI_ONLY mode as before" in err[-1]
    assert snapshot(aws) == before
    assert len(slept) == 3


@pytest.mark.parametrize("operation", ["RegisterCACertificate", "CreateThingGroup"])
def test_nothing_is_waited_for_while_the_ca_is_in_service(
    program: Program, aws: FakeAws, proof: dict[str, str], slept: list[float], operation: str
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = snapshot(aws)
    fail(aws, operation, 1, code=OUTAGE)
    refused(program, wanted)
    assert snapshot(aws) == before
    assert slept == []


@pytest.mark.parametrize("mode", MODES)
def test_an_interruption_while_waiting_names_the_state(
    program: Program,
    aws: FakeAws,
    proof: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    wanted = registered(program, aws, mode, proof)
    fail(aws, "RegisterCACertificate", 2, code=OUTAGE)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("iot_ca.waiting.sleep", interrupt)
        request = program.request_to_register(wanted, "change 2")
        status, _, err = program.request("register", request)

    assert status == 1
    assert err[1].endswith(
        "interrupted; run again to register the CA: the CA might not be registered now, or be "
        "inactive, so that new devices are refused; its settings and tags are kept until then"
    )
    # What it says is true.
    assert identity() not in aws.cas
    assert set(aws.groups) == {GROUP}
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])
