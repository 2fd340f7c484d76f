"""Mode changes that are interrupted, and the snapshot that they leave."""

from __future__ import annotations

import base64
import copy
import random
import string
import zlib
from pathlib import Path

import pytest

from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.model import REVISION_TAG, Snapshot
from iot_ca.reconcile.revision import encode
from tests.support.program.aws_calls import TARGET
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import Program, authority, identity
from tests.support.program.mode_changes import (
    GROUP,
    MODES,
    assert_changed,
    fail,
    kill,
    refused,
    registered,
    snapshot,
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answers", [1, 3])
def test_a_ca_is_deleted_only_after_reading_the_snapshot(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, answers: int
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = copy.deepcopy((aws.cas, aws.tags))

    def late(operation: str) -> None:
        if operation == "CreateThingGroup" and operation not in aws.calls:
            aws.late = answers
        if aws.late > 0 or operation == "UpdateCACertificate":
            assert (aws.cas, aws.tags) == before
        if operation == "UpdateCACertificate":
            assert aws.calls[-1] != "CreateThingGroup"
            assert aws.late < 0

    aws.before = late
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])
    assert aws.writes[-4:] == [
        *("UpdateCACertificate", "DeleteCACertificate", "RegisterCACertificate"),
        "DeleteThingGroup",
    ]


