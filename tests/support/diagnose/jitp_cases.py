"""Just-in-time provisioning."""

from __future__ import annotations

import json
from typing import Any

from tests.support.certificates import x509_name
from tests.support.diagnose.refusal import (
    AGAIN,
    Act,
    Refusal,
    after_jitp,
    good_certificate,
)
from tests.support.diagnose.scene import THING, Scene
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION


def jitp_with(**changes: Any) -> Act:
    """A JITP account whose template has `changes`."""
    return lambda scene: scene.jitp(body=scene.template(**changes))


def jitp_then(change: Act) -> Act:
    """A JITP account in which something is changed afterwards."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        change(scene)

    return arrange


ROLE = f"jitp-{REGION}"


def delete_role(scene: Scene) -> None:
    scene.iam.detach_role_policy(RoleName=ROLE, PolicyArn=fleet.THINGS_REGISTRATION)
    scene.iam.delete_role(RoleName=ROLE)


def distrust(scene: Scene) -> None:
    trust = fleet.trust("lambda.amazonaws.com")
    scene.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust)


def detach(scene: Scene) -> None:
    scene.iam.detach_role_policy(RoleName=ROLE, PolicyArn=fleet.THINGS_REGISTRATION)


def deny(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Deny", "Action": "iot:CreateThing", "Resource": "*"})
    scene.iam.put_role_policy(RoleName=ROLE, PolicyName="no-things", PolicyDocument=document)


def deny_by_managed_policy(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Deny", "Action": "iot:AttachPolicy", "Resource": "*"})
    made = scene.iam.create_policy(PolicyName="no-policies", PolicyDocument=document)
    scene.iam.attach_role_policy(RoleName=ROLE, PolicyArn=made["Policy"]["Arn"])


def bound(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    made = scene.iam.create_policy(PolicyName="boundary", PolicyDocument=document)
    scene.iam.put_role_permissions_boundary(
        RoleName=ROLE, PermissionsBoundary=made["Policy"]["Arn"]
    )


def existing_thing(scene: Scene) -> None:
    scene.jitp(body=scene.template(OverrideSettings={"AttributePayload": "FAIL"}))
    scene.iot.create_thing(thingName=THING)


def named_policy(scene: Scene) -> None:
    document = json.loads(scene.template())
    document["Resources"]["policy"]["Properties"] = {"PolicyName": "gone"}
    scene.jitp(body=json.dumps(document))


def with_serial_number(scene: Scene) -> None:
    names = {"ORGANIZATION_NAME": "Example", "SERIAL_NUMBER": "42"}
    scene.reissue(subject=x509_name(THING, **names))


def thing_type_with_many_attributes(scene: Scene) -> None:
    attributes = {f"a{number}": "x" for number in range(4)}
    scene.jitp(body=scene.template(thing={"AttributePayload": attributes}))


def attributes_that_fit(scene: Scene) -> None:
    """The template is changed."""
    version = scene.iot.create_provisioning_template_version(
        templateName="fleet", templateBody=scene.template(), setAsDefault=True
    )
    assert version["isDefaultVersion"]


SERIAL_NUMBER = {"AWS::IoT::Certificate::SerialNumber": {"Type": "String"}}

JITP = {
    "template disabled": Refusal(
        jitp_then(lambda scene: scene.iot.update_provisioning_template(
            templateName="fleet", enabled=False)),
        "template enabled", "is disabled", "--enabled", then=AGAIN,
    ),
    "parameter missing": Refusal(
        jitp_with(Parameters=SERIAL_NUMBER), "parameters", "lacks SerialNumber", "issued again",
        with_serial_number,
    ),
    "thing name": Refusal(
        after_jitp(common_name="sensor 1"), "thing", "can't be the name of a thing",
        "issued again", good_certificate,
    ),
    "thing attribute": Refusal(
        after_jitp(organization="Example Inc."), "thing", "can't have the value 'Example Inc.'",
        "issued again", good_certificate,
    ),
    "too many attributes": Refusal(
        thing_type_with_many_attributes, "thing", "has room for 3 attributes",
        "change the template", attributes_that_fit, then=AGAIN,
    ),
    "thing exists": Refusal(
        existing_thing, "thing", "exists already", "aws iot delete-thing", then=AGAIN,
    ),
    "thing type missing": Refusal(
        jitp_with(thing={"ThingTypeName": "sensor"}), "thing type", "does not exist",
        "create-thing-type", then=AGAIN,
    ),
    "thing group missing": Refusal(
        jitp_with(thing={"ThingGroups": ["sensors"]}), "thing group", "does not exist",
        "create-thing-group", then=AGAIN,
    ),
    "role missing": Refusal(
        jitp_then(delete_role), "role", "does not exist", "aws iam create-role",
        then=("role permissions", *AGAIN),
    ),
    "role distrusts AWS IoT": Refusal(
        jitp_then(distrust), "role trust", "does not trust iot.amazonaws.com",
        "update-assume-role-policy", then=AGAIN,
    ),
    "role without its policy": Refusal(
        jitp_then(detach), "role permissions", "may not call iot:UpdateCertificate",
        "AWSIoTThingsRegistration", then=AGAIN,
    ),
    "role with a Deny": Refusal(
        jitp_then(deny), "role permissions", "its policy no-things denies it",
        "delete-role-policy", then=AGAIN,
    ),
    "role with a managed Deny": Refusal(
        jitp_then(deny_by_managed_policy), "role permissions", "may not call iot:AttachPolicy",
        "detach-role-policy", then=AGAIN,
    ),
    "role with a boundary": Refusal(
        jitp_then(bound), "role permissions", "its permissions boundary", "create-policy-version",
        then=AGAIN,
    ),
    "policy of the template missing": Refusal(
        named_policy, "template policy", "gone, which the template attaches", "create-policy",
        then=AGAIN,
    ),
    "template leaves the certificate inactive": Refusal(
        jitp_with(certificate={"Status": "INACTIVE"}), "provisioned status", "INACTIVE",
        "create-provisioning-template-version", once_seen="registration",
    ),
    "client ID is not the thing": Refusal(
        after_jitp(client_id="other"), "permission to connect", "client ID other",
        f"connect with client ID {THING}", good_certificate,
    ),
}  # fmt: skip
