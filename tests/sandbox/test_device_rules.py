"""The pure rules of devices: admission, templates, policies, topics, SQL and packets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID

from sandbox.devices import admission as devices
from sandbox.devices import jitp, mqtt, topic_rules
from sandbox.devices.admission import Admission, Holding, KnownDevice, Presented, Refused, admit
from sandbox.iot import ca_certificates as ca
from sandbox.iot import policy_evaluation as device_policies
from sandbox.iot.endpoints import account_at, data_endpoint
from tests.support.certificates import CA, DAY, NOW, new_ca, rsa_key, x509_name
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, REGION, THREE, TWO

FLEET = new_ca("Fleet CA")
NEWER = new_ca("Fleet CA", key=FLEET.key)  # the same name and key, another certificate
LEAF = FLEET.issue(x509_name("sensor-1"))


def held(made: CA = FLEET, mode: str = "SNI_ONLY", **changed: Any) -> ca.CACertificate:
    """A CA as an account has registered it: ACTIVE and registering devices."""
    store = ca.CaStore(ONE, REGION, "aws")
    verification = None
    if mode == "DEFAULT":
        verification = made.verification(ca.registration_code(store))
    wanted = ca.CaRegistration(made.pem, verification, mode, True, True)
    return replace(ca.register(wanted, store, [store], NOW), **changed)


def decide(presented: Presented, *holdings: Holding) -> str:
    """The account that takes the device and how, or why it is refused."""
    try:
        admission = admit(presented, REGION, holdings, NOW)
    except Refused as refused:
        return refused.reason
    return f"{admission.account} {'new' if admission.ca else 'known'}"


def named(account: str, *chain: x509.Certificate) -> Presented:
    return Presented(LEAF, chain, data_endpoint(account, REGION))


WITH_CA = Presented(LEAF, (FLEET.certificate,))
ACTIVE = KnownDevice("ACTIVE", "SNI_ONLY")
IN_DEFAULT = KnownDevice("ACTIVE", "DEFAULT")
EVERYWHERE = (
    Holding(ONE, [held()]),
    Holding(TWO, [held()]),
    Holding(THREE, [held(mode="DEFAULT")]),
)


# --- admission: every rule of the two modes


@pytest.mark.parametrize(
    ("presented", "holdings", "expected"),
    [
        # with a name: the account of that name, in either mode
        (named(ONE), EVERYWHERE, f"{ONE} new"),
        (named(TWO), EVERYWHERE, f"{TWO} new"),
        (named(THREE), EVERYWHERE, f"{THREE} new"),
        (named(ONE, FLEET.certificate), EVERYWHERE, f"{ONE} new"),
        (named(TWO), [Holding(TWO, [held()], ACTIVE)], f"{TWO} known"),
        (named(TWO), [Holding(ONE, [held(mode="DEFAULT")]), Holding(TWO)], "no CA certificate"),
        (named(TWO), [Holding(ONE, [], IN_DEFAULT), Holding(TWO)], "no CA certificate"),
        (named("4" * 12), EVERYWHERE, "no account has the endpoint"),
        # without: the account that has it in DEFAULT mode, and no other
        (WITH_CA, EVERYWHERE, f"{THREE} new"),
        (WITH_CA, EVERYWHERE[:2], "only in SNI_ONLY"),
        (WITH_CA, [], "no CA certificate registered"),
        (WITH_CA, [Holding(ONE)], "no CA certificate registered"),
        (Presented(LEAF), EVERYWHERE, "must send its CA's"),
        (Presented(LEAF, (NEWER.certificate,)), EVERYWHERE, "must send its CA's"),
        (Presented(LEAF), [Holding(ONE, [], IN_DEFAULT)], f"{ONE} known"),
        (Presented(LEAF), [Holding(ONE, [], ACTIVE)], "only in SNI_ONLY"),
        (Presented(LEAF), [Holding(ONE, [], ACTIVE), Holding(TWO, [], IN_DEFAULT)], f"{TWO} known"),
        # one CA in DEFAULT here, its successor in DEFAULT there: what the device sends decides
        (
            Presented(LEAF, (NEWER.certificate,)),
            [Holding(ONE, [held(mode="DEFAULT")]), Holding(TWO, [held(NEWER, "DEFAULT")])],
            f"{TWO} new",
        ),
    ],
)  # fmt: skip
def test_admission_in_both_modes(
    presented: Presented, holdings: list[Holding], expected: str
) -> None:
    assert expected in decide(presented, *holdings)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"status": "INACTIVE"}, "is INACTIVE"),
        ({"auto_registration_status": "DISABLE"}, "has auto-registration disabled"),
        ({"not_after": NOW - DAY}, "not within its validity"),
    ],
)
@pytest.mark.parametrize("mode", ["SNI_ONLY", "DEFAULT"])
def test_ca_closed_to_new_devices_refuses_first_contact(
    mode: str, changed: dict[str, Any], expected: str
) -> None:
    presented = named(ONE) if mode == "SNI_ONLY" else WITH_CA
    closed = held(mode=mode, **changed)
    assert expected in decide(presented, Holding(ONE, [closed]))
    assert decide(presented, Holding(ONE, [closed], KnownDevice("ACTIVE", mode))) == f"{ONE} known"


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED", "PENDING_ACTIVATION"])
def test_a_known_device_must_be_active(status: str) -> None:
    for mode, presented in (("SNI_ONLY", named(ONE)), ("DEFAULT", WITH_CA)):
        device = KnownDevice(status, mode)
        assert decide(presented, Holding(ONE, [held(mode=mode)], device)).endswith(status)


@pytest.mark.parametrize(
    ("status", "again"), [("PENDING_ACTIVATION", True), ("INACTIVE", False), ("REVOKED", False)]
)
def test_only_a_pending_certificate_causes_another_event(status: str, again: bool) -> None:
    for mode, presented in (("SNI_ONLY", named(ONE)), ("DEFAULT", WITH_CA)):
        device = KnownDevice(status, mode, "cd", NOW)
        with pytest.raises(Refused) as caught:
            admit(presented, REGION, [Holding(ONE, [held(mode=mode)], device)], NOW)
        assert isinstance(caught.value, devices.RefusedPending) is again
        if isinstance(caught.value, devices.RefusedPending):
            assert (caught.value.account, caught.value.device) == (ONE, device)


def test_sent_ca_decides_then_the_newest_usable_ca() -> None:
    old, new = held(sequence=1), held(NEWER, sequence=2)
    shut = held(NEWER, sequence=2, status="INACTIVE")

    def signer(presented: Presented, *cas: ca.CACertificate) -> str | None:
        admission: Admission = admit(presented, REGION, [Holding(ONE, cas)], NOW)
        return admission.ca.certificate_id if admission.ca else None

    assert signer(named(ONE), old, new) == NEWER.id
    assert signer(named(ONE, FLEET.certificate), old, new) == FLEET.id
    assert signer(named(ONE), old, shut) == FLEET.id
    assert "is INACTIVE" in decide(named(ONE, NEWER.certificate), Holding(ONE, [old, shut]))


def test_signature_decides_not_the_issuer_name() -> None:
    impostor = new_ca("Fleet CA")
    assert "has signed the device's" in decide(named(ONE), Holding(ONE, [held(impostor)]))
    assert "no CA certificate" in decide(WITH_CA, Holding(ONE, [held(impostor, "DEFAULT")]))


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (FLEET.issue(x509_name("x"), end=NOW - DAY / 2), "has expired"),
        (FLEET.issue(x509_name("x"), start=NOW + DAY / 2), "not yet valid"),
        (FLEET.issue(x509_name("x"), rsa_key(1024)), "at least 2048 bits"),
    ],
)
def test_a_bad_device_certificate(leaf: x509.Certificate, expected: str) -> None:
    presented = Presented(leaf, server_name=data_endpoint(ONE, REGION))
    assert expected in decide(presented, Holding(ONE, [held()], ACTIVE))


def test_endpoints() -> None:
    host = data_endpoint(ONE, REGION)
    assert account_at(host.upper() + ".", REGION, [TWO, ONE]) == ONE
    assert account_at(host, "us-east-1", [ONE]) is None
    assert account_at(host, REGION, [TWO]) is None
    assert data_endpoint(ONE, "cn-north-1").endswith("-ats.iot.cn-north-1.amazonaws.com.cn")


def test_the_event_of_a_new_certificate() -> None:
    event = devices.registered_event("ab", "cd", ONE, NOW - DAY, NOW)
    assert event["timestamp"] == int(NOW.timestamp() * 1000)
    registered = int((NOW - DAY).timestamp() * 1000)
    assert event["certificateRegistrationTimestamp"] == str(registered)


# --- JITP

SUBJECT = Name(
    [
        NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Berlin"),
        NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "First"),
        NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Second"),
        NameAttribute(NameOID.DN_QUALIFIER, "q"),
        NameAttribute(NameOID.SERIAL_NUMBER, "0815"),
        NameAttribute(NameOID.COMMON_NAME, "sensor-1"),
    ]
)
PARAMETERS = jitp.parameters_of(FLEET.issue(SUBJECT), "ab" * 32)


def body(
    thing: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    **certificate: Any,
) -> str:
    resources: dict[str, Any] = {
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, **certificate},
        }
    }
    if thing is not None:
        resources["thing"] = {"Type": "AWS::IoT::Thing", "Properties": thing}
    if policy is not None:
        resources["policy"] = {"Type": "AWS::IoT::Policy", "Properties": policy}
    return json.dumps({"Parameters": parameters or {}, "Resources": resources})


def test_parameters_come_from_the_subject() -> None:
    assert {key.rpartition(":")[2]: value for key, value in PARAMETERS.items()} == {
        "Country": "DE",
        "StateName": "Berlin",
        "Organization": "Example",
        "OrganizationalUnit": "First",
        "DistinguishedNameQualifier": "q",
        "SerialNumber": "0815",
        "CommonName": "sensor-1",
        "Id": "ab" * 32,
    }


def test_provisioning_plan() -> None:
    common_name = {"Ref": "AWS::IoT::Certificate::CommonName"}
    plan = jitp.make_plan(
        body(
            {
                "ThingName": {"Fn::Join": ["-", ["x", common_name]]},
                "AttributePayload": {
                    "serial": {"Fn::Sub": "no:${AWS::IoT::Certificate::SerialNumber}"},
                    "site": {"Ref": "Site"},
                },
                "ThingGroups": ["all"],
            },
            {"PolicyName": "devices"},
            {"Site": {"Type": "String", "Default": "B"}},
            Status="INACTIVE",
        ),
        PARAMETERS,
    )
    assert plan.status == "INACTIVE"
    assert plan.thing == jitp.Thing(
        "x-sensor-1",
        {"serial": "no:0815", "site": "B"},
        None,
        ("all",),
        dict.fromkeys(jitp.OVERRIDES, "FAIL"),
    )
    assert plan.policies == (jitp.Policy("devices", None),)


def test_a_thing_that_exists_needs_override_settings() -> None:
    properties = {"ThingName": "t", "AttributePayload": {"a": "b"}, "ThingGroups": ["all"]}
    template = json.loads(body(properties))
    template["Resources"]["thing"]["OverrideSettings"] = {"AttributePayload": "MERGE"}
    plan = jitp.make_plan(json.dumps(template), PARAMETERS)
    assert plan.thing
    assert plan.thing.overrides == {"AttributePayload": "MERGE", "ThingGroups": "FAIL"}

    template["Resources"]["thing"]["OverrideSettings"] = {"ThingTypeName": "MERGE"}
    with pytest.raises(jitp.ProvisioningFailed, match="can't be ThingTypeName = MERGE"):
        jitp.make_plan(json.dumps(template), PARAMETERS)


def test_policy_without_a_name_gets_a_hash_as_name() -> None:
    document = fleet.policy(fleet.MAY_ALL)
    one, same, other = (
        jitp.make_plan(body(policy={"PolicyDocument": text}), PARAMETERS).policies[0]
        for text in (document, document, document + " ")
    )
    assert one == same
    assert one.document == document
    assert one.name != other.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (body(parameters={"Colour": {"Type": "String"}}), "no value for Colour"),
        (body({"ThingName": "not a name"}), "can't be the name of a thing"),
        (body({"ThingName": "t", "AttributePayload": dict.fromkeys("abcd", "1")}), "up to 3 attr"),
        (
            body({"ThingName": "t", "ThingTypeName": "k",
                  "AttributePayload": {f"a{n}": "1" for n in range(51)}}),
            "up to 50 attributes",
        ),
        (body({"ThingName": "t", "AttributePayload": {"a": "b c"}}), "characters"),
        (body({"ThingName": {"Fn::Select": [0, ["a"]]}}), "knows no Fn::Select"),
        (body(CertificateId="cd" * 32), "is not the device's"),
        (body(Status="REVOKED"), "as REVOKED"),
        (body(policy={"PolicyDocument": "{"}), "not JSON"),
        (body(policy={"PolicyDocument": {"Statement": []}}), "no statement"),
    ],
)  # fmt: skip
def test_failing_provisioning_plans(text: str, expected: str) -> None:
    with pytest.raises(jitp.ProvisioningFailed, match=expected):
        jitp.make_plan(text, PARAMETERS)


# --- policies

ARN = f"arn:aws:iot:{REGION}:{ONE}:"
KNOWN = device_policies.variables_of(
    "sensor-1", {"CommonName": "sensor-1"}, "sensor-1", {"room": "*"}, "thermometer"
)
UNKNOWN = device_policies.variables_of("sensor-1", {}, None)


def allows(
    resource: str, *statements: dict[str, Any], action: str = "iot:Publish",
    variables: dict[str, str] = KNOWN, version: str = "2012-10-17",
) -> bool:  # fmt: skip
    document = json.dumps({"Version": version, "Statement": list(statements)})
    return device_policies.allows([document], action, ARN + resource, variables)


def allow(resource: str, action: str = "iot:Publish", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": ARN + resource, **more}


ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
THING = "${iot:Connection.Thing.ThingName}"


@pytest.mark.parametrize(
    ("resource", "statement", "expected"),
    [
        ("topic/a/b", allow("topic/a/b"), True),
        ("topic/a/b", allow("topic/a"), False),
        ("topic/a/b/c", allow("topic/a/*"), True),
        ("topic/a/b", allow("topic/a/?"), True),
        ("topic/a/bc", allow("topic/a/?"), False),
        ("topic/a/b", allow("topic/a/+"), False),
        ("topicfilter/a/+", allow("topicfilter/a/+"), True),
        ("topicfilter/a/#", allow("topicfilter/a/+"), False),
        ("topic/a/b", allow("topic/a/b", "iot:*"), True),
        ("topic/a/b", allow("topic/a/b", "IOT:PUBLISH"), True),
        ("topic/a/b", allow("topic/a/b", "iot:Subscribe"), False),
        ("topic/sensor-1/up", allow(f"topic/{THING}/up"), True),
        ("topic/sensor-2/up", allow(f"topic/{THING}/up"), False),
        ("topic/sensor-1/up", allow("topic/${iot:ClientId}/up"), True),
        ("topic/sensor-1", allow("topic/${iot:Certificate.Subject.CommonName}"), True),
        ("topic/thermometer", allow("topic/${iot:Connection.Thing.ThingTypeName}"), True),
        # the value of a variable is not a pattern; ${*} is a star
        ("topic/kitchen", allow("topic/${iot:Connection.Thing.Attributes[room]}"), False),
        ("topic/*", allow("topic/${*}"), True),
        ("topic/a", allow("topic/${*}"), False),
        ("topic/a", allow("topic/${iot:Unheard.Of}*"), False),
        ("topic/a", allow("topic/a", Condition=ATTACHED), True),
        ("topic/a", allow("topic/a", Condition={"StringEquals": {"iot:ClientId": THING}}), True),
        ("topic/a", allow("topic/a", Condition={"StringLike": {"iot:ClientId": "other-*"}}), False),
        ("topic/a", allow("topic/a", Condition={"IpAddress": {"aws:SourceIp": "::1"}}), False),
        ("topic/a", allow("topic/a", NotAction="iot:Connect"), False),
    ],
)  # fmt: skip
def test_device_policies(resource: str, statement: dict[str, Any], expected: bool) -> None:
    assert allows(resource, statement) is expected


def test_deny_wins_if_a_condition_is_unknown() -> None:
    everything = allow("*", "*")
    deny = {**allow("topic/a"), "Effect": "Deny"}
    assert allows("topic/a", everything)
    assert not allows("topic/a", everything, deny)
    assert not allows("topic/a", deny, everything)
    assert allows("topic/b", everything, deny)
    assert not allows("topic/a", everything, {**deny, "Condition": {"IpAddress": {}}})
    assert not allows("topic/a", everything, {**deny, "Unheard": 1})


def test_thing_variables_need_a_thing() -> None:
    mine = allow(f"topic/{THING}")
    assert not allows("topic/sensor-1", mine, variables=UNKNOWN)
    assert not allows("topic/", mine, variables=UNKNOWN)
    assert not allows("topic/a", allow("topic/a", Condition=ATTACHED), variables=UNKNOWN)


def test_policy_variables_need_version_2012_10_17() -> None:
    assert not allows("topic/sensor-1", allow(f"topic/{THING}"), version="2008-10-17")
    assert not device_policies.allows(["no JSON", "[]", "{}"], "iot:Publish", ARN, KNOWN)
    assert not device_policies.allows([], "iot:Publish", ARN, KNOWN)


# --- topics and SQL


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("+/b", "/b", True),
        ("#", "$aws/events", False),
        ("+/events", "$aws/events", False),
        ("$aws/+", "$aws/events", True),
        ("a", "a/b", False),
        ("a/b", "a", False),
    ],
)
def test_topic_filters(topic_filter: str, topic: str, expected: bool) -> None:
    assert mqtt.matches(mqtt.checked_filter(topic_filter), topic) is expected


@pytest.mark.parametrize("text", ["", "a#", "#/a", "a/b+", "a/#/b"])
def test_invalid_topic_filters_are_refused(text: str) -> None:
    with pytest.raises(mqtt.Malformed):
        mqtt.checked_filter(text)


ARRIVED = topic_rules.ReceivedMessage(
    "house/attic", b'{"a": {"b": 1}, "c": "it\'s", "d": null}', "me"
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM 'house/+'", {"a": {"b": 1}, "c": "it's", "d": None}),
        ("select a.b, c as text from 'house/#'", {"b": 1, "text": "it's"}),
        ("SELECT *, topic(2) AS room, clientid() AS who FROM 'house/+' WHERE a.b = 1",
         {"a": {"b": 1}, "c": "it's", "d": None, "room": "attic", "who": "me"}),
        ("SELECT 'x' AS x, missing, topic(9) AS t FROM '#'", {"x": "x"}),
        ("SELECT topic() FROM '#' WHERE c = 'it''s' AND a.b <> 2", {"topic": "house/attic"}),
        ("SELECT * FROM '#' WHERE a.b = 2", None),
    ],
)  # fmt: skip
def test_sql_selects(sql: str, expected: dict[str, Any] | None) -> None:
    assert topic_rules.select(topic_rules.parse(sql), ARRIVED) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM house",
        "SELECT * WHERE a = 1",
        "SELECT upper(c) AS c FROM 'house/+'",
        "SELECT * FROM 'house/+' WHERE a.b > 0",
        "SELECT * FROM 'house/+' WHERE a.b = 1 OR c = 2",
    ],
)
def test_unknown_sql_is_refused(sql: str) -> None:
    with pytest.raises(topic_rules.NotUnderstood):
        topic_rules.parse(sql)


def test_rule_needs_a_json_object() -> None:
    query = topic_rules.parse("SELECT * FROM '#'")
    for payload in (b"\xff", b"[1]"):
        with pytest.raises(topic_rules.NotUnderstood):
            topic_rules.select(query, replace(ARRIVED, payload=payload))


# --- packets


def test_packets_come_in_pieces() -> None:
    message = mqtt.Message("a/b", bytes(300), 1, 7)
    data = mqtt.publish(message) + mqtt.pingresp()
    buffer = bytearray()
    packets = []
    for byte in data:
        buffer.append(byte)
        while packet := mqtt.take_packet(buffer):
            packets.append(packet)
    assert mqtt.parse_publish(packets[0]) == message
    assert [packet.kind for packet in packets] == [mqtt.PUBLISH, mqtt.PINGRESP]


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\xff\xff\xff\xff\x01",  # a length of more than four bytes
        b"\x30\xff\xff\xff\x7f",  # 256 MB
        b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00\x00",  # MQTT 5
        b"\x10\x0e\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x00",  # MQTT 3.1
        b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x3c\x00\x00",  # a reserved flag
        b"\x10\x05\x00\x04MQT",
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\xff",  # not UTF-8
    ],
)
def test_invalid_connect_packets_are_refused(data: bytes) -> None:
    def read() -> None:
        packet = mqtt.take_packet(bytearray(data))
        assert packet is not None
        mqtt.parse_connect(packet)

    with pytest.raises(mqtt.Malformed):
        read()


def test_qos_2_and_wildcards_in_a_topic_are_refused() -> None:
    for packet in (
        mqtt.Packet(mqtt.PUBLISH, 4, b"\0\1a\0\1"),
        mqtt.Packet(mqtt.PUBLISH, 0, b"\0\1#"),
    ):
        with pytest.raises(mqtt.Malformed):
            mqtt.parse_publish(packet)
