"""From one mode to the other: what is refused, what is tried beforehand, and the way back."""

from __future__ import annotations

import base64
import copy
import random
import string
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iot_ca.model import ORIGIN_TAG, REVISION_TAG, TAG_PREFIX
from tests.unit.program import KEY, ROOT, WHERE, Program, authority, identity
from tests.unit.support import FakeAws, Refused, assert_tells_nothing_of, key_pem, pem

FOREIGN = {"theirs": "1", "cost centre": "42", "x": ""}
GROUP = f"iot-ca-mode-change-{identity()}"
PROBE = "RegisterCACertificate"


@pytest.fixture
def proof(tmp_path: Path) -> dict[str, str]:
    """A `verification` that works."""
    (tmp_path / "ca.key").write_text(key_pem(KEY))
    return {"ca_private_key_file": str(tmp_path / "ca.key")}


def registered(
    program: Program, aws: FakeAws, mode: str, proof: dict[str, str], **more: Any
) -> dict[str, Any]:
    """A CA in a mode, with tags of others on it; returns what is wanted next: the other mode."""
    verification = proof if mode == "DEFAULT" else None
    settings = {"template_name": "t", "tags": {"a": "1"}, **more}
    program.register(authority(certificate_mode=mode, verification=verification, **settings))
    aws.tags[identity()].update(FOREIGN)
    aws.calls.clear()
    aws.requests.clear()
    other = "SNI_ONLY" if mode == "DEFAULT" else "DEFAULT"
    allowed = {"allow_mode_change": True, "verification": proof}
    return authority(certificate_mode=other, **{**settings, **allowed})


def snapshot(aws: FakeAws) -> Any:
    """All that AWS IoT has."""
    return copy.deepcopy((aws.cas, aws.tags, aws.groups))


def refused(program: Program, wanted: Any, command: str = "register") -> str:
    """The one line with which a command fails; without the words that name the CA."""
    request = program.request_to_register(wanted, "change 2")
    status, out, err = (
        program.query({"root": wanted})
        if command == "inspect"
        else program.request("register", request)
    )
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): ")
    assert_tells_nothing_of(key_pem(KEY), line)
    return line.removeprefix(f"iot_ca: root ({WHERE}): ")


def assert_changed(aws: FakeAws, mode: str, revision: str = "change 2") -> None:
    """The CA is registered in the mode, all is as it was otherwise, and nothing is left over."""
    ca = aws.cas[identity()]
    description = ca["certificateDescription"]
    assert description["certificateMode"] == mode
    assert description["status"] == "ACTIVE"
    assert description["autoRegistrationStatus"] == "ENABLE"
    assert ca["registrationConfig"] == {"templateName": "t"}
    tags = aws.tags[identity()]
    assert FOREIGN.items() <= tags.items()
    assert (tags["a"], tags[ORIGIN_TAG], tags[REVISION_TAG]) == ("1", "registered", revision)
    assert aws.groups == {}


MODES = ["SNI_ONLY", "DEFAULT"]


# What is refused


