"""The commands of docs/rotation.md and of JITP's runbook, as they are written there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.accounts import Account
from tests.support.certificates import new_ca, new_leaf
from tests.support.diagnose.refusal import child_of
from tests.support.readmes import code_blocks_below
from tests.support.runbooks import run_runbook
from tools.checkout import ROOT

if TYPE_CHECKING:
    from sandbox.control import Sandbox

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}


def blocks(page: str, heading: str) -> list[str]:
    """The shell blocks below a heading of a page in docs."""
    return code_blocks_below((ROOT / "docs" / page).read_text(encoding="utf-8"), heading, "sh")


def test_a_device_is_renewed_as_the_page_on_rotation_says(
    sandbox: Sandbox, account: str, region: str, tmp_path: Path
) -> None:
    where = Account(sandbox, account, region)
    iot = where.iot
    old, new = new_ca("old"), new_ca("new")
    iot.create_policy(policyName="devices", policyDocument=json.dumps(POLICY))
    iot.create_thing(
        thingName="pump-1", attributePayload={"attributes": {"ca_certificate_id": old.id}}
    )
    arns = {}
    for ca, year in ((old, 2025), (new, 2026)):
        where.register(ca)
        pem = new_leaf(ca, "pump-1").pem
        (tmp_path / f"factory-{year}.pem").write_text(ca.pem)
        (tmp_path / f"device-{year}.pem").write_text(pem)
        certificate = iot.register_certificate(
            certificatePem=pem, caCertificatePem=ca.pem, status="ACTIVE"
        )
        arns[ca.id] = certificate["certificateArn"]
        iot.attach_policy(policyName="devices", target=certificate["certificateArn"])
        iot.attach_thing_principal(thingName="pump-1", principal=certificate["certificateArn"])
    device_id = arns[old.id].rpartition("/")[2]

    (fingerprint,) = blocks("rotation.md", "0. Allow the new CA")
    assert run_runbook(fingerprint, where, tmp_path).strip() == new.id

    known, observe, follow, remove, registered, remaining = blocks(
        "rotation.md", "Renew the devices"
    )
    assert run_runbook(known + observe, where, tmp_path).strip() == old.id
    assert device_id in run_runbook(known + registered, where, tmp_path)
    assert run_runbook(known + remaining, where, tmp_path).strip() == "pump-1"
    run_runbook(known + follow + remove, where, tmp_path)

    assert iot.describe_thing(thingName="pump-1")["attributes"] == {"ca_certificate_id": new.id}
    assert iot.list_thing_principals(thingName="pump-1")["principals"] == [arns[new.id]]
    assert iot.list_certificates_by_ca(caCertificateId=old.id)["certificates"] == []
    assert iot.list_targets_for_policy(policyName="devices")["targets"] == [arns[new.id]]


def test_a_device_is_provisioned_again_as_the_runbook_of_jitp_says(
    sandbox: Sandbox, account: str, region: str, tmp_path: Path
) -> None:
    where = Account(sandbox, account, region)
    ca = new_ca()
    where.register(ca)
    # The certificate waits, as after a template that failed.
    device = where.meet(ca, "device", tmp_path)
    (tmp_path / "device-ca.pem").write_text(ca.pem)
    page = "jitp-and-jitr.md"
    (check,) = blocks(page, "1. Check the status of the certificate")
    delete, waiting, signed = blocks(page, "3. Provision the device again")
    # Of another CA, so it is not among those that this CA has signed.
    other = new_ca("other")
    where.register(other)
    where.meet(other, "other-device", tmp_path)

    assert run_runbook(check, where, tmp_path).strip() == "PENDING_ACTIVATION"
    assert run_runbook(waiting, where, tmp_path).strip() == device.id
    assert run_runbook(signed, where, tmp_path).strip() == device.id
    run_runbook(f"ID={device.id}\n{delete}", where, tmp_path)

    assert run_runbook(signed, where, tmp_path) == ""
    assert len(where.iot.list_certificates()["certificates"]) == 1


def test_the_right_ca_is_told_from_the_root_above(tmp_path: Path, sandbox: Sandbox) -> None:
    (verify,) = blocks("getting-started.md", "Before you start")
    root = new_ca("root")
    issuing = child_of(root)
    (tmp_path / "device.pem").write_text(new_leaf(issuing, "pump-1").pem)
    where = Account(sandbox, "111111111111", "eu-west-1")
    (tmp_path / "device-ca.pem").write_text(issuing.pem)
    assert run_runbook(verify, where, tmp_path).strip() == "device.pem: OK"
    (tmp_path / "device-ca.pem").write_text(root.pem)
    assert "OK" not in run_runbook(f"{verify.strip()} 2>&1 || true", where, tmp_path)


def test_a_role_that_a_killed_apply_has_left_is_deleted(
    sandbox: Sandbox, account: str, region: str, tmp_path: Path
) -> None:
    where = Account(sandbox, account, region)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account}}
    for name in ("iot-jitp-factory-2025-1", "another"):
        where.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
        )
    policy = where.iam.create_policy(PolicyName="devices", PolicyDocument=json.dumps(POLICY))
    where.iam.attach_role_policy(
        RoleName="iot-jitp-factory-2025-1", PolicyArn=policy["Policy"]["Arn"]
    )
    where.iam.put_role_policy(
        RoleName="iot-jitp-factory-2025-1", PolicyName="own", PolicyDocument=json.dumps(POLICY)
    )
    remaining, _, delete = blocks("recovery.md", "What remains")
    role, commands = delete.split("\n", 1)
    assert role.startswith("ROLE=iot-jitp-factory-2025-")

    (line,) = run_runbook(remaining, where, tmp_path).splitlines()
    assert line.split()[0] == "iot-jitp-factory-2025-1"
    run_runbook(f"ROLE={line.split()[0]}\n{commands}", where, tmp_path)

    assert {role["RoleName"] for role in where.iam.list_roles()["Roles"]} == {"another"}
