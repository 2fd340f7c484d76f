"""The policies of modules/iam-policies are enough for everything, and none of it is too much."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.support import CA, new_ca
from tests.permissions.support import (
    ANY_ID,
    CASES,
    Case,
    Need,
    Role,
    World,
    allowed_by,
    needs,
    render,
    without,
)

# What changes something or shows a secret: the service, the method, and its arguments.
Write = tuple[str, str, Callable[[World, CA], dict[str, Any]]]


def on_group(world: World, ca: CA) -> dict[str, Any]:
    """The thing group that remembers a change of mode."""
    del world
    return {"thingGroupName": f"iot-ca-mode-change-{ca.id}"}


def on_template(_world: World, _ca: CA) -> dict[str, Any]:
    """A provisioning template."""
    return {"templateName": "devices"}


def on_role(**more: Any) -> Callable[[World, CA], dict[str, Any]]:
    """A role of a template."""
    return lambda _world, _ca: {"RoleName": "iot-jitp-devices-1", **more}


REGISTRATION_POLICY = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
TAG = [{"Key": "team", "Value": "fleet"}]
WRITES: dict[str, Write] = {
    "iot:RegisterCACertificate": (
        "iot",
        "register_ca_certificate",
        lambda _world, _ca: {"caCertificate": new_ca().pem, "certificateMode": "SNI_ONLY"},
    ),
    "iot:UpdateCACertificate": (
        "iot",
        "update_ca_certificate",
        lambda _world, ca: {"certificateId": ca.id, "newStatus": "INACTIVE"},
    ),
    "iot:DeleteCACertificate": (
        "iot",
        "delete_ca_certificate",
        lambda _world, ca: {"certificateId": ca.id},
    ),
    "iot:TagResource": (
        "iot",
        "tag_resource",
        lambda world, ca: {"resourceArn": world.account.arn(ca.id), "tags": TAG},
    ),
    "iot:UntagResource": (
        "iot",
        "untag_resource",
        lambda world, ca: {"resourceArn": world.account.arn(ca.id), "tagKeys": ["team"]},
    ),
    "iot:ListCACertificates": ("iot", "list_ca_certificates", lambda _world, _ca: {}),
    "iot:ListCertificatesByCA": (
        "iot",
        "list_certificates_by_ca",
        lambda _world, ca: {"caCertificateId": ca.id},
    ),
    "iot:DescribeThingGroup": ("iot", "describe_thing_group", on_group),
    "iot:CreateThingGroup": ("iot", "create_thing_group", on_group),
    "iot:DeleteThingGroup": ("iot", "delete_thing_group", on_group),
    "iot:CreateProvisioningTemplate": (
        "iot",
        "create_provisioning_template",
        lambda world, ca: {
            **on_template(world, ca),
            "templateBody": "{}",
            "provisioningRoleArn": world.role.arn,
        },
    ),
    "iot:UpdateProvisioningTemplate": ("iot", "update_provisioning_template", on_template),
    "iot:DeleteProvisioningTemplate": ("iot", "delete_provisioning_template", on_template),
    "iot:CreateProvisioningTemplateVersion": (
        "iot",
        "create_provisioning_template_version",
        lambda world, ca: {**on_template(world, ca), "templateBody": "{}"},
    ),
    "iam:CreateRole": ("iam", "create_role", on_role(AssumeRolePolicyDocument="{}")),
    "iam:DeleteRole": ("iam", "delete_role", on_role()),
    "iam:UpdateAssumeRolePolicy": (
        "iam",
        "update_assume_role_policy",
        on_role(PolicyDocument="{}"),
    ),
    "iam:UpdateRoleDescription": ("iam", "update_role_description", on_role(Description="")),
    "iam:TagRole": ("iam", "tag_role", on_role(Tags=TAG)),
    "iam:UntagRole": ("iam", "untag_role", on_role(TagKeys=["team"])),
    "iam:AttachRolePolicy": ("iam", "attach_role_policy", on_role(PolicyArn=REGISTRATION_POLICY)),
    "iam:DetachRolePolicy": ("iam", "detach_role_policy", on_role(PolicyArn=REGISTRATION_POLICY)),
    "iam:ListInstanceProfilesForRole": ("iam", "list_instance_profiles_for_role", on_role()),
    "kms:Sign": (
        "kms",
        "sign",
        lambda world, _ca: {
            "KeyId": world.keys.kms[0],
            "Message": b"m",
            "SigningAlgorithm": "ECDSA_SHA_256",
        },
    ),
    "secretsmanager:GetSecretValue": (
        "secretsmanager",
        "get_secret_value",
        lambda world, _ca: {"SecretId": world.keys.secret[0]},
    ),
    "acm-pca:IssueCertificate": (
        "acm-pca",
        "issue_certificate",
        lambda world, _ca: {
            "CertificateAuthorityArn": world.keys.private_ca[0],
            "Csr": b"csr",
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Validity": {"Type": "DAYS", "Value": 1},
        },
    ),
    "acm-pca:GetCertificate": (
        "acm-pca",
        "get_certificate",
        lambda world, _ca: {
            "CertificateAuthorityArn": world.keys.private_ca[0],
            "CertificateArn": f"{world.keys.private_ca[0]}/certificate/{'0' * 32}",
        },
    ),
}


def learn(world: World, name: str, folder: Path) -> set[Need]:
    """Run a case with all permissions; returns those that it needed."""
    case = CASES[name]
    terraform = world.begin(case, folder)
    document = world.document(terraform.ca)
    world.role.grant(document)
    with world.watched() as calls:
        trouble = case.step(terraform, None)
    if case.trouble is None:
        assert trouble is None, (name, trouble)
    else:
        assert trouble is not None, name
        assert case.trouble in trouble, (name, trouble)
        assert "not authorized" not in trouble, (name, trouble)
    asked = {allowed_by(document, each) for call in calls for each in call.permissions}
    return {need for need in asked if need[1] not in case.spares}


def test_every_case_works_and_fails_without_any_one_permission_and_none_is_left_over(
    world: World, tmp_path: Path
) -> None:
    used: set[Need] = set()
    for name, case in CASES.items():
        needed = learn(world, name, tmp_path)
        assert needed, name
        terraform = None
        for missing in sorted(needed):
            # One that has failed before it changed anything serves for the next as well.
            terraform = terraform or world.begin(case, tmp_path)
            world.role.grant(without(world.document(terraform.ca), missing))
            with world.watched() as calls:
                trouble = case.step(terraform, None)
            assert trouble is not None, f"{name}: without {missing} nothing failed"
            assert re.search(rf"\b{missing[1]}\b", trouble), (name, trouble)
            if any(call.write and call.error is None for call in calls):
                terraform = None
        used |= needed
    assert used == needs(world.documents["program"]["apply_json"])


def test_what_plans_can_plan_everything_and_needs_all_that_it_may(
    world: World, tmp_path: Path
) -> None:
    broken: set[Need] = set()
    for name, case in CASES.items():
        terraform = world.begin(case, tmp_path)
        document = world.document(terraform.ca, "plan_json")
        world.role.grant(document)
        with world.watched() as calls:
            revision, trouble = terraform.look()
        asked = {each for call in calls for each in call.permissions}
        assert trouble is None, (name, trouble)
        assert revision is not None
        # A plan tries the secret, and does without.
        secret = ("secretsmanager:GetSecretValue ", "kms:Decrypt ")
        for each in sorted(each for each in asked if not each.startswith(secret)):
            need = allowed_by(document, each)
            world.role.grant(without(document, need))
            _, trouble = terraform.look()
            if trouble is not None:
                assert re.search(rf"\b{need[1]}\b", trouble), trouble
                broken.add(need)
    assert broken == needs(world.documents["program"]["plan_json"])


def test_what_plans_leaves_everything_as_it_is(world: World, tmp_path: Path) -> None:
    for name, case in CASES.items():
        terraform = world.begin(case, tmp_path)
        document = world.document(terraform.ca, "plan_json")
        world.role.grant(document)
        before = world.account.look(terraform.ca.id)

        trouble = case.step(terraform, None)

        assert trouble is not None, name
        (action,) = set(re.findall(r"may not call ([a-z-]+:\w+)", trouble))
        assert action not in {allowed for _, allowed in needs(document)}, (name, trouble)
        assert world.account.look(terraform.ca.id) == before, name


def test_what_plans_is_refused_every_call_that_only_applying_needs(world: World) -> None:
    ca = new_ca()
    world.account.register(ca)
    document = world.document(ca, "plan_json", "everything")
    planning = {action for _, action in needs(document)}
    applying = {action for _, action in needs(world.document(ca, "apply_json", "everything"))}
    world.role.grant(document)
    clients = {name: world.role.client(name) for name in {call[0] for call in WRITES.values()}}

    for action, (service, method, make) in WRITES.items():
        with pytest.raises(ClientError) as refused:
            getattr(clients[service], method)(**make(world, ca))
        error = refused.value.response["Error"]
        assert error["Code"] in {"AccessDenied", "AccessDeniedException"}, action
        assert f"is not authorized to perform: {action} on resource: " in error["Message"]
        why = f" because no identity-based policy allows the {action} action"
        assert error["Message"].endswith(why)

    # Handing a role over and decrypting are parts of other calls, and never calls of their own.
    assert applying - planning - {"iam:PassRole", "kms:Decrypt"} == set(WRITES)


def test_a_role_is_assumed_only_where_the_policy_names_it(world: World, tmp_path: Path) -> None:
    caller, target = Role(world.account, "caller"), Role(world.account, "target")
    settings = {
        "account_id": world.account.number,
        "regions": [world.account.region],
        "certificate_ids": [ANY_ID],
    }
    documents = render(
        tmp_path / "configuration",
        {
            "named": {**settings, "assume_role_arns": [target.arn]},
            "other": {**settings, "assume_role_arns": [world.role.arn]},
        },
    )
    sts = caller.client("sts")
    for kind in ("plan_json", "apply_json"):
        caller.grant(documents["other"][kind])
        with pytest.raises(ClientError, match=f"sts:AssumeRole on resource: {target.arn} because"):
            sts.assume_role(RoleArn=target.arn, RoleSessionName="run")
        caller.grant(documents["named"][kind])
        answer = sts.assume_role(RoleArn=target.arn, RoleSessionName="run")
        assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/target/run")
