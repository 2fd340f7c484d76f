"""What a template makes of a device certificate, and what AWS IoT would refuse of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iot_ca.diagnosis.template import (
    PlannedPolicy,
    PlannedThing,
    UnknownFunctionError,
    make_plan,
    policy_fault,
    thing_faults,
)
from tests.support.certificates import ec_key, issue, x509_name

CERTIFICATE = issue(ec_key(), subject=x509_name("sensor-1", COUNTRY_NAME="CH"), is_ca=None)
COMMON_NAME = {"Ref": "AWS::IoT::Certificate::CommonName"}


def body(properties: dict[str, Any], kind: str = "Thing", **parameters: Any) -> str:
    resource = {"Type": f"AWS::IoT::{kind}", "Properties": properties}
    return json.dumps({"Parameters": parameters, "Resources": {"it": resource}})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (COMMON_NAME, "sensor-1"),
        ({"Fn::Join": ["-", ["x", COMMON_NAME]]}, "x-sensor-1"),
        ({"Fn::Sub": "x-${AWS::IoT::Certificate::CommonName}"}, "x-sensor-1"),
        ({"Ref": "Own"}, "default"),
    ],
)
def test_references_and_functions_have_their_values(value: Any, name: str) -> None:
    text = body({"ThingName": value}, Own={"Type": "String", "Default": "default"})
    plan = make_plan(text, CERTIFICATE, "ab")
    assert plan.thing is not None
    assert plan.thing.name == name


@pytest.mark.parametrize("value", [{"Fn::Select": [0, ["x"]]}, {"Ref": "Own"}])
def test_what_is_not_known_is_no_guess(value: Any) -> None:
    with pytest.raises(UnknownFunctionError):
        make_plan(body({"ThingName": value}), CERTIFICATE, "ab")


def test_parameters_without_a_value_are_named() -> None:
    declared = {
        f"AWS::IoT::Certificate::{name}": {"Type": "String"} for name in ("Id", "StateName")
    }
    plan = make_plan(body({"ThingName": "x"}, "Thing", **declared), CERTIFICATE, "ab")
    assert plan.missing == ("AWS::IoT::Certificate::StateName",)


def test_a_policy_is_one_by_name_or_by_document() -> None:
    named = make_plan(body({"PolicyName": "x"}, "Policy"), CERTIFICATE, "ab")
    assert named.policies == (PlannedPolicy("x", None),)
    given = make_plan(body({"policyDocument": {"Statement": []}}, "Policy"), CERTIFICATE, "ab")
    assert given.policies[0].document == '{"Statement": []}'


@pytest.mark.parametrize(
    ("thing", "fault"),
    [
        (PlannedThing("a b", {}, None, (), False), "can't be the name of a thing"),
        (PlannedThing("x" * 129, {}, None, (), False), "can't be the name of a thing"),
        (PlannedThing("a", {"k": "Example Inc."}, None, (), False), "attribute k can't have"),
        (PlannedThing("a", {"ä": "x"}, None, (), False), "can't have an attribute named"),
        (PlannedThing("a", dict.fromkeys("abcd", "x"), None, (), False), "room for 3"),
    ],
)
def test_a_thing_that_aws_iot_refuses(thing: PlannedThing, fault: str) -> None:
    (only,) = thing_faults(thing)
    assert fault in only


def test_a_thing_with_a_type_has_more_room() -> None:
    assert thing_faults(PlannedThing("a", dict.fromkeys("abcd", "x"), "t", (), False)) == []


def test_a_policy_has_a_greatest_length_without_white_space() -> None:
    long = json.dumps({"Statement": [{"Sid": "x" * 2040}]}, indent=2)
    assert "has 2066 characters" in (policy_fault(PlannedPolicy("p", long)) or "")
    assert policy_fault(PlannedPolicy("p", json.dumps({"Sid": "x" * 2030}) + " " * 99)) is None
    assert policy_fault(PlannedPolicy("p", "no")) == "its document is not JSON"
    assert policy_fault(PlannedPolicy("p", None)) is None
