"""Mode changes: when they are refused, what they do, and what is probed."""

from __future__ import annotations

from pathlib import Path

import pytest

from iot_ca.model import ORIGIN_TAG, TAG_PREFIX
from tests.support.certificates import pem
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import KEY, ROOT, Program, identity
from tests.support.program.mode_changes import (
    MODES,
    PROBE,
    UNMANAGED,
    assert_changed,
    fail,
    refused,
    registered,
    snapshot,
)


@pytest.mark.parametrize("command", ["inspect", "register"])
@pytest.mark.parametrize("mode", MODES)
def test_a_change_that_is_not_allowed_names_the_remedy(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str, command: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    before = snapshot(aws)
    wanted["allow_mode_change"] = False
    said = refused(program, wanted, command)
    assert said.startswith(f"registered in {mode} mode, wanted {wanted['certificate_mode']}: ")
    assert f'set certificate_mode = "{mode}"' in said
    assert "allow_mode_change = true" in said
    assert snapshot(aws) == before
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_a_change_to_default_mode_needs_a_proof(
    program: Program, aws: FakeAws, proof: dict[str, str], command: str
) -> None:
    wanted = {**registered(program, aws, "SNI_ONLY", proof), "verification": None}
    for force in (False, True):
        said = refused(program, {**wanted, "force_mode_change": force}, command)
        assert said.startswith("DEFAULT mode needs a proof of ownership")
    assert aws.writes == []


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_a_change_from_default_mode_needs_a_proof(
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
def test_a_wrong_proof_fails_before_any_write(
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
def test_the_mode_of_an_expired_ca_is_not_changed(
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


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_announces_the_change_and_writes_nothing(
    program: Program, aws: FakeAws, proof: dict[str, str], mode: str
) -> None:
    wanted = registered(program, aws, mode, proof)
    result = program.inspect({"root": wanted})["root"]
    other = wanted["certificate_mode"]
    assert result["certificate_mode"] == other
    assert result["differences"] == [f"mode is {mode}, wanted {other}"]
    assert result["revision"].startswith(f"update mode {mode} -> {other} ")
    (warning,) = result["warnings"]
    assert warning.startswith(f"a change to {other} mode deletes the CA and registers it again; ")
    assert f"new devices {'must' if other == 'SNI_ONLY' else 'need not'} send SNI" in warning
    assert "certificates of devices that are registered already keep their mode" in warning
    assert aws.writes == aws.signs == []


@pytest.mark.parametrize("mode", MODES)
def test_only_the_mode_is_changed(
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


def test_an_adopted_ca_stays_adopted(program: Program, aws: FakeAws, proof: dict[str, str]) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    aws.tags[identity()] = dict(UNMANAGED)
    program.register(wanted, "change 2")
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"
    assert "retained, since this module only adopted it" in program.deregister(
        identity(), template_name="t"
    )


def test_other_settings_change_in_the_same_call(
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
    assert mine == {**UNMANAGED, "b": "2"}
    assert aws.writes.count("TagResource") == aws.writes.count("UntagResource") == 0


def test_deleting_an_inactive_ca_is_not_probed(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof, status="INACTIVE")
    program.register(wanted, "change 2")
    assert aws.writes == [
        *("RegisterCACertificate", "CreateThingGroup", "DeleteCACertificate"),
        *("RegisterCACertificate", "DeleteThingGroup"),
    ]


def test_force_changes_the_mode_without_a_rollback(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    wanted |= {"verification": None, "force_mode_change": True}
    program.inspect({"root": wanted})
    program.register(wanted, "change 2")
    assert_changed(aws, "SNI_ONLY")


def test_the_proof_for_a_rollback_is_made_before_any_write(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "DEFAULT", proof)
    aws.faults["GetRegistrationCode"] = ("AccessDeniedException", "no")
    assert "may not call iot:GetRegistrationCode" in refused(program, wanted)
    assert aws.writes == []


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
def test_a_refused_probe_leaves_the_ca_unchanged(
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


def test_a_denied_deletion_leaves_the_ca_unchanged(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof)
    before = snapshot(aws)
    aws.faults["DeleteCACertificate"] = ("AccessDeniedException", "no")
    assert "may not call iot:DeleteCACertificate" in refused(program, wanted)
    assert snapshot(aws) == before


def test_force_ignores_a_refused_probe(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = registered(program, aws, "SNI_ONLY", proof) | {"force_mode_change": True}
    fail(aws, PROBE, 1)
    program.register(wanted, "change 2")
    assert_changed(aws, "DEFAULT")


def test_force_heeds_a_refused_probe_without_a_rollback(
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


def test_a_ca_with_invisible_tags_is_not_deleted(
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
def test_one_proof_is_issued_for_each_run(program: Program, aws: FakeAws, mode: str) -> None:
    aws.keys["alias/ca"] = (KEY, "SIGN_VERIFY")
    wanted = registered(program, aws, mode, {"kms_key_id": "alias/ca"})
    fail(aws, "RegisterCACertificate", 2)
    refused(program, wanted)
    # For the probe, for the new registration and for the rollback to the old one.
    assert aws.signs == ["Sign"]
    aws.calls.clear()
    aws.requests.clear()
    program.register(wanted, "change 2")
    assert aws.signs == ["Sign"]
