"""Describe, update, delete and list CA certificates; the registration code; tags."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.certificates import CA, new_ca
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, TWO, Clients
from tests.support.sandbox.refusals import refused

NOBODY = "ab" * 32


@pytest.fixture
def iot(aws: Clients) -> Any:
    return aws.iot()


@pytest.fixture
def ca(iot: Any) -> CA:
    """A CA registered in SNI_ONLY mode, inactive."""
    made = new_ca()
    iot.register_ca_certificate(caCertificate=made.pem, certificateMode="SNI_ONLY")
    return made


def arn_of(ca: CA) -> str:
    return f"arn:aws:iot:eu-west-1:{ONE}:cacert/{ca.id}"


def described(iot: Any, ca: CA) -> Any:
    return iot.describe_ca_certificate(certificateId=ca.id)


# --- update and delete


def test_update_status_and_auto_registration(iot: Any, ca: CA) -> None:
    before = described(iot, ca)["certificateDescription"]
    iot.update_ca_certificate(
        certificateId=ca.id, newStatus="ACTIVE", newAutoRegistrationStatus="ENABLE"
    )
    after = described(iot, ca)["certificateDescription"]
    assert (after["status"], after["autoRegistrationStatus"]) == ("ACTIVE", "ENABLE")
    assert after["customerVersion"] == before["customerVersion"] + 1
    assert after["lastModifiedDate"] > before["lastModifiedDate"]
    assert after["creationDate"] == before["creationDate"]
    assert after["generationId"] == before["generationId"]
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    last = described(iot, ca)["certificateDescription"]
    assert (last["status"], last["autoRegistrationStatus"]) == ("INACTIVE", "ENABLE")
    assert last["customerVersion"] == 3


def test_remove_auto_registration_clears_the_config(aws: Clients, iot: Any, ca: CA) -> None:
    aws.template("fleet")
    iot.update_ca_certificate(
        certificateId=ca.id,
        newAutoRegistrationStatus="ENABLE",
        registrationConfig={"templateName": "fleet"},
    )
    assert described(iot, ca)["registrationConfig"] == {"templateName": "fleet"}
    iot.update_ca_certificate(
        certificateId=ca.id, removeAutoRegistration=True, newAutoRegistrationStatus="ENABLE"
    )
    after = described(iot, ca)
    assert "registrationConfig" not in after
    assert after["certificateDescription"]["autoRegistrationStatus"] == "DISABLE"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "Nothing to update"),
        ({"removeAutoRegistration": False}, "Nothing to update"),
        ({"newStatus": "REVOKED"}, "[ACTIVE, INACTIVE]"),
        ({"newAutoRegistrationStatus": "ON"}, "[ENABLE, DISABLE]"),
    ],
)
def test_update_refusals(iot: Any, ca: CA, wanted: dict[str, Any], message: str) -> None:
    with refused("InvalidRequestException", message):
        iot.update_ca_certificate(certificateId=ca.id, **wanted)
    assert described(iot, ca)["certificateDescription"]["customerVersion"] == 1


def test_remove_excludes_a_new_config(aws: Clients, iot: Any, ca: CA) -> None:
    aws.template("fleet")
    with refused("InvalidRequestException", "removeAutoRegistration"):
        iot.update_ca_certificate(
            certificateId=ca.id,
            removeAutoRegistration=True,
            registrationConfig={"templateName": "fleet"},
        )


def test_delete_only_when_inactive(iot: Any, ca: CA) -> None:
    iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE")
    with refused("CertificateStateException", ca.id, 406):
        iot.delete_ca_certificate(certificateId=ca.id)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    iot.delete_ca_certificate(certificateId=ca.id)
    with refused("ResourceNotFoundException", status=404):
        described(iot, ca)


def test_unknown_ids(iot: Any) -> None:
    for call in (iot.describe_ca_certificate, iot.delete_ca_certificate):
        with refused("ResourceNotFoundException", NOBODY, 404):
            call(certificateId=NOBODY)
        with refused("InvalidRequestException", "certificateId", 400):
            call(certificateId="z" * 64)
    with refused("ResourceNotFoundException", status=404):
        iot.update_ca_certificate(certificateId=NOBODY, newStatus="ACTIVE")


def test_accounts_and_regions_are_separate(aws: Clients, ca: CA) -> None:
    for other in (aws.iot(TWO), aws.iot(ONE, "us-east-1")):
        with refused("ResourceNotFoundException"):
            described(other, ca)


# --- list


def test_pages_of_ca_certificates(iot: Any) -> None:
    made = [new_ca(f"CA {i}") for i in range(5)]
    for one in made:
        iot.register_ca_certificate(caCertificate=one.pem, certificateMode="SNI_ONLY")
    ids = [one.id for one in made]
    first = iot.list_ca_certificates(pageSize=2, ascendingOrder=True)
    assert [c["certificateId"] for c in first["certificates"]] == ids[:2]
    assert set(first["certificates"][0]) == {
        "certificateArn", "certificateId", "status", "creationDate",
    }  # fmt: skip
    iot.delete_ca_certificate(certificateId=ids[1])
    rest = iot.list_ca_certificates(pageSize=250, ascendingOrder=True, marker=first["nextMarker"])
    assert [c["certificateId"] for c in rest["certificates"]] == ids[2:]
    assert "nextMarker" not in rest
    pages = iot.get_paginator("list_ca_certificates").paginate(PaginationConfig={"PageSize": 3})
    newest_first = [c["certificateId"] for page in pages for c in page["certificates"]]
    assert newest_first == [ids[4], ids[3], ids[2], ids[0]]


@pytest.mark.usefixtures("ca")
def test_list_by_template(aws: Clients, iot: Any) -> None:
    aws.template("fleet")
    other = new_ca()
    iot.register_ca_certificate(
        caCertificate=other.pem,
        certificateMode="SNI_ONLY",
        registrationConfig={"templateName": "fleet"},
    )
    listed = iot.list_ca_certificates(templateName="fleet")["certificates"]
    assert [c["certificateId"] for c in listed] == [other.id]


def test_list_refusals(iot: Any) -> None:
    for wanted in ({"pageSize": 251}, {"marker": "bm9uZQ=="}, {"marker": "?"}):
        with refused("InvalidRequestException"):
            iot.list_ca_certificates(**wanted)


# --- the registration code


def test_registration_code_stays_until_deleted(aws: Clients) -> None:
    code = aws.iot().get_registration_code()["registrationCode"]
    assert re.fullmatch(r"[0-9a-f]{64}", code)
    assert aws.iot().get_registration_code()["registrationCode"] == code
    for other in (aws.iot(TWO), aws.iot(ONE, "us-east-1")):
        assert other.get_registration_code()["registrationCode"] != code
    aws.iot().delete_registration_code()
    with refused("ResourceNotFoundException"):
        aws.iot().delete_registration_code()
    assert aws.iot().get_registration_code()["registrationCode"] != code


# --- tags


def test_tags(iot: Any, ca: CA) -> None:
    def now() -> dict[str, str]:
        tags = iot.list_tags_for_resource(resourceArn=arn_of(ca))["tags"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    assert now() == {}
    iot.tag_resource(resourceArn=arn_of(ca), tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    assert now() == {"a": "1", "b": ""}
    iot.tag_resource(resourceArn=arn_of(ca), tags=[{"Key": "a", "Value": "r é +-=._:/@"}])
    iot.untag_resource(resourceArn=arn_of(ca), tagKeys=["b", "missing"])
    assert now() == {"a": "r é +-=._:/@"}
    assert described(iot, ca)["certificateDescription"]["customerVersion"] == 1


def test_tags_are_deleted_with_the_ca(iot: Any) -> None:
    ca = new_ca()
    for tags in ([{"Key": "a", "Value": "1"}], []):
        iot.register_ca_certificate(
            caCertificate=ca.pem, certificateMode="SNI_ONLY", **({"tags": tags} if tags else {})
        )
        assert iot.list_tags_for_resource(resourceArn=arn_of(ca))["tags"] == tags
        iot.delete_ca_certificate(certificateId=ca.id)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "k" * 128, "Value": ""}], "InvalidRequestException"),
        ([{"Key": "k", "Value": "v" * 256}], "InvalidRequestException"),
        ([{"Key": "aws:k", "Value": "v"}], "InvalidRequestException"),
        ([{"Key": "k", "Value": "a,b"}], "InvalidRequestException"),
        ([{"Key": "k;", "Value": "v"}], "InvalidRequestException"),
        ([{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}], "InvalidRequestException"),
        ([{"Key": f"k{i}", "Value": ""} for i in range(51)], "LimitExceededException"),
    ],
    ids=["key too long", "value too long", "aws:", "comma", "semicolon", "twice", "too many"],
)
def test_tag_refusals(iot: Any, ca: CA, tags: list[dict[str, str]], code: str) -> None:
    with refused(code):
        iot.tag_resource(resourceArn=arn_of(ca), tags=tags)
    assert iot.list_tags_for_resource(resourceArn=arn_of(ca))["tags"] == []
    with refused(code):
        iot.register_ca_certificate(
            caCertificate=new_ca().pem, certificateMode="SNI_ONLY", tags=tags
        )


def test_longest_tag(iot: Any, ca: CA) -> None:
    tags = [{"Key": "k" * 127, "Value": "v" * 255}]
    iot.tag_resource(resourceArn=arn_of(ca), tags=tags)
    assert iot.list_tags_for_resource(resourceArn=arn_of(ca))["tags"] == tags


def test_tags_of_unknown_resources(aws: Clients, ca: CA) -> None:
    for client, arn in (
        (aws.iot(), arn_of(ca).replace(ca.id, NOBODY)),
        (aws.iot(), arn_of(ca).replace("cacert", "cert")),
        (aws.iot(TWO), arn_of(ca)),
        (aws.iot(), "nonsense"),
    ):
        with refused("ResourceNotFoundException", status=404):
            client.list_tags_for_resource(resourceArn=arn)
        with refused("ResourceNotFoundException"):
            client.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}])
        with refused("ResourceNotFoundException"):
            client.untag_resource(resourceArn=arn, tagKeys=["a"])


def test_tags_of_policies_and_topic_rules(iot: Any) -> None:
    tags = [{"Key": "a", "Value": "1 2"}]
    document = fleet.policy(fleet.MAY_ALL)
    policy = iot.create_policy(policyName="device", policyDocument=document, tags=tags)
    iot.create_topic_rule(
        ruleName="lights", topicRulePayload={"sql": "SELECT 1", "actions": []}, tags="a=1%202"
    )
    rule = iot.get_topic_rule(ruleName="lights")
    for arn in (policy["policyArn"], rule["ruleArn"]):
        assert iot.list_tags_for_resource(resourceArn=arn)["tags"] == tags
        iot.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert iot.list_tags_for_resource(resourceArn=arn)["tags"] == []
    iot.delete_policy(policyName="device")
    with refused("ResourceNotFoundException"):
        iot.list_tags_for_resource(resourceArn=policy["policyArn"])


# --- the rest of IoT stays moto's


def test_create_a_thing(iot: Any) -> None:
    iot.create_thing(thingName="lamp")
    assert iot.describe_thing(thingName="lamp")["thingName"] == "lamp"


def test_operations_that_moto_lacks_are_not_implemented(iot: Any) -> None:
    with refused("NotImplemented", "no such operation", 501):
        iot.list_authorizers()
