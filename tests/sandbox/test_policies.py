"""Policies of devices: which documents AWS IoT accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.sandbox.clients import Clients
from tests.support.sandbox.refusals import refused

STATEMENT = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
PADDING = 2048 - len(json.dumps({"Statement": STATEMENT}, separators=(",", ":")))


def document(statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def test_one_statement_needs_no_list_and_white_space_does_not_count(aws: Clients) -> None:
    longest = json.dumps({"Statement": {**STATEMENT, "Resource": "*" + "r" * PADDING}}, indent=9)
    iot = aws.iot()
    iot.create_policy(policyName="devices", policyDocument=longest)
    iot.create_policy_version(policyName="devices", policyDocument=document([STATEMENT] * 2))
    assert iot.get_policy(policyName="devices")["policyDocument"] == longest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./policy.json", "not JSON"),
        ("[]", "Effect, Action and Resource"),
        ('{"Version": "2012-10-17"}', "Effect, Action and Resource"),
        (document(None), "Effect, Action and Resource"),
        (document("Allow"), "Effect, Action and Resource"),
        (document([]), "no statement"),
        (document([STATEMENT, "Allow"]), "Effect, Action and Resource"),
        (document({"Effect": "Allow", "Action": "iot:Connect"}), "Effect, Action and Resource"),
        (document({**STATEMENT, "Effect": "allow"}), "Allow or Deny"),
        (
            json.dumps({"Statement": {**STATEMENT, "Resource": "*" + "r" * (PADDING + 1)}}),
            "2048 characters",
        ),
    ],
)
def test_refused_documents(aws: Clients, text: str, message: str) -> None:
    iot = aws.iot()
    with refused("MalformedPolicyException", message, 400):
        iot.create_policy(policyName="devices", policyDocument=text)
    assert iot.list_policies()["policies"] == []
    iot.create_policy(policyName="devices", policyDocument=document(STATEMENT))
    with refused("MalformedPolicyException", message, 400):
        iot.create_policy_version(policyName="devices", policyDocument=text)


def test_a_policy_is_deleted_a_while_after_the_detachment(sandbox: Sandbox, aws: Clients) -> None:
    iot, name = aws.iot(), "devices"
    arn = iot.create_keys_and_certificate()["certificateArn"]
    iot.create_policy(policyName=name, policyDocument=document(STATEMENT))
    iot.attach_policy(policyName=name, target=arn)
    sandbox.delay_detachment(3600)
    iot.detach_policy(policyName=name, target=arn)
    with refused("DeleteConflictException", "attached", 409):
        iot.delete_policy(policyName=name)
    sandbox.delay_detachment(0)
    iot.delete_policy(policyName=name)
    iot.create_policy(policyName=name, policyDocument=document(STATEMENT))
    sandbox.delay_detachment(3600)
    iot.delete_policy(policyName=name)
