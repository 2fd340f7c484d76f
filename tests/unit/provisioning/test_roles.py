"""What a role may do for any device, and whether AWS IoT may assume it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iot_ca.model import Target
from iot_ca.provisioning.checks import role
from iot_ca.provisioning.checks.template import needs_for_any_device
from iot_ca.provisioning.facts import Location, PolicyDocument, Role, Template

SEEN = Location(Target("111111111111", "eu-west-1"), "aws")
PREFIX = "arn:aws:iot:eu-west-1:111111111111"
BODY = {
    "Resources": {
        "certificate": {"Type": "AWS::IoT::Certificate"},
        "thing": {"Type": "AWS::IoT::Thing"},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": "{}"}},
    }
}
TEMPLATE = Template("t", "JITP", True, json.dumps(BODY), "arn:aws:iam::1:role/r")
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "iot.amazonaws.com"},
}
ALL = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": statements})


def checks(*statements: dict[str, Any], **trust: Any) -> dict[str, bool | None]:
    policy = PolicyDocument("p", document(*statements))
    observed = Role("arn:aws:iam::1:role/r", document({**TRUST, **trust}), (policy,))
    needs = needs_for_any_device(SEEN, TEMPLATE)
    found = role.checks(SEEN, observed, "iot.amazonaws.com", needs, None)
    return {check.check: check.ok for check in found}


def deny(action: str, resource: str) -> dict[str, str]:
    return {"Effect": "Deny", "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("statements", "ok"),
    [
        ([ALL], True),
        ([ALL, deny("iot:CreateThing", "*")], False),
        ([ALL, deny("iot:CreatePolicy", f"{PREFIX}:policy/*")], False),
        # Only some names, so it depends on the device.
        ([ALL, deny("iot:CreateThing", f"{PREFIX}:thing/old-*")], None),
        ([ALL, deny("iot:CreateThing", f"{PREFIX}:thinggroup/x")], True),
        ([ALL | {"Resource": f"{PREFIX}:cert/*"}], False),
        (
            [
                ALL | {"Resource": f"{PREFIX}:cert/*"},
                ALL | {"Resource": [f"{PREFIX}:thing/sensor-*", f"{PREFIX}:policy/*"]},
            ],
            None,
        ),
    ],
)
def test_what_a_role_may_not_do_for_any_device_is_a_fault(
    statements: list[dict[str, Any]], ok: bool | None
) -> None:
    assert checks(*statements)["role permissions"] is ok


@pytest.mark.parametrize(
    ("condition", "ok"),
    [
        ({}, True),
        # Whether AWS IoT names the account is not documented.
        ({"StringEquals": {"aws:SourceAccount": "111111111111"}}, None),
        ({"StringEquals": {"aws:SourceAccount": "222222222222"}}, False),
        ({"ArnLike": {"aws:SourceArn": f"{PREFIX}:*"}}, None),
    ],
)
def test_a_trust_policy_whose_condition_never_holds_is_a_fault(
    condition: dict[str, Any], ok: bool | None
) -> None:
    assert checks(ALL, Condition=condition)["role trust"] is ok
