"""Provisioning templates and their versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.control import Sandbox, SandboxError
from tests.support.certificates import new_ca
from tests.support.sandbox.clients import BODY, ONE, TWO, Clients
from tests.support.sandbox.refusals import refused

ARN = f"arn:aws:iot:eu-west-1:{ONE}:provisioningtemplate/fleet"
HOOK = {"targetArn": f"arn:aws:lambda:eu-west-1:{ONE}:function:hook"}


def body(**changed: Any) -> str:
    """BODY with a mark, so that versions can be told apart."""
    return json.dumps({**json.loads(BODY), **changed})


def test_create_and_describe(aws: Clients) -> None:
    created = aws.template(
        description="For the fleet", tags=[{"Key": "a", "Value": "1"}], preProvisioningHook=HOOK
    )
    created.pop("ResponseMetadata")
    assert created == {"templateArn": ARN, "templateName": "fleet", "defaultVersionId": 1}
    template = aws.iot().describe_provisioning_template(templateName="fleet")
    assert template["creationDate"] == template["lastModifiedDate"]
    expected = {
        "templateArn": ARN,
        "templateName": "fleet",
        "description": "For the fleet",
        "defaultVersionId": 1,
        "templateBody": BODY,
        "enabled": True,
        "provisioningRoleArn": f"arn:aws:iam::{ONE}:role/role-of-fleet",
        "preProvisioningHook": {**HOOK, "payloadVersion": "2020-04-01"},
        "type": "JITP",
    }
    assert {name: template[name] for name in expected} == expected
    tags = aws.iot().list_tags_for_resource(resourceArn=ARN)["tags"]
    assert tags == [{"Key": "a", "Value": "1"}]


def test_defaults(aws: Clients) -> None:
    aws.iot().create_provisioning_template(
        templateName="plain", templateBody=BODY, provisioningRoleArn=aws.role()
    )
    template = aws.iot().describe_provisioning_template(templateName="plain")
    assert (template["enabled"], template["type"]) == (False, "FLEET_PROVISIONING")
    assert not {"description", "preProvisioningHook"} & set(template)


def test_update_changes_given_members_only(aws: Clients) -> None:
    aws.template(description="Old", preProvisioningHook=HOOK)
    other = aws.role(name="other")
    aws.iot().update_provisioning_template(templateName="fleet", enabled=False)
    template = aws.iot().describe_provisioning_template(templateName="fleet")
    assert (template["enabled"], template["description"]) == (False, "Old")
    assert template["lastModifiedDate"] > template["creationDate"]
    aws.iot().update_provisioning_template(
        templateName="fleet",
        description="",
        provisioningRoleArn=other,
        removePreProvisioningHook=True,
    )
    template = aws.iot().describe_provisioning_template(templateName="fleet")
    assert (template["description"], template["provisioningRoleArn"]) == ("", other)
    assert "preProvisioningHook" not in template


def test_versions(aws: Clients) -> None:
    iot = aws.iot()
    aws.template()
    second = iot.create_provisioning_template_version(
        templateName="fleet", templateBody=body(DeviceConfiguration={"v": "2"})
    )
    assert (second["versionId"], second["isDefaultVersion"]) == (2, False)
    assert iot.describe_provisioning_template(templateName="fleet")["templateBody"] == BODY
    third = iot.create_provisioning_template_version(
        templateName="fleet", templateBody=body(DeviceConfiguration={"v": "3"}), setAsDefault=True
    )
    assert (third["versionId"], third["isDefaultVersion"]) == (3, True)
    template = iot.describe_provisioning_template(templateName="fleet")
    assert (template["defaultVersionId"], '"v": "3"' in template["templateBody"]) == (3, True)
    with refused("DeleteConflictException"):
        iot.delete_provisioning_template_version(templateName="fleet", versionId=3)
    iot.update_provisioning_template(templateName="fleet", defaultVersionId=2)
    iot.delete_provisioning_template_version(templateName="fleet", versionId=3)
    with refused("ResourceNotFoundException"):
        iot.describe_provisioning_template_version(templateName="fleet", versionId=3)
    with refused("ResourceNotFoundException"):
        iot.update_provisioning_template(templateName="fleet", defaultVersionId=3)
    listed = iot.list_provisioning_template_versions(templateName="fleet")["versions"]
    assert [(v["versionId"], v["isDefaultVersion"]) for v in listed] == [(1, False), (2, True)]
    first = iot.describe_provisioning_template_version(templateName="fleet", versionId=1)
    assert (first["templateBody"], first["isDefaultVersion"]) == (BODY, False)


def test_at_most_five_versions(aws: Clients) -> None:
    aws.template()
    create = aws.iot().create_provisioning_template_version
    for _ in range(4):
        create(templateName="fleet", templateBody=BODY)
    with refused("VersionsLimitExceededException", status=409):
        create(templateName="fleet", templateBody=BODY)
    aws.iot().delete_provisioning_template_version(templateName="fleet", versionId=2)
    assert create(templateName="fleet", templateBody=BODY)["versionId"] == 6


def test_list_templates(aws: Clients) -> None:
    role = aws.role()
    for name in ("a", "b", "c"):
        aws.template(name, provisioningRoleArn=role)
    iot = aws.iot()
    first = iot.list_provisioning_templates(maxResults=2)
    second = iot.list_provisioning_templates(maxResults=2, nextToken=first["nextToken"])
    names = [t["templateName"] for page in (first, second) for t in page["templates"]]
    assert (names, "nextToken" in second) == (["a", "b", "c"], False)
    assert aws.iot(TWO).list_provisioning_templates()["templates"] == []


def test_deleting(aws: Clients) -> None:
    iot, ca = aws.iot(), new_ca()
    aws.template()
    iot.register_ca_certificate(
        caCertificate=ca.pem,
        certificateMode="SNI_ONLY",
        registrationConfig={"templateName": "fleet"},
    )
    with refused("DeleteConflictException", ca.id, 409):
        iot.delete_provisioning_template(templateName="fleet")
    iot.update_ca_certificate(certificateId=ca.id, removeAutoRegistration=True)
    iot.delete_provisioning_template(templateName="fleet")
    for call in (iot.describe_provisioning_template, iot.delete_provisioning_template):
        with refused("ResourceNotFoundException", status=404):
            call(templateName="fleet")


def test_name_is_taken(aws: Clients) -> None:
    role = aws.role()
    aws.template(provisioningRoleArn=role)
    with refused("ResourceAlreadyExistsException", "Template with name fleet already exists", 409):
        aws.template(provisioningRoleArn=role)


CERTIFICATE = json.loads(BODY)["Resources"]["certificate"]


def with_policy(**properties: Any) -> str:
    """BODY with a policy."""
    policy = {"Type": "AWS::IoT::Policy", "Properties": properties}
    return body(Resources={"certificate": CERTIFICATE, "policy": policy})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"templateName": "x" * 37}, "between 1 and 36"),
        ({"templateName": "a b"}, "^[0-9A-Za-z_-]+$"),
        ({"type": "JITR"}, "[FLEET_PROVISIONING, JITP]"),
        ({"description": "d" * 501}, "500 printable"),
        ({"description": "two\nlines"}, "500 printable"),
        ({"templateBody": "{"}, "not JSON"),
        ({"templateBody": "[]"}, "Resources"),
        ({"templateBody": body(Resources={})}, "Resources"),
        ({"templateBody": body(Pad="x" * 10240)}, "10240"),
        (
            {"templateBody": body(Resources={"thing": {"Type": "AWS::IoT::Thing"}})},
            "must have a certificate resource",
        ),
        (
            {"templateBody": body(Resources={"certificate": CERTIFICATE, "x": {"Type": "X"}})},
            "unknown resource type X",
        ),
        (
            {
                "templateBody": body(
                    Resources={"certificate": CERTIFICATE, "p": {"Type": "AWS::IoT::Policy"}}
                )
            },
            "Neither policyName nor policyDocument is present in the Template.",
        ),
        (
            {"templateBody": with_policy(PolicyName="a", PolicyDocument="b")},
            "either a policyName or",
        ),
        ({"templateBody": with_policy(PolicyDocument="devices")}, "not JSON"),
        ({"templateBody": with_policy(PolicyDocument='{"Statement": []}')}, "no statement"),
        ({"templateBody": with_policy(PolicyDocument={"Statement": []})}, "as a string"),
        ({"templateBody": with_policy(PolicyDocument=None)}, "as a string"),
        ({"templateBody": body(Parameters={})}, "undeclared"),
        ({"templateBody": body(Parameters={"a": {"Type": "Number"}})}, "Type String"),
        ({"provisioningRoleArn": f"arn:aws:iam::{ONE}:role/missing"}, "cannot be assumed"),
        ({"provisioningRoleArn": f"arn:aws:iam::{TWO}:role/theirs"}, "another account"),
        ({"provisioningRoleArn": f"arn:aws:iam::{ONE}:user/none"}, "not the ARN of a role"),
        ({"preProvisioningHook": {"targetArn": "arn:aws:sns:eu-west-1:1:t"}}, "Lambda"),
        ({"preProvisioningHook": {**HOOK, "payloadVersion": "2019-01-01"}}, "payload version"),
    ],
)
def test_refused_templates(aws: Clients, changed: dict[str, Any], message: str) -> None:
    with refused("InvalidRequestException", message, 400):
        aws.template(**changed)
    assert aws.iot().list_provisioning_templates()["templates"] == []


@pytest.mark.parametrize(
    "members",
    [
        {"Principal": {"Service": "lambda.amazonaws.com"}},
        {"Effect": "Deny"},
        # It isn't known whether AWS IoT says whom it provisions for.
        {"Condition": {"StringEquals": {"aws:SourceAccount": ONE}}},
    ],
)
def test_the_role_must_trust_iot(aws: Clients, members: dict[str, Any]) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "iot.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **members,
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = aws.role(trust=trust)
    with refused("InvalidRequestException", "cannot be assumed by AWS IoT"):
        aws.template(provisioningRoleArn=role)


def test_unknown_templates(aws: Clients) -> None:
    iot = aws.iot()
    for call, more in (
        (iot.describe_provisioning_template, {}),
        (iot.update_provisioning_template, {"enabled": True}),
        (iot.delete_provisioning_template, {}),
        (iot.list_provisioning_template_versions, {}),
        (iot.create_provisioning_template_version, {"templateBody": BODY}),
        (iot.describe_provisioning_template_version, {"versionId": 1}),
        (iot.delete_provisioning_template_version, {"versionId": 1}),
    ):
        with refused("ResourceNotFoundException", "missing", 404):
            call(templateName="missing", **more)


def test_a_new_role_is_refused_until_aws_iot_knows_the_role(sandbox: Sandbox, aws: Clients) -> None:
    role, ca = aws.role(), new_ca()
    aws.template("old", provisioningRoleArn=role)
    sandbox.delay_roles(3600)
    with refused("InvalidRequestException", "The provisioning role cannot be assumed by AWS IoT"):
        aws.template("new", provisioningRoleArn=role)
    wanted = {"caCertificate": ca.pem, "certificateMode": "SNI_ONLY"}
    config = {"templateName": "old"}
    with refused("InvalidRequestException", "The provisioning role cannot be assumed by AWS IoT"):
        aws.iot().register_ca_certificate(**wanted, registrationConfig=config)
    aws.iot().register_ca_certificate(**wanted)
    with refused("InvalidRequestException", "The provisioning role cannot be assumed by AWS IoT"):
        aws.iot().update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    sandbox.delay_roles(0)
    aws.iot().update_ca_certificate(certificateId=ca.id, registrationConfig=config)
    with pytest.raises(SandboxError, match="seconds must be"):
        sandbox.delay_roles(-1)
