"""The order of the steps, and what can't be broken on the sandbox or can't be read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from iot_ca.certificates import pem
from iot_ca.diagnosis.facts import (
    Access,
    Authorization,
    DeadLetter,
    Device,
    Jitp,
    Jitr,
    Log,
    Observation,
    RegisteredCa,
    RegisteredDevice,
    WantedCa,
)
from iot_ca.diagnosis.report import Diagnosis, exit_status
from iot_ca.diagnosis.steps.jitr import error_in
from iot_ca.diagnosis.steps.order import diagnose
from iot_ca.model import Credentials, Target
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import (
    Function,
    MissingRole,
    PolicyDocument,
    Role,
    Rule,
    Template,
    Unreadable,
)
from iot_ca.provisioning.topics import hears
from tests.support.certificates import DAY, NOW, new_ca

CA = new_ca("CA")
TARGET = Target("111111111111", "eu-west-1")
DENIED = Unreadable("the credentials may not call iot:X; allow it in their policy")
TRUST = '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}}'
ALL = PolicyDocument("all", '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}')
ROLE = Role("arn:aws:iam::111111111111:role/r", TRUST, (ALL,))
PARAMETERS = {"AWS::IoT::Certificate::Id": {"Type": "String"}}


def device(**changes: Any) -> Device:
    certificate = pem.read(CA.device("sensor-1"))
    return replace(Device(certificate, pem.parse(certificate), client_id="sensor-1"), **changes)


def registered_ca(**changes: Any) -> RegisteredCa:
    config = changes.pop("registration_config", {"templateName": "t"})
    known = RegisteredCa(CA.id, CA.certificate, "SNI_ONLY", "ACTIVE", True, config, NOW)
    return replace(known, **changes)


def template(*resources: dict[str, Any], **changes: Any) -> Template:
    body = {"Parameters": PARAMETERS, "Resources": {str(i): r for i, r in enumerate(resources)}}
    made = Template("t", "JITP", True, json.dumps(body), ROLE.arn)
    return replace(made, **changes)


def policy_resource(document: str) -> dict[str, Any]:
    return {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": document}}


def jitp(*resources: dict[str, Any], **changes: Any) -> Jitp:
    return Jitp(template(policy_resource(ALL.document), *resources), ROLE, **changes)


def seen(**changes: Any) -> Observation:
    usual = Observation(
        TARGET, "aws", NOW, (registered_ca(),), None, "host", Log(None), jitp=jitp()
    )
    return replace(usual, **changes)


def verdict_and_cause(device_seen: Device, observation: Observation) -> tuple[str, Check | None]:
    diagnosis = diagnose("one", device_seen, observation)
    return diagnosis.verdict, diagnosis.cause


def unknown(observation: Observation) -> list[str]:
    checks = diagnose("one", device(), observation).checks
    return [check.check for check in checks if check.ok is None and check.decides]


def registered(status: str = "ACTIVE", ca_id: str | None = CA.id) -> RegisteredDevice:
    return RegisteredDevice("arn", status, "SNI_ONLY", ca_id)


def access(decision: str = "ALLOWED", **changes: Any) -> Access:
    return Access("sensor-1", Authorization(decision), **changes)


def test_a_device_that_is_fine_would_be_provisioned() -> None:
    assert verdict_and_cause(device(), seen()) == ("would be provisioned", None)


@pytest.mark.parametrize(
    ("changes", "check", "finding"),
    [
        ({"jitp": Jitp(None)}, "template", "does not exist"),
        (
            {"jitp": Jitp(template(type="FLEET_PROVISIONING"), ROLE)},
            "template type",
            "is FLEET_PROVISIONING, wanted JITP",
        ),
        (
            {"jitp": Jitp(template(policy_resource("x" * 2049)), ROLE)},
            "template policy",
            "has 2049 characters",
        ),
        ({"jitp": replace(jitp(), role=MissingRole("arn:x:role/p/r"))}, "role", "does not exist"),
        ({"jitp": Jitp(template(), ROLE)}, "permission to connect", "attaches no policy"),
        (
            {"registered": registered("PENDING_ACTIVATION", "ab" * 32), "jitp": None,
             "jitr": Jitr(()), "cas": (registered_ca(registration_config={}),)},
            "rule", "no topic rule listens",
        ),
        (
            {"registered": registered("PENDING_ACTIVATION", None),
             "cas": (registered_ca(registration_config={}),), "jitp": None},
            "registration", "registered without a CA",
        ),
    ],
)  # fmt: skip
def test_a_fault_that_the_sandbox_does_not_allow(
    changes: dict[str, Any], check: str, finding: str
) -> None:
    verdict, cause = verdict_and_cause(device(), seen(**changes))
    assert verdict == "refused"
    assert cause is not None
    assert (cause.check, finding in cause.finding) == (check, True), cause


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"cas": DENIED}, "signer"),
        ({"registered": DENIED}, "registration"),
        ({"jitp": Jitp(DENIED)}, "template"),
        ({"jitp": replace(jitp(), role=DENIED)}, "role"),
        ({"jitp": Jitp(template(body="{"), ROLE)}, "parameters"),
        ({"registered": registered(), "access": Access("x", DENIED)}, "permission to connect"),
        (
            {"jitp": None, "jitr": Jitr(DENIED), "cas": (registered_ca(registration_config={}),)},
            "rule",
        ),
    ],
)
def test_what_cannot_be_read_is_not_called_refused(changes: dict[str, Any], check: str) -> None:
    observation = seen(**changes)
    assert verdict_and_cause(device(), observation) == ("unknown", None)
    assert unknown(observation) == [check]


def test_what_a_known_device_does_not_need_may_be_unreadable() -> None:
    changes = {"registered": registered(), "access": access(), "cas": DENIED, "jitp": None}
    observation = seen(**changes, log=DENIED, endpoint=DENIED)
    assert verdict_and_cause(device(), observation) == ("let in", None)


def test_the_first_cause_comes_before_its_consequences() -> None:
    """All at once: expired, a CA that is INACTIVE, no role, a certificate that waits."""
    broken = seen(
        now=NOW + 365 * DAY - timedelta(hours=1),
        cas=(registered_ca(status="INACTIVE"),),
        jitp=replace(jitp(), role=MissingRole("arn:x:role/r")),
        registered=registered("PENDING_ACTIVATION"),
    )
    checks = diagnose("one", device(sends_server_name=False), broken).checks
    faults = [check.check for check in checks if check.ok is False]
    assert faults == ["validity", "server name", "CA status", "role", "registration"]


def letters(sent_ago: timedelta) -> tuple[str, Check | None]:
    rule = Rule("r", "arn:rule", f"SELECT * FROM '{TOPIC}{CA.id}'", False, {}, ("arn:f",))
    statement = json.loads(TRUST)["Statement"] | {"Action": "lambda:*", "Resource": "*"}
    function = Function(
        "arn:f", "f", NOW - DAY, {}, ROLE, json.dumps({"Statement": statement}), None
    )
    letter = DeadLetter(NOW - sent_ago, "q", "no such tenant")
    return verdict_and_cause(
        device(),
        seen(
            jitp=None,
            cas=(registered_ca(registration_config={}),),
            registered=registered("PENDING_ACTIVATION"),
            jitr=Jitr((rule,), function, None, (letter,)),
        ),
    )


TOPIC = "$aws/events/certificates/registered/"


def test_a_dead_letter_counts_until_the_function_is_changed() -> None:
    verdict, cause = letters(sent_ago=timedelta(hours=1))
    assert verdict == "refused"
    assert cause is not None
    assert cause.check == "dead letters"
    assert letters(sent_ago=2 * DAY) == ("would be provisioned", None)


@pytest.mark.parametrize(
    ("letter", "attributes", "error"),
    [
        ({"certificateId": "ab"}, {"ErrorMessage": "no"}, "no"),
        ({"requestPayload": {"certificateId": "ab"}, "responsePayload": {"errorMessage": "no"}},
         {}, "no"),
        ({"base64OriginalPayload": "eyJjZXJ0aWZpY2F0ZUlkIjogImFiIn0=",
          "failures": [{"errorMessage": "no"}]}, {}, "no"),
    ],
)  # fmt: skip
def test_dead_letters_have_three_forms(
    letter: dict[str, Any], attributes: dict[str, str], error: str
) -> None:
    assert error_in(json.dumps(letter), attributes) == ("ab", error)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"base64OriginalPayload": "x"}', "3"])
def test_a_message_of_another_form_is_no_event(body: str) -> None:
    assert error_in(body, {})[0] is None


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [("+", True), ("ab", True), ("#", True), ("cd", False), ("ab/x", False)],
)
def test_a_rule_hears_the_events_of_a_ca(topic_filter: str, expected: bool) -> None:
    assert hears(TOPIC + topic_filter, "ab") is expected
    assert not hears("$aws/events", "ab")
    # A wildcard at the beginning matches no topic that begins with $.
    assert not hears("#", "ab")
    assert not hears("+/events/certificates/registered/ab", "ab")


def test_remedies_name_region_and_profile_and_survive_a_shell() -> None:
    target = Target("111111111111", "eu-west-1", Credentials(profile="my profile"))
    observation = seen(target=target, cas=(registered_ca(status="INACTIVE"),))
    _, cause = verdict_and_cause(device(), observation)
    assert cause is not None
    assert cause.remedy is not None
    assert cause.remedy.endswith("--region eu-west-1 --profile 'my profile'")


def test_what_could_not_be_told_goes_before_a_refusal() -> None:
    def one(verdict: Any) -> Diagnosis:
        return Diagnosis("a", "1", "r", verdict, ())

    assert exit_status([one("let in"), one("would be provisioned")]) == 0
    assert exit_status([one("let in"), one("refused")]) == 2
    assert exit_status([one("unknown"), one("refused")]) == 1


def test_the_policies_of_a_refused_device_may_be_unreadable() -> None:
    observation = seen(registered=registered(), access=access("IMPLICIT_DENY", policies=DENIED))
    verdict, cause = verdict_and_cause(device(), observation)
    assert verdict == "refused"
    assert cause is not None
    assert DENIED.reason in cause.finding


def cause_of(**changes: Any) -> Check:
    verdict, cause = verdict_and_cause(device(), seen(**changes))
    assert (verdict, cause is None) == ("refused", False)
    assert cause is not None
    return cause


def test_a_ca_that_the_file_wants_inactive_is_not_activated() -> None:
    cas = (registered_ca(status="INACTIVE"),)
    retired = cause_of(cas=cas, wanted={CA.id: WantedCa("INACTIVE")})
    assert "is INACTIVE, as the accounts file says: the CA is retired" in retired.finding
    assert retired.remedy is not None
    assert retired.remedy.startswith("give the device a certificate of another CA")
    drifted = cause_of(cas=cas, wanted={CA.id: WantedCa("ACTIVE")})
    assert drifted.finding.endswith("is INACTIVE, wanted ACTIVE")
    assert drifted.remedy is not None
    assert "--new-status ACTIVE" in drifted.remedy
    assert drifted.remedy_condition is None
    # Without the file nobody knows.
    either = cause_of(cas=cas)
    assert "if it was retired on purpose, the device needs" in either.finding
    assert (either.remedy, either.remedy_condition) == (
        drifted.remedy,
        "if the CA was not retired on purpose",
    )


def test_auto_registration_that_the_file_disables_is_not_enabled() -> None:
    cas = (registered_ca(auto_registration=False),)
    wanted = {CA.id: WantedCa("ACTIVE", auto_registration=False)}
    assert "update-ca-certificate" in str(cause_of(cas=cas).remedy)
    disabled = cause_of(cas=cas, wanted=wanted)
    assert disabled.check == "auto-registration"
    assert disabled.remedy is not None
    assert disabled.remedy.startswith("give the device a certificate of another CA")


@pytest.mark.parametrize("chain", [(), (pem.read(CA.pem),)])
def test_an_unknown_ca_is_checked_by_its_user_and_added_to_the_module(chain: Any) -> None:
    _, cause = verdict_and_cause(device(chain=chain), seen(cas=()))
    assert cause is not None
    assert cause.check == "signer"
    assert cause.remedy == (
        "check that this CA is yours and that 111111111111 is the right account; then add the CA's "
        "certificate to certificate_authorities of the module, with provisioning, and apply"
    )


def test_what_aws_does_not_document_is_not_stated_as_a_fact() -> None:
    finding = cause_of(registered=registered("PENDING_ACTIVATION")).finding
    assert "AWS's documents do not say that AWS IoT executes a template again" in finding


def test_the_server_name_is_assumed() -> None:
    (check,) = (c for c in diagnose("one", device(), seen()).checks if c.check == "server name")
    assert check.ok is True
    assert check.finding.startswith("assumed: the device sends a server name (SNI)")
    assert check.finding.endswith("--no-sni")


def test_the_policy_with_all_permissions_is_named_once() -> None:
    checks = diagnose("one", device(), seen(cas=DENIED, log=DENIED, endpoint=DENIED)).checks
    findings = [check.finding for check in checks if "may not call" in check.finding]
    policy = "allow it in their policy, as report_json of modules/iam-policies does"
    assert [policy in finding for finding in findings] == [True, False, False]