def test_an_invisible_snapshot_prevents_the_deletion(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = copy.deepcopy((aws.cas, aws.tags))
    aws.late = 1000
    assert "does not show up in AWS IoT" in refused(program, wanted)
    assert (aws.cas, aws.tags) == before
    assert "UpdateCACertificate" not in aws.writes
    assert "DeleteCACertificate" not in aws.writes


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gone_at", ["UpdateCACertificate", None])
def test_a_snapshot_that_turns_invisible_is_not_lost(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, gone_at: str | None
) -> None:
    wanted = registered(program, aws, mode, proof)

    def late(operation: str) -> None:
        if operation == gone_at:
            # Another client deletes it in this moment.
            aws.cas.clear()
            aws.tags.clear()
        if operation == (gone_at or "DeleteCACertificate"):
            aws.late = 1000

    def seen(operation: str) -> None:
        if operation == "DeleteCACertificate" or gone_at:
            aws.before = late
            late(operation)

    aws.before = seen
    program.register(wanted, "change 2")
    # The snapshot is gone as well.
    assert_changed(aws, wanted["certificate_mode"])


def test_a_change_is_completed_without_proof_for_a_rollback(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    # Killed after DeleteCACertificate.
    kill(aws, 5, after=True)
    assert program.request("register", program.request_to_register(wanted))[0] == 1
    aws.before = lambda _: None
    assert aws.cas == {}
    # Not registered is the worst that there is: it is not left so for a key that has moved.
    Path(proof["ca_private_key_file"]).unlink()
    start = snapshot(aws)
    program.register(wanted, "change 2")
    assert_changed(aws, "SNI_ONLY")
    # The new registration needs its own.
    aws.cas, aws.tags, aws.groups = start
    wanted["certificate_mode"] = "DEFAULT"
    assert "can't be read" in refused(program, wanted)


def test_an_altered_snapshot_is_a_failure(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    texts = ("", "null", "[]", "{}", '{"mode": "SNI_ONLY"}')
    packed = [base64.b64encode(zlib.compress(text.encode())).decode() for text in texts]
    payloads: list[dict[str, str]] = [{}, *({"00000": text} for text in (*texts, *packed, "é"))]
    for attributes in payloads:
        aws.groups[GROUP] = attributes
        said = refused(program, wanted)
        assert f"the thing group {GROUP}" in said
        assert "has been altered; delete it" in said
    assert aws.writes == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("then", ["goes on", "has changed its mind", "leaves"])
def test_a_change_killed_at_any_call_loses_no_data(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, then: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    start = snapshot(aws)
    program.register(wanted, "change 2")
    calls = len(aws.writes)
    assert calls == 7
    for at in range(1, calls + 1):
        aws.cas, aws.tags, aws.groups = copy.deepcopy(start)
        kill(aws, at, after=False)
        status, _, err = program.request("register", program.request_to_register(wanted))
        assert (status, len(err)) == (1, 1)
        assert "interrupted; run again" in err[0]
        aws.before = lambda _: None
        if then == "goes on":
            program.inspect({"root": wanted})
            program.register(wanted, "change 2")
            assert_changed(aws, wanted["certificate_mode"])
        elif then == "has changed its mind":
            program.register({**wanted, "certificate_mode": mode}, "change 2")
            assert_changed(aws, mode)
        else:
            program.deregister(identity(), template_name="t", on_destroy="delete")
            assert (aws.cas, aws.groups) == ({}, {})


@pytest.mark.parametrize("is_absent", [True, False])
def test_a_change_by_another_run_since_the_registration_loses_no_tags(
    program: Program, aws: FakeAws, is_absent: bool
) -> None:
    def other_run(operation: str) -> None:
        if operation != "DescribeCACertificate" or identity() not in aws.cas:
            return
        aws.before = lambda _: None
        # It saves what the CA is, deletes the CA, and is killed.
        tags = {**aws.tags[identity()], "theirs": "1"}
        Snapshots(Account(TARGET)).save(
            identity(), Snapshot("SNI_ONLY", "ACTIVE", auto_registration=True, tags=tags)
        )
        aws.cas.clear()
        aws.tags.clear()

    aws.before = other_run
    request = {**program.request_to_register(authority()), "is_absent_in_plan": is_absent}
    program.carry_out("register", request)
    assert aws.tags[identity()]["theirs"] == "1"
    assert aws.groups == {}


def test_a_snapshot_that_the_plan_has_not_found_is_finished_first(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    # As a plan that may not read snapshots.
    request = {**program.request_to_register(wanted, "change 2"), "is_absent_in_plan": True}
    program.carry_out("register", request)
    assert_changed(aws, "SNI_ONLY")


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_names_an_interrupted_change_of_the_mode(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    program.inspect({"root": wanted})
    # A CA that is registered has no such change, and costs no call.
    assert "DescribeThingGroup" not in aws.calls
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    aws.calls.clear()

    result = program.inspect({"root": wanted})["root"]

    assert aws.calls.count("DescribeThingGroup") == 1
    assert "not registered, since a change of the mode was interrupted; apply finishes" in str(
        result["warnings"]
    )
    # Not "register", which modules/registration takes for a CA that was deleted by hand.
    other = wanted["certificate_mode"]
    assert result["revision"].startswith(f"update mode {mode} -> {other} ")
    assert (result["differences"], result["drift"]) == (["not registered"], [])
    program.register(wanted, result["revision"])
    assert_changed(aws, other, encode(result["revision"]))
    assert program.inspect({"root": wanted})["root"]["revision"] == result["revision"]


def test_a_plan_that_may_not_read_snapshots_does_without(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    aws.faults["DescribeThingGroup"] = ("AccessDeniedException", "no")
    assert program.inspect({"root": wanted})["root"]["revision"].startswith("register ")
    aws.faults.clear()
    aws.groups[GROUP] = {"00000": ""}
    assert "has been altered" in refused(program, wanted, "inspect")


def test_only_cas_whose_mode_may_change_have_a_snapshot(program: Program, aws: FakeAws) -> None:
    program.inspect({"root": authority()})
    assert "DescribeThingGroup" not in aws.calls


def test_a_registration_by_hand_in_between_is_accepted(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    request = {**aws.sent("RegisterCACertificate")[1], "tags": []}
    aws._RegisterCACertificate(**request)
    program.register(wanted, "change 2")
    assert_changed(aws, "DEFAULT")


def test_the_largest_possible_tags_fit_into_a_snapshot(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    # As many tags as there may be, and as long, the module's own among them; no two alike.
    wanted = registered(program, aws, "SNI_ONLY", proof, template_name="t" * 36)
    own = len(aws.tags[identity()])
    lot = random.Random(0)

    def text(length: int) -> str:
        return "".join(lot.choices(string.ascii_letters + string.digits + "+-=._:/@ ", k=length))

    aws.tags[identity()] |= {f"{n:03}{text(125)}": text(256) for n in range(50 - own)}
    before = aws.tags[identity()]
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    assert aws.cas == {}
    program.register(wanted, "change 2")
    assert len(aws.tags[identity()]) == 50
    assert {**before, REVISION_TAG: "change 2"} == aws.tags[identity()]


def test_a_ca_too_large_for_a_snapshot_is_not_deleted(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    # As long as AWS allows, and of letters that take three bytes each: no packing helps.
    lot = random.Random(0)
    letters = [chr(number) for number in range(0x4E00, 0x9FA5)]
    own = len(aws.tags[identity()])
    aws.tags[identity()] |= {
        f"{n:03}{''.join(lot.choices(letters, k=125))}": "".join(lot.choices(letters, k=256))
        for n in range(50 - own)
    }
    before = snapshot(aws)
    assert "more than can be kept while the mode is changed" in refused(program, wanted)
    assert snapshot(aws) == before
