"""The rollback of a mode change that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("CreateThingGroup", 1),
        ("UpdateCACertificate", 1),
        # The first of each is only tried.
        ("DeleteCACertificate", 2),
        ("RegisterCACertificate", 2),
    ],
)
def test_a_failed_change_is_rolled_back(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, operation: str, number: int
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    fail(aws, operation, number)
    said = refused(program, wanted)
    assert said.startswith(
        f"the mode was not changed, it is registered in {mode} mode as before: {operation} failed"
    )
    assert snapshot(aws) == before
    # A second attempt succeeds.
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("operation", "number"), [("UpdateCACertificate", 1), ("DeleteCACertificate", 2)]
)
def test_a_failed_call_with_an_effect_is_rolled_back(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, operation: str, number: int
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    fail(aws, operation, number, after=True)
    assert "registered in " + mode in refused(program, wanted)
    assert snapshot(aws) == before


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_registration_with_an_effect_is_kept(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    fail(aws, "RegisterCACertificate", 2, after=True)
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


def test_an_inline_template_body_is_restored(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    config = {"templateBody": "{}", "roleArn": "arn:aws:iam::111122223333:role/r"}
    aws.cas[identity()]["registrationConfig"] = config
    fail(aws, "RegisterCACertificate", 2)
    refused(program, wanted)
    assert aws.cas[identity()]["registrationConfig"] == config


@pytest.mark.parametrize("mode", MODES)
def test_a_failed_rollback_names_the_state_and_keeps_data(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    fail(aws, "RegisterCACertificate", 2, 3)
    said = refused(program, wanted)
    assert said.startswith("the CA might not be registered now")
    assert "so that new devices are refused: fix the cause and apply again" in said
    assert "until then; cause: RegisterCACertificate failed" in said
    assert f"; and the rollback to {mode} mode failed: RegisterCACertificate failed" in said
    assert aws.cas == {}
    assert set(aws.groups) == {GROUP}
    result = program.inspect({"root": wanted})["root"]
    assert result["differences"] == ["not registered"]
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


def test_a_rollback_without_a_proof_names_the_reason(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    wanted |= {"verification": None, "force_mode_change": True}
    fail(aws, "RegisterCACertificate", 2)
    said = refused(program, wanted)
    assert (
        "the rollback to DEFAULT mode failed: there is no verification certificate for it" in said
    )
    program.register(wanted, "change 2")
    assert_changed(aws, "SNI_ONLY")


def test_a_registration_by_another_client_keeps_all_data(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2)
    real: Callable[..., Any] = aws._RegisterCACertificate
    count = 0

    def another_client(**request: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            # In the new mode, by hand: without a tag.
            real(**{**aws.sent("RegisterCACertificate")[1], "tags": []})
        return real(**request)

    aws._RegisterCACertificate = another_client  # type: ignore[method-assign]
    program.register(wanted, "change 2")
    # Whose it was and which tags it had is still known.
    assert_changed(aws, "DEFAULT")
    assert aws.calls.count("RegisterCACertificate") == 3


def test_a_snapshot_that_cannot_be_deleted_does_no_harm(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2)
    fail(aws, "DeleteThingGroup", 1)
    assert "is registered in SNI_ONLY mode as before" in refused(program, wanted)
    assert set(aws.groups) == {GROUP}
    # Back to the old mode: what is left of the attempt goes.
    program.register({**wanted, "certificate_mode": "SNI_ONLY"}, "change 2")
    assert_changed(aws, "SNI_ONLY")
