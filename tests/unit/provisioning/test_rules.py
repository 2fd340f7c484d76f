"""Which topic rules decide on a CA's events, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from iot_ca.model import ObservedCa, Target
from iot_ca.provisioning.checks import ca
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import (
    CaProvisioning,
    Function,
    Location,
    ObservedRule,
    PolicyDocument,
    Queue,
    Role,
    Rule,
    Unreadable,
)
from iot_ca.provisioning.observe.cas import observe_provisioning
from iot_ca.provisioning.observe.reading import Reader
from iot_ca.provisioning.observe.rules import observe_function
from iot_ca.provisioning.topics import TOPIC, deciding_rules, handling_rule
from tests.support.certificates import DAY, NOW

SEEN = Location(Target("111111111111", "eu-west-1"), "aws")
TRUST = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}'
ROLE = Role("arn:aws:iam::111111111111:role/f", TRUST, (PolicyDocument("all", TRUST),))
FUNCTION = Function("arn:f", "f", datetime.now(timezone.utc), {}, ROLE, TRUST, None)


def rule(name: str, *functions: str, disabled: bool = False, where: str = "") -> Rule:
    return Rule(name, f"arn:{name}", f"SELECT * FROM '{TOPIC}ab'{where}", disabled, {}, functions)


AUDIT, CONDITIONAL = rule("audit"), rule("some", "arn:f", where=" WHERE x = 1")
BY_HAND, OFF = rule("hand", "arn:f"), rule("off", "arn:f", disabled=True)
MODULE, MODULE_OFF = rule("iot_jitr_a", "arn:f"), rule("iot_jitr_b", "arn:f", disabled=True)


@pytest.mark.parametrize(
    ("rules", "deciding", "handling"),
    [
        ([], [], None),
        ([AUDIT, MODULE_OFF], [MODULE_OFF], MODULE_OFF),
        ([BY_HAND, MODULE_OFF, MODULE], [MODULE_OFF, MODULE], MODULE),
        ([AUDIT, OFF, CONDITIONAL], [OFF], OFF),
        ([AUDIT, OFF, BY_HAND], [OFF, BY_HAND], BY_HAND),
        ([AUDIT, CONDITIONAL], [AUDIT, CONDITIONAL], AUDIT),
    ],
)
def test_a_rule_that_records_events_hides_none_that_provisions(
    rules: list[Rule], deciding: list[Rule], handling: Rule | None
) -> None:
    assert (deciding_rules(rules), handling_rule(rules)) == (deciding, handling)


def checks(*rules: ObservedRule) -> list[Check]:
    known = ca.Ca("ab", {}, True, (NOW - DAY, NOW + DAY), "JITR")
    return list(ca.checks(SEEN, known, CaProvisioning(rules=rules), NOW))


def test_every_deciding_rule_is_checked() -> None:
    found = checks(ObservedRule(MODULE, FUNCTION), ObservedRule(MODULE_OFF, None))
    faulty = [check.check for check in found if check.ok is False]
    assert faulty == ["rule enabled", "function"]


def test_a_rule_that_is_not_understood_still_has_dead_letters() -> None:
    found = checks(ObservedRule(AUDIT, None, (Queue("q", 7),)))
    assert [check.finding for check in found if check.undecided] == [
        "what the rule audit does with an event is not known to this program"
    ]
    assert [check.check for check in found if check.ok is False] == ["dead letters"]


def test_the_policy_that_the_function_attaches_must_exist() -> None:
    variables = {"JITR_CA_CERTIFICATE_ID": "ab", "JITR_POLICY_NAME": "p"}
    function = replace(FUNCTION, environment=variables)
    (check,) = (each for each in checks(ObservedRule(MODULE, function)) if each.ok is False)
    assert check.finding == "the policy p, which the function attaches, does not exist"
    assert all(each.ok for each in checks(ObservedRule(MODULE, function, (), "{}")))


def test_a_queue_that_is_gone_is_not_empty() -> None:
    gone = Unreadable("the queue q does not exist, or may not be read")
    (check,) = (each for each in checks(ObservedRule(BY_HAND, FUNCTION, gone)) if each.unreadable)
    assert (check.check, check.ok, check.finding) == ("dead letters", None, gone.reason)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "AccessDeniedException",
            "the credentials may not call kms:Decrypt on the key of function f; allow it; "
            "AWS says: AccessDeniedException",
        ),
        (
            "KMSDisabledException",
            "the environment of function f can't be decrypted; AWS says: KMSDisabledException",
        ),
    ],
)
def test_an_environment_that_is_not_decrypted_is_not_empty(code: str, reason: str) -> None:
    config = {"FunctionName": "f", "Environment": {"Error": {"ErrorCode": code}}}
    reader: Any = SimpleNamespace(read=lambda *_, **__: config)
    assert observe_function(reader, BY_HAND) == Unreadable(reason)


class WithoutQueue:
    """An account whose rule names a queue that SQS does not find."""

    def client(self, service: str) -> Any:
        assert service in ("iot", "sqs", "cloudwatch")
        return self

    @contextmanager
    def failures(self, service: str) -> Iterator[None]:
        assert service in ("iot", "sqs", "cloudwatch")
        yield

    def list_topic_rules(self) -> dict[str, Any]:
        return {"rules": [{"ruleName": "r", "topicPattern": f"{TOPIC}ab"}]}

    def get_topic_rule(self, ruleName: str) -> dict[str, Any]:
        action = {"sqs": {"queueUrl": "https://sqs/1/gone"}}
        rule = {"sql": AUDIT.sql, "actions": [], "errorAction": action}
        return {"ruleArn": f"arn:{ruleName}", "rule": rule}

    def describe_alarms(self, **_: str) -> dict[str, Any]:
        return {}

    def list_certificates_by_ca(self, **_: str) -> dict[str, Any]:
        return {"certificates": []}

    def get_queue_attributes(self, **_: str) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "QueueDoesNotExist"}}, "GetQueueAttributes")


def test_an_odd_answer_costs_its_template_alone() -> None:
    answers: dict[str, Any] = {
        "odd": {"type": "JITP", "enabled": True, "templateBody": "{}"},
        "gone": None,
    }

    class Account(WithoutQueue):
        def describe_provisioning_template(self, templateName: str) -> dict[str, Any]:
            if answers[templateName] is None:
                raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "x")
            return dict(answers[templateName])

    account: Any = Account()
    reader = Reader(account)
    cas = {name: ObservedCa("SNI_ONLY", "ACTIVE", True, {"templateName": name}) for name in answers}
    try:
        observed = observe_provisioning(reader, cas, ())
    finally:
        reader.close()
    assert observed["gone"].template is None
    assert isinstance(observed["odd"].template, Unreadable)
    assert "KeyError" in observed["odd"].template.reason


def test_a_queue_that_sqs_does_not_find_is_unreadable() -> None:
    account: Any = WithoutQueue()
    reader = Reader(account)
    try:
        observed = observe_provisioning(reader, {"ab": ObservedCa("SNI_ONLY", "ACTIVE", True)}, ())
    finally:
        reader.close()
    (only,) = cast("tuple[ObservedRule, ...]", observed["ab"].rules)
    assert only.queues == Unreadable(
        "the queue https://sqs/1/gone does not exist, or may not be read"
    )
