"""What policies allow, as far as it can be told: never a guess."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iot_ca.provisioning.facts import PolicyDocument
from iot_ca.provisioning.policies import Decision, Request, decide

CLIENT = "arn:aws:iot:eu-west-1:111111111111:client/"
CONTEXT = {"iot:ClientId": "a", "iot:Connection.Thing.ThingName": None, "aws:RequestedRegion": "r"}


def policy(*statements: dict[str, Any], name: str = "p") -> PolicyDocument:
    return PolicyDocument(name, json.dumps({"Version": "2012-10-17", "Statement": statements}))


def statement(**members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*", **members}


@pytest.mark.parametrize(
    ("members", "effect"),
    [
        ({}, "allowed"),
        ({"Action": ["iot:Publish", "IOT:con*"]}, "allowed"),
        ({"Action": "iot:Publish"}, "not allowed"),
        ({"NotAction": "iot:Publish", "Action": None}, "allowed"),
        ({"Resource": CLIENT + "?"}, "allowed"),
        ({"Resource": CLIENT + "b"}, "not allowed"),
        ({"Resource": CLIENT + "${iot:ClientId}"}, "allowed"),
        ({"Resource": CLIENT + "${iot:Connection.Thing.ThingName}"}, "not allowed"),
        ({"Resource": CLIENT + "${iot:Other}"}, "unknown"),
        ({"Condition": {"StringEquals": {"aws:RequestedRegion": "r"}}}, "allowed"),
        ({"Condition": {"StringEquals": {"aws:RequestedRegion": "*"}}}, "not allowed"),
        ({"Condition": {"StringLike": {"aws:RequestedRegion": ["x", "*"]}}}, "allowed"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, "unknown"),
        ({"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}, "unknown"),
        ({"Condition": "none"}, "unknown"),
        ({"Effect": "Deny"}, "denied"),
        ({"Effect": "Deny", "Resource": CLIENT + "b"}, "not allowed"),
    ],
)
def test_one_statement(members: dict[str, Any], effect: str) -> None:
    made = {key: value for key, value in statement(**members).items() if value is not None}
    request = Request("iot:Connect", CLIENT + "a", CONTEXT)
    assert decide([policy(made)], request).effect == effect


def test_a_deny_wins_and_names_its_policy() -> None:
    stop = policy(statement(Effect="Deny"), name="stop")
    request = Request("iot:Connect", CLIENT + "a", CONTEXT)
    assert decide([policy(statement()), stop], request) == Decision("denied", "stop")


def test_a_deny_that_may_apply_leaves_the_answer_open() -> None:
    stop = policy(statement(Effect="Deny", Condition={"Null": {"aws:TokenIssueTime": "true"}}))
    request = Request("iot:Connect", CLIENT + "a", CONTEXT)
    assert decide([policy(statement()), stop], request).effect == "unknown"


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"Statement": "x"}', '{"Statement": [1]}'])
def test_what_is_not_a_policy_allows_nothing(document: str) -> None:
    request = Request("iot:Connect", CLIENT + "a")
    assert decide([PolicyDocument("p", document)], request).effect == "not allowed"


@pytest.mark.parametrize(
    ("principal", "effect"),
    [
        ({"Service": ["lambda.amazonaws.com", "iot.amazonaws.com"]}, "allowed"),
        ({"Service": "lambda.amazonaws.com"}, "not allowed"),
        ({"AWS": "111111111111"}, "not allowed"),
        ("*", "allowed"),
    ],
)
def test_a_trust_policy_names_a_service(principal: Any, effect: str) -> None:
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal})
    request = Request("sts:AssumeRole", service="iot.amazonaws.com")
    assert decide([trust], request).effect == effect