@pytest.mark.parametrize("command", ["inspect", "register"])
@pytest.mark.parametrize("mode", MODES)
def test_a_change_that_is_not_allowed_is_refused_with_what_to_do(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, command: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    wanted["allow_mode_change"] = False
    said = refused(program, wanted, command)
    assert said.startswith(f"registered in {mode} mode, wanted {wanted['certificate_mode']}; ")
    assert f'set certificate_mode = "{mode}"' in said
    assert "allow_mode_change = true" in said
    assert snapshot(aws) == before
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_without_a_proof_there_is_no_way_to_default_mode(
    program: Program, aws: FakeAws, proof: dict[str, str], command: str
) -> None:
    wanted = {**registered(program, aws, "SNI_ONLY", proof), "verification": None}
    for force in (False, True):
        said = refused(program, {**wanted, "force_mode_change": force}, command)
        assert said.startswith("DEFAULT mode needs a proof of ownership")
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_without_a_proof_there_is_no_way_back_to_default_mode(
    program: Program, aws: FakeAws, proof: dict[str, str], command: str
) -> None:
    wanted = {**registered(program, aws, "DEFAULT", proof), "verification": None}
    said = refused(program, wanted, command)
    assert said.startswith("a change from DEFAULT mode needs verification, for a rollback")
    assert "keep verification until the mode has been changed" in said
    assert "force_mode_change = true" in said
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
@pytest.mark.parametrize("mode", MODES)
def test_a_proof_that_does_not_fit_is_found_out_before_anything_is_written(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, command: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    wanted["verification"] = {"certificate_pem": pem(ROOT)}
    assert "common name is not the registration code" in refused(program, wanted, command)
    Path(proof["ca_private_key_file"]).unlink()
    wanted["verification"] = proof
    assert "can't be read" in refused(program, wanted, command)
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_an_expired_ca_is_not_deleted_only_to_be_refused(
    program: Program,
    aws: FakeAws,
    proof: dict[str, str],
    command: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    end = ROOT.not_valid_after_utc
    monkeypatch.setattr("iot_ca.utc.now", lambda: end.replace(year=end.year + 1))
    assert "the certificate expired at" in refused(program, wanted, command)
    assert aws.writes == []


# What is shown and done


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_says_what_apply_will_do_and_does_nothing(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    result = program.inspect({"root": wanted})["root"]
    other = wanted["certificate_mode"]
    assert result["certificate_mode"] == other
    assert result["drift"] == [f"mode is {mode}, wanted {other}"]
    assert result["revision"].startswith(f"change mode {mode} to {other} ")
    (warning,) = result["warnings"]
    assert warning.startswith(f"a change to {other} mode deletes it and registers it again; ")
    assert ("can't connect" if other == "SNI_ONLY" else "stay SNI_ONLY") in warning
    assert aws.writes == aws.signs == []


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_is_changed_and_nothing_else(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    other = wanted["certificate_mode"]
    said = program.register(wanted, "change 2")
    assert f": mode changed; {other}, ACTIVE, template t" in said
    assert ", ," not in said
    assert_changed(aws, other)
    assert aws.writes == [
        # The first of two is tried where it can do nothing.
        *("RegisterCACertificate", "CreateThingGroup", "DeleteCACertificate"),
        *("UpdateCACertificate", "DeleteCACertificate", "RegisterCACertificate"),
        "DeleteThingGroup",
    ]
    # What is tried is what is done.
    tried, done = aws.sent("RegisterCACertificate")
    assert tried == done
    planned = program.inspect({"root": wanted})["root"]
    assert (planned["revision"], planned["drift"], planned["warnings"]) == ("change 2", [], [])
    # Afterwards the proof may go, and so may the permission.
    later = {**wanted, "verification": None, "allow_mode_change": False}
    assert program.inspect({"root": later})["root"]["revision"] == "change 2"


def test_an_adopted_ca_stays_an_adopted_one(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    aws.tags[identity()] = dict(FOREIGN)
    program.register(wanted, "change 2")
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"
    assert "retained, since this module only adopted it" in program.deregister(
        identity(), template_name="t"
    )


def test_settings_that_change_with_the_mode_come_in_the_same_call(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    wanted |= {"status": "INACTIVE", "auto_registration": False, "template_name": None}
    wanted["tags"] = {"b": "2"}
    program.register(wanted, "change 2")
    ca = aws.cas[identity()]
    assert ca["certificateDescription"]["status"] == "INACTIVE"
    assert ca["certificateDescription"]["autoRegistrationStatus"] == "DISABLE"
    assert ca["registrationConfig"] == {}
    mine = {k: v for k, v in aws.tags[identity()].items() if not k.startswith(TAG_PREFIX)}
    assert mine == {**FOREIGN, "b": "2"}
    assert aws.writes.count("TagResource") == aws.writes.count("UntagResource") == 0


def test_a_ca_that_is_inactive_is_not_deleted_by_trying(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof, status="INACTIVE")
    program.register(wanted, "change 2")
    assert aws.writes == [
        *("RegisterCACertificate", "CreateThingGroup", "DeleteCACertificate"),
        *("RegisterCACertificate", "DeleteThingGroup"),
    ]


def test_without_a_way_back_it_is_done_for_those_who_force_it(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    wanted |= {"verification": None, "force_mode_change": True}
    program.inspect({"root": wanted})
    program.register(wanted, "change 2")
    assert_changed(aws, "SNI_ONLY")


def test_the_way_back_to_default_mode_has_its_proof_before_anything_happens(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    aws.faults["GetRegistrationCode"] = ("AccessDeniedException", "no")
    assert "may not call iot:GetRegistrationCode" in refused(program, wanted)
    assert aws.writes == []


# What is tried beforehand


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (("AccessDeniedException", "no"), "may not call iot:RegisterCACertificate; allow it"),
        (
            ("InvalidRequestException", "Cannot accept this CACertificate"),
            "another account holds this CA in DEFAULT mode",
        ),
        (("CertificateValidationException", "bad"), "AWS says: CertificateValidationException"),
        (("ThrottlingException", "Rate exceeded"), "AWS throttles RegisterCACertificate"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_what_aws_refuses_beforehand_is_not_begun(
    program: Program,
    aws: FakeAws,
    proof: dict[str, str],
    mode: str,
    fault: tuple[str, str],
    said: str,
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    aws.faults["RegisterCACertificate"] = fault
    text = refused(program, wanted)
    assert text.startswith("the mode was not changed, since the change would fail half-way")
    assert "(force_mode_change = true changes it nevertheless if a rollback is possible): " in text
    assert said in text
    assert snapshot(aws) == before
    assert aws.writes == ["RegisterCACertificate"]


def test_who_may_not_delete_is_told_before_anything_happens(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = snapshot(aws)
    aws.faults["DeleteCACertificate"] = ("AccessDeniedException", "no")
    assert "may not call iot:DeleteCACertificate" in refused(program, wanted)
    assert snapshot(aws) == before


def test_what_is_refused_beforehand_is_done_for_those_who_force_it(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof) | {"force_mode_change": True}
    fail(aws, PROBE, 1)
    program.register(wanted, "change 2")
    assert_changed(aws, "DEFAULT")


def test_what_is_refused_beforehand_is_not_forced_without_a_way_back(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    wanted |= {"verification": None, "force_mode_change": True}
    before = snapshot(aws)
    fail(aws, PROBE, 1)
    assert refused(program, wanted).startswith(
        "the mode was not changed, since the change would fail"
    )
    assert snapshot(aws) == before
    assert aws.writes == [PROBE]
    # Nor is the other thing that is tried.
    aws.faults["DeleteCACertificate"] = ("AccessDeniedException", "no")
    assert "may not call iot:DeleteCACertificate" in refused(program, wanted)
    assert snapshot(aws) == before


def test_tags_that_can_not_be_seen_are_not_taken_out(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = snapshot(aws)
    aws.faults["ListTagsForResource"] = ("ResourceNotFoundException", "not yet")
    for command in ("inspect", "register"):
        said = refused(program, wanted, command)
        assert said.startswith("AWS IoT does not answer the tags of the CA at the moment")
    assert snapshot(aws) == before
    assert aws.writes == []


@pytest.mark.parametrize("mode", MODES)
def test_one_proof_serves_a_whole_run(program: Program, aws: FakeAws, mode: str) -> None:
    aws.keys["alias/ca"] = (KEY, "SIGN_VERIFY")
    wanted = registered(program, aws, mode, {"kms_key_id": "alias/ca"})
    fail(aws, "RegisterCACertificate", 2)
    refused(program, wanted)
    # For what was tried, for the new registration and for the way back to the old one.
    assert aws.signs == ["Sign"]
    aws.calls.clear()
    aws.requests.clear()
    program.register(wanted, "change 2")
    assert aws.signs == ["Sign"]


# The way back


def fail(aws: FakeAws, operation: str, *which: int, after: bool = False) -> None:
    """Let the calls of an operation fail whose numbers are given, or all of them.

    With `after` they have their effect nevertheless.
    """
    real: Callable[..., Any] = getattr(aws, f"_{operation}")
    count = 0

    def answer(**request: Any) -> Any:
        nonlocal count
        count += 1
        if which and count not in which:
            return real(**request)
        if after:
            real(**request)
        raise Refused("InternalFailureException", "sorry")

    setattr(aws, f"_{operation}", answer)


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
def test_a_change_that_fails_is_taken_back(
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
    # Whoever tries again has it.
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("operation", "number"), [("UpdateCACertificate", 1), ("DeleteCACertificate", 2)]
)
def test_a_call_that_worked_although_it_failed_is_taken_back_too(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, operation: str, number: int
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    fail(aws, operation, number, after=True)
    assert "registered in " + mode in refused(program, wanted)
    assert snapshot(aws) == before


@pytest.mark.parametrize("mode", MODES)
def test_a_registration_that_worked_although_it_failed_is_not_taken_back(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    fail(aws, "RegisterCACertificate", 2, after=True)
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


def test_a_template_body_comes_back_as_well(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    config = {"templateBody": "{}", "roleArn": "arn:aws:iam::111122223333:role/r"}
    aws.cas[identity()]["registrationConfig"] = config
    fail(aws, "RegisterCACertificate", 2)
    refused(program, wanted)
    assert aws.cas[identity()]["registrationConfig"] == config


@pytest.mark.parametrize("mode", MODES)
def test_a_way_back_that_fails_too_says_how_things_stand_and_loses_nothing(
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
    assert result["drift"] == ["not registered"]
    program.register(wanted, "change 2")
    assert_changed(aws, wanted["certificate_mode"])


def test_without_a_proof_the_way_back_fails_with_the_reason(
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


def test_a_way_back_that_somebody_else_has_taken_forgets_nothing(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2)
    real: Callable[..., Any] = aws._RegisterCACertificate
    count = 0

    def somebody(**request: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            # In the new mode, by hand: without a tag.
            real(**{**aws.sent("RegisterCACertificate")[1], "tags": []})
        return real(**request)

    aws._RegisterCACertificate = somebody  # type: ignore[method-assign]
    program.register(wanted, "change 2")
    # Whose it was and which tags it had is still known.
    assert_changed(aws, "DEFAULT")
    assert aws.calls.count("RegisterCACertificate") == 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answers", [1, 3])
def test_nothing_is_taken_out_before_its_memory_can_be_read(
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


def test_a_memory_that_is_never_seen_takes_nothing_out(
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
def test_a_memory_that_is_not_seen_for_a_while_afterwards_is_not_lost(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, gone_at: str | None
) -> None:
    wanted = registered(program, aws, mode, proof)

    def late(operation: str) -> None:
        if operation == gone_at:
            # Somebody else deletes it in this moment.
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
    # Also the memory itself is gone.
    assert_changed(aws, wanted["certificate_mode"])


def test_a_change_that_was_begun_is_finished_also_when_its_way_back_is_gone(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    # Killed behind DeleteCACertificate.
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


def test_a_memory_that_can_not_be_removed_does_no_harm(
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


def test_a_memory_that_somebody_has_altered_is_not_trusted(
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


# Whoever is killed in the middle


def kill(aws: FakeAws, at: int, after: bool) -> None:
    """End the program, as far as it can tell, at a call: before its effect or after it."""
    seen = 0

    def before(operation: str) -> None:
        nonlocal seen
        if operation not in aws.WRITES:
            return
        seen += 1
        if seen == at + after:
            raise KeyboardInterrupt

    aws.before = before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("then", ["goes on", "has changed its mind", "leaves"])
def test_whoever_is_killed_at_any_call_loses_nothing(
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


def test_whoever_registers_it_by_hand_in_the_middle_is_put_up_with(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    fail(aws, "RegisterCACertificate", 2, 3)
    refused(program, wanted)
    request = {**aws.sent("RegisterCACertificate")[1], "tags": []}
    aws._RegisterCACertificate(**request)
    program.register(wanted, "change 2")
    assert_changed(aws, "DEFAULT")


def test_a_memory_has_room_for_all_that_aws_allows(
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


def test_what_can_not_be_remembered_is_not_taken_out(
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
