"""Policies of devices: which documents AWS IoT accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
