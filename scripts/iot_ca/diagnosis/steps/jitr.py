"""Just-in-time registration: who handles the event of a new certificate. Pure.

Sources: AWS IoT developer guide, "Register a client certificate when the client connects" and
"Reserved topics"; Lambda developer guide, "Resource-based policies" and "Reserved concurrency".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from iot_ca.diagnosis.facts import (
    DeadLetter,
    Device,
    Function,
    Jitr,
    Observation,
    PolicyDocument,
    RegisteredCa,
    Rule,
    Unreadable,
)
from iot_ca.diagnosis.policies import Request, decide
from iot_ca.diagnosis.remedies import aws_command, compact
from iot_ca.diagnosis.report import Check
from iot_ca.diagnosis.steps import role
from iot_ca.diagnosis.steps.registration import is_pending
from iot_ca.diagnosis.template import subject
from iot_ca.utc import rfc3339

TOPIC = "$aws/events/certificates/registered/"
LAMBDA_SERVICE = "lambda.amazonaws.com"
# What modules/jitr sets in its function's environment.
CA_VARIABLE = "JITR_CA_CERTIFICATE_ID"
POLICY_VARIABLE = "JITR_POLICY_NAME"

_TOPIC_FILTER = re.compile(r"""\bFROM\s+(['"])(?P<filter>.+?)\1(?P<rest>.*)""", re.I | re.S)
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


def topic_filter(sql: str) -> str | None:
    """Return the topic filter of a rule's SQL; None if it can't be read."""
    match = _TOPIC_FILTER.search(sql)
    return None if match is None else match["filter"]


def hears(rule_filter: str, ca_id: str) -> bool:
    """Return whether a topic filter is met by the registration events of a CA."""
    levels, topic = rule_filter.split("/"), f"{TOPIC}{ca_id}".split("/")
    for position, level in enumerate(levels):
        if level == "#":
            return True
        if position >= len(topic) or level not in ("+", topic[position]):
            return False
    return len(levels) == len(topic)


def checks(device: Device, seen: Observation, ca: RegisteredCa, jitr: Jitr) -> Iterator[Check]:
    """Yield who handles the event of the device's certificate, from the rule on."""
    if isinstance(jitr.rules, Unreadable):
        yield Check("rule", None, jitr.rules.reason)
        return
    hearing = [rule for rule in jitr.rules if _hears(rule, ca)]
    if not hearing:
        yield _no_rule(seen, ca, jitr.rules)
        return
    rule = next((rule for rule in hearing if not rule.disabled), hearing[0])
    yield Check("rule", True, f"the rule {rule.name} listens for events of this CA")
    yield _enabled(seen, rule)
    yield _events(seen, jitr)
    if not rule.functions or _has_condition(rule):
        finding = f"what the rule {rule.name} does with an event is not known to this program"
        yield Check("function", None, finding)
        return
    yield from _function_checks(device, seen, rule, jitr)
    yield from _letter_checks(seen, jitr)


def _hears(rule: Rule, ca: RegisteredCa) -> bool:
    name = topic_filter(rule.sql)
    return name is not None and hears(name, ca.certificate_id)


def _has_condition(rule: Rule) -> bool:
    match = _TOPIC_FILTER.search(rule.sql)
    return match is not None and bool(match["rest"].strip())


def _no_rule(seen: Observation, ca: RegisteredCa, others: tuple[Rule, ...]) -> Check:
    finding = (
        f"CA {ca.certificate_id} has no provisioning template, and no topic rule listens for its "
        f"events ({TOPIC}{ca.certificate_id})"
    )
    if others:
        (rule, *_) = others
        finding = f"{finding}; the rule {rule.name} listens for a CA that is not registered here"
        return Check("rule", False, finding, _listening(seen, rule, ca))
    templates = seen.templates
    if isinstance(templates, Unreadable):
        finding, templates = f"{finding}; templates can't be listed: {templates.reason}", ()
    if len(templates) != 1:
        remedy = "set provisioning of the CA in certificate_authorities of the module and apply"
        return Check("rule", False, finding, remedy)
    remedy = aws_command(
        seen.target,
        "iot",
        "update-ca-certificate",
        "--certificate-id",
        ca.certificate_id,
        "--registration-config",
        f"templateName={templates[0]}",
    )
    return Check("rule", False, finding, remedy)


def _listening(seen: Observation, rule: Rule, ca: RegisteredCa) -> str:
    """Return the command that has a rule listen for another CA."""
    old = topic_filter(rule.sql) or ""
    payload = {**rule.payload, "sql": rule.sql.replace(old, f"{TOPIC}{ca.certificate_id}")}
    return aws_command(
        seen.target,
        "iot",
        "replace-topic-rule",
        "--rule-name",
        rule.name,
        "--topic-rule-payload",
        compact(payload),
    )


def _enabled(seen: Observation, rule: Rule) -> Check:
    if not rule.disabled:
        return Check("rule enabled", True, "the rule is enabled")
    remedy = aws_command(seen.target, "iot", "enable-topic-rule", "--rule-name", rule.name)
    return Check("rule enabled", False, f"the rule {rule.name} is disabled", remedy)


def _events(seen: Observation, jitr: Jitr) -> Check:
    """Say whether the account publishes events of CA certificates.

    The guide lists them among those that must be enabled ("Event messages"), and its pages on JITR
    do not mention that: all are disabled at first. So they are taken for a possible cause only if
    the account has set its events.
    """
    name = "events"
    if isinstance(jitr.events, Unreadable):
        return Check(name, None, jitr.events.reason, decides=False)
    if jitr.events is None:
        return Check(name, True, "events of CA certificates are enabled")
    remedy = aws_command(
        seen.target,
        "iot",
        "update-event-configurations",
        "--event-configurations",
        compact({"CA_CERTIFICATE": {"Enabled": True}}),
    )
    return Check(name, None, jitr.events.finding, remedy, decides=jitr.events.were_set)


def _function_checks(device: Device, seen: Observation, rule: Rule, jitr: Jitr) -> Iterator[Check]:
    function = jitr.function
    if isinstance(function, Unreadable):
        yield Check("function", None, function.reason)
        return
    if function is None:
        name = rule.functions[0]
        finding = f"the function {name} of rule {rule.name} does not exist"
        yield Check("function", False, finding, "apply the module, or create that function again")
        return
    yield Check("function", True, f"the function {function.name} exists")
    yield _invocation(seen, rule, function)
    yield _concurrency(seen, function)
    certificate = f"{seen.iot_arn_prefix}:cert/{device.certificate.certificate_id}"
    needs = [("iot:UpdateCertificate", certificate)]
    if POLICY_VARIABLE in function.environment:
        needs.append(("iot:AttachPolicy", certificate))
    for check in role.checks(seen, function.role, LAMBDA_SERVICE, needs, None):
        yield _for_function(check, function)
    yield from _module_checks(device, jitr, function)
    yield _errors(function)


def _for_function(check: Check, function: Function) -> Check:
    """Return a check of a function's role, which decides only if the function activates devices.

    Another function may have somebody else activate the certificate.
    """
    decides = CA_VARIABLE in function.environment or check.check != "role permissions"
    return Check(
        f"function {check.check}",
        check.ok if decides or check.ok else None,
        check.finding,
        check.remedy,
    )


def _invocation(seen: Observation, rule: Rule, function: Function) -> Check:
    name = "function permission"
    if isinstance(function.policy, Unreadable):
        return Check(name, None, function.policy.reason)
    request = Request(
        "lambda:InvokeFunction",
        function.arn,
        {"aws:SourceArn": rule.arn, "aws:SourceAccount": seen.target.account_id},
        service="iot.amazonaws.com",
    )
    documents = (
        [] if function.policy is None else [PolicyDocument("function policy", function.policy)]
    )
    decision = decide(documents, request)
    if decision.effect == "allowed":
        return Check(name, True, f"the rule {rule.name} may call the function")
    if decision.effect == "unknown":
        return Check(name, None, "whether the rule may call the function depends on a condition")
    remedy = aws_command(
        seen.target,
        "lambda",
        "add-permission",
        "--function-name",
        function.name,
        "--statement-id",
        f"iot-rule-{rule.name}",
        "--action",
        "lambda:InvokeFunction",
        "--principal",
        "iot.amazonaws.com",
        "--source-arn",
        rule.arn,
        "--source-account",
        seen.target.account_id,
    )
    return Check(
        name, False, f"the rule {rule.name} may not call the function {function.name}", remedy
    )


def _concurrency(seen: Observation, function: Function) -> Check:
    name = "function concurrency"
    reserved = function.reserved_concurrency
    if isinstance(reserved, Unreadable):
        return Check(name, None, reserved.reason, decides=False)
    if reserved != 0:
        return Check(name, True, "Lambda runs the function")
    remedy = aws_command(
        seen.target, "lambda", "delete-function-concurrency", "--function-name", function.name
    )
    finding = f"the function {function.name} has a reserved concurrency of 0, so it never runs"
    return Check(name, False, finding, remedy)


def _module_checks(device: Device, jitr: Jitr, function: Function) -> Iterator[Check]:
    """Yield what the function of modules/jitr needs of the device and of the account."""
    if CA_VARIABLE not in function.environment:
        return
    common_name = subject(device.parsed).get("CommonName", "")
    if _THING_NAME.fullmatch(common_name):
        yield Check("thing", True, f"the device's thing is {common_name}")
    else:
        finding = (
            f"{common_name!a} can't be the name of a thing: 1 to 128 letters, digits, ':', '_', '-'"
        )
        remedy = "have the device's certificate issued again with a common name that fits"
        yield Check("thing", False, finding, remedy)
    name = function.environment.get(POLICY_VARIABLE, "")
    if isinstance(jitr.policy, Unreadable):
        yield Check("device policy", None, jitr.policy.reason)
    elif jitr.policy is None:
        finding = f"the policy {name}, which the function attaches, does not exist"
        yield Check("device policy", False, finding, "apply the module, which creates the policy")
    else:
        yield Check("device policy", True, f"the policy {name} exists")


def _errors(function: Function) -> Check:
    name = "function log"
    if isinstance(function.errors, Unreadable):
        return Check(name, None, function.errors.reason, decides=False)
    if not function.errors:
        return Check(name, True, "the function has logged no error in the last day", decides=False)
    finding = f"the last error that the function has logged: {function.errors[-1]}"
    return Check(name, True, finding, decides=False)


def _letter_checks(seen: Observation, jitr: Jitr) -> Iterator[Check]:
    name = "dead letters"
    letters = jitr.dead_letters
    if isinstance(letters, Unreadable):
        yield Check(name, None, letters.reason, decides=False)
    elif not letters:
        yield Check(name, True, "no event of this device is among the dead letters", decides=False)
    else:
        yield _letters(seen, jitr, letters)


def _letters(seen: Observation, jitr: Jitr, letters: tuple[DeadLetter, ...]) -> Check:
    last = max(letters, key=lambda letter: letter.sent)
    finding = f"an event of this device failed at {rfc3339(last.sent)} (queue {last.queue})"
    if last.error is not None:
        finding = f"{finding}: {last.error}"
    modified = jitr.function.modified if isinstance(jitr.function, Function) else None
    if not is_pending(seen) or (modified is not None and modified > last.sent):
        return Check(
            "dead letters", True, f"{finding}; the function was changed since", decides=False
        )
    return Check(
        "dead letters",
        False,
        finding,
        "correct what the error says in the function, then let the device connect again: AWS IoT "
        "publishes the event at each connection",
    )


def error_in(body: str, attributes: dict[str, str]) -> tuple[str | None, str | None]:
    """Return certificate ID and error of a dead letter: of a rule, a function or its queue.

    Sources: AWS IoT developer guide, "Error handling (error action)"; Lambda developer guide,
    "Capturing records of Lambda asynchronous invocations".
    """
    import base64
    import binascii

    try:
        letter = json.loads(body)
        event, error = letter, attributes.get("ErrorMessage")
        if "base64OriginalPayload" in letter:
            event = json.loads(base64.b64decode(letter["base64OriginalPayload"]))
            error = "; ".join(str(failure.get("errorMessage")) for failure in letter["failures"])
        elif "requestPayload" in letter:
            event = letter["requestPayload"]
            error = (letter.get("responsePayload") or {}).get("errorMessage")
        certificate_id = event.get("certificateId")
    except (ValueError, TypeError, AttributeError, KeyError, binascii.Error):
        return None, None
    return certificate_id, None if error is None else str(error)
