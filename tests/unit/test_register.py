"""`register`, from the request to the calls."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from iot_ca.model import ORIGIN_TAG, OWNER_TAG, REVISION_TAG
from tests.support.certificates import ec_key, issue, key_pem
from tests.support.messages import assert_tells_nothing_of
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import WHERE, Program, as_applied, authority, identity
from tests.support.program.refused import Refused


@pytest.mark.parametrize("command", ["inspect", "register"])
def test_default_mode_without_proof_fails_before_any_write(
    program: Program, aws: FakeAws, command: str
) -> None:
    wanted = authority(certificate_mode="DEFAULT")
    status, out, err = (
        program.query({"root": wanted})
        if command == "inspect"
        else program.request("register", program.request_to_register(wanted))
    )
    assert (status, out) == (1, "")
    (line,) = err
    assert "DEFAULT mode needs a proof of ownership" in line
    assert aws.writes == []


def test_default_mode_is_registered_with_the_key_of_the_ca(
    program: Program,
    aws: FakeAws,
    tmp_path: Path,
    root: x509.Certificate,
    rsa_key: rsa.RSAPrivateKey,
) -> None:
    (tmp_path / "ca.key").write_text(key_pem(rsa_key))
    verification = {"ca_private_key_file": str(tmp_path / "ca.key")}
    wanted = authority(root, certificate_mode="DEFAULT", verification=verification)
    planned = program.inspect({"root": wanted})["root"]
    said = program.register(wanted, planned["revision"])
    # The first half of the key's file is the modulus, which is public.
    lines = key_pem(rsa_key).splitlines()
    private_half = "\n".join(lines[len(lines) // 2 :])
    assert_tells_nothing_of(private_half, json.dumps(aws.requests) + json.dumps(planned) + said)
    request = aws.requests[aws.calls.index("RegisterCACertificate")]
    proof = x509.load_pem_x509_certificate(request["verificationCertificate"].encode())
    proof.verify_directly_issued_by(root)
    # Once it is registered the proof has done its work: the key may be away.
    (tmp_path / "ca.key").unlink()
    assert program.inspect({"root": wanted})["root"]["drift"] == []
    assert "nothing to do" in program.register(wanted, planned["revision"])


def test_a_ca_registered_by_hand_is_adopted(program: Program, aws: FakeAws) -> None:
    program.register(authority(tags={"theirs": "1"}))
    aws.tags[identity()] = {"theirs": "1"}
    aws.calls.clear()
    result = program.inspect({"root": authority()})["root"]
    assert result["revision"].startswith("adopt ")
    assert "tagged" in program.register(authority(), result["revision"])
    assert aws.writes == ["TagResource"]
    assert aws.tags[identity()]["theirs"] == "1"
    assert program.inspect({"root": authority()})["root"]["drift"] == []


def test_a_ca_that_the_plan_has_not_found_is_registered_at_once(
    program: Program, aws: FakeAws
) -> None:
    planned = program.inspect({"root": authority()})["root"]
    aws.calls.clear()
    out = program.carry_out("register", as_applied(planned))
    assert out == f"iot_ca: root ({WHERE}): registered; SNI_ONLY, ACTIVE\n"
    assert list(dict.fromkeys(aws.calls)) == [
        "GetCallerIdentity",
        "DescribeThingGroup",
        "RegisterCACertificate",
        "DescribeCACertificate",
        "ListTagsForResource",
    ]
    for operation in ("DescribeThingGroup", "DescribeCACertificate"):
        assert aws.calls.count(operation) == 1
    assert aws.writes == ["RegisterCACertificate"]


@pytest.mark.parametrize("lag", [1, 2])
def test_a_new_ca_that_does_not_show_yet_is_registered_once(
    program: Program, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, lag: int
) -> None:
    monkeypatch.setattr("iot_ca.waiting.sleep", lambda _: None)
    planned = program.inspect({"root": authority()})["root"]
    describe, asked = aws._DescribeCACertificate, 0

    def late(**request: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked <= lag:
            raise Refused("ResourceNotFoundException", "not yet")
        return describe(**request)

    aws._DescribeCACertificate = late  # type: ignore[method-assign]
    program.carry_out("register", as_applied(planned))
    assert set(aws.writes) == {"RegisterCACertificate"}
    assert aws.tags[identity()][ORIGIN_TAG] == "registered"


def test_a_ca_registered_since_the_plan_is_adopted(program: Program, aws: FakeAws) -> None:
    planned = program.inspect({"root": authority()})["root"]
    program.register(authority(tags={"theirs": "1"}))
    aws.tags[identity()] = {"theirs": "1"}
    aws.calls.clear()
    program.carry_out("register", as_applied(planned))
    assert aws.writes == ["RegisterCACertificate", "TagResource"]
    tags = aws.tags[identity()]
    assert (tags["theirs"], tags[ORIGIN_TAG], tags[OWNER_TAG]) == ("1", "adopted", "me")


def test_no_proof_is_made_of_a_ca_registered_since_the_plan(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    wanted = authority(certificate_mode="DEFAULT", verification=proof)
    planned = program.inspect({"root": wanted})["root"]
    program.register(wanted)
    aws.tags[identity()] = {}
    aws.calls.clear()
    Path(proof["ca_private_key_file"]).unlink()
    program.carry_out("register", as_applied(planned))
    assert aws.writes == ["TagResource"]


def test_a_ca_registered_in_the_other_mode_since_the_plan_is_refused(
    program: Program, aws: FakeAws, proof: dict[str, str]
) -> None:
    planned = program.inspect({"root": authority()})["root"]
    program.register(authority(certificate_mode="DEFAULT", verification=proof))
    before = copy.deepcopy((aws.cas, aws.tags))
    status, out, err = program.request("register", as_applied(planned))
    assert (status, out) == (1, "")
    (line,) = err
    assert "DEFAULT" in line
    assert "allow_mode_change" in line
    assert (aws.cas, aws.tags) == before


def test_a_new_ca_is_not_registered_in_another_account(program: Program, aws: FakeAws) -> None:
    request = {**program.request_to_register(authority()), "is_absent_in_plan": True}
    request["target"] = {**request["target"], "account_id": "999988887777"}
    status, out, err = program.request("register", request)
    assert (status, out) == (1, "")
    (line,) = err
    assert f"the program's credentials belong to account {aws.account}" in line
    assert aws.writes == []


@pytest.mark.parametrize("removal_disables", [False, True])
def test_auto_registration_stays_if_the_template_is_detached(
    program: Program, aws: FakeAws, removal_disables: bool
) -> None:
    aws.removal_disables = removal_disables
    program.register(authority(template_name="t"))
    program.register(authority(), "repair 2")
    ca = aws.cas[identity()]
    assert ca["registrationConfig"] == {}
    assert ca["certificateDescription"]["autoRegistrationStatus"] == "ENABLE"
    assert program.inspect({"root": authority()})["root"]["revision"] == "repair 2"


def test_register_fails_if_another_client_undoes_each_update(
    program: Program, aws: FakeAws
) -> None:
    program.register(authority())

    def undo(operation: str) -> None:
        if operation == "DescribeCACertificate":
            aws.cas[identity()]["certificateDescription"]["status"] = "INACTIVE"

    aws.before = undo
    status, out, err = program.request("register", program.request_to_register(authority()))
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): what was written does not show up")
    assert aws.tags[identity()][REVISION_TAG] == "register 1"


def test_a_registration_with_a_lost_answer_is_completed(program: Program, aws: FakeAws) -> None:
    # Another client, or an earlier attempt of the same call, is faster by a moment.
    fake_register = aws._RegisterCACertificate

    def twice(**request: Any) -> dict[str, Any]:
        fake_register(**{**request, "tags": []})
        return fake_register(**request)

    aws._RegisterCACertificate = twice  # type: ignore[method-assign]
    program.register(authority(tags={"a": "1"}), "register 7")
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][REVISION_TAG] == "register 7"
    # Another client may have registered it: better to retain it than to delete it.
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"


@pytest.mark.parametrize("lag", [0, 1, 2, 3])
@pytest.mark.parametrize("how", ["not found", "empty"])
def test_late_tags_do_not_turn_a_registration_into_adoption(
    program: Program, aws: FakeAws, how: str, lag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_tags = aws._ListTagsForResource
    asked = 0

    def answer(**request: str) -> dict[str, Any]:
        nonlocal asked
        if "RegisterCACertificate" in aws.calls:
            asked += 1
            if asked <= lag:
                if how == "empty":
                    return {"tags": []}
                raise Refused("ResourceNotFoundException", "not yet")
        return list_tags(**request)

    monkeypatch.setattr(aws, "_ListTagsForResource", answer)
    program.register(authority(tags={"a": "1"}), "register 7")
    assert asked > lag
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][ORIGIN_TAG] == "registered"
    assert aws.tags[identity()][REVISION_TAG] == "register 7"
    assert "deleted, since this module registered it" in program.deregister(identity())


def test_a_device_certificate_is_not_registered(program: Program, aws: FakeAws) -> None:
    wanted = authority(issue(ec_key(), is_ca=False))
    status, _, err = program.request("register", program.request_to_register(wanted))
    assert status == 1
    assert len(err) == 1
    assert err[0].startswith(f"iot_ca: root ({WHERE}): the certificate is not a CA's")
    assert aws.writes == []


def test_two_equal_runs_do_not_overwrite_each_other(program: Program, aws: FakeAws) -> None:
    def other_run(operation: str) -> None:
        # It ends a moment later every time, and puts its own name on the CA.
        if operation == "DescribeCACertificate" and identity() in aws.tags:
            aws.tags[identity()] |= {REVISION_TAG: "register theirs", OWNER_TAG: "them"}

    aws.before = other_run
    said = program.register(authority(tags={"a": "1"}), "register ours")
    assert "registered" in said
    assert aws.writes == ["RegisterCACertificate"]
    assert aws.tags[identity()][REVISION_TAG] == "register theirs"


def test_a_run_replaces_the_revision_of_an_earlier_run(program: Program, aws: FakeAws) -> None:
    # Or a repair would never end: the revision from before does not answer it.
    program.register(authority(), "register 1", owner="before")
    program.register(authority(), "repair 2", owner="me")
    assert aws.tags[identity()][REVISION_TAG] == "repair 2"
    assert aws.tags[identity()][OWNER_TAG] == "me"


def test_a_run_with_other_settings_is_overwritten(program: Program, aws: FakeAws) -> None:
    count = 0

    def other_run(operation: str) -> None:
        nonlocal count
        if operation == "DescribeCACertificate" and identity() in aws.tags:
            count += 1
            if count == 1:
                aws.tags[identity()] |= {REVISION_TAG: "register theirs", "a": "2"}

    aws.before = other_run
    program.register(authority(tags={"a": "1"}), "register ours")
    assert aws.tags[identity()]["a"] == "1"
    assert aws.tags[identity()][REVISION_TAG] == "register ours"
