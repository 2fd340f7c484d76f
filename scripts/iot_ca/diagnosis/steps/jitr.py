"""Just-in-time registration: who handles the event of a new certificate. Pure.

Sources: AWS IoT developer guide, "Register a client certificate when the client connects" and
"Reserved topics".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from iot_ca.diagnosis.facts import DeadLetter, Device, Jitr, Observation, RegisteredCa
from iot_ca.diagnosis.steps.registration import is_pending
from iot_ca.diagnosis.template import subject
from iot_ca.provisioning.checks import rule as rule_checks
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.checks.rule import CA_VARIABLE
from iot_ca.provisioning.facts import Function, Rule, Unreadable
from iot_ca.provisioning.remedies import aws_command, compact
from iot_ca.provisioning.topics import TOPIC, handling_rule, is_understood, rules_of, topic_filter
from iot_ca.utc import rfc3339

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


def checks(device: Device, seen: Observation, ca: RegisteredCa, jitr: Jitr) -> Iterator[Check]:
    """Yield who handles the event of the device's certificate, from the rule on."""
    if isinstance(jitr.rules, Unreadable):
        yield not_readable("rule", jitr.rules)
        return
    rule = handling_rule(rules_of(jitr.rules, ca.certificate_id))
    if rule is None:
        yield _no_rule(seen, ca, jitr.rules)
        return
    yield rule_checks.listens(rule)
    yield rule_checks.enabled(seen, rule)
    yield _events(seen, jitr)
    if not is_understood(rule):
        yield rule_checks.not_understood(rule)
        return
    yield from _function_checks(device, seen, rule, jitr)
    yield from _letter_checks(seen, jitr)


def _no_rule(seen: Observation, ca: RegisteredCa, others: tuple[Rule, ...]) -> Check:
    finding = rule_checks.no_rule(ca.certificate_id)
    if others:
        (rule, *_) = others
        finding = f"{finding}; the rule {rule.name} listens for a CA that is not registered here"
        return Check("rule", False, finding, _listening(seen, rule, ca))
    templates = seen.templates
    if isinstance(templates, Unreadable):
        finding, templates = f"{finding}; templates can't be listed: {templates.reason}", ()
    if len(templates) != 1:
        return Check("rule", False, finding, rule_checks.PROVISION)
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


def _events(seen: Observation, jitr: Jitr) -> Check:
    """Say whether the account publishes events of CA certificates.

    The guide lists them among those that must be enabled ("Event messages"), and its pages on JITR
    do not mention that: all are disabled at first. So they are taken for a possible cause only if
    the account has set its events.
    """
    name = "events"
    if isinstance(jitr.events, Unreadable):
        return not_readable(name, jitr.events, decides=False)
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
    certificate = f"{seen.iot_arn_prefix}:cert/{device.certificate.certificate_id}"
    yield from rule_checks.function_checks(seen, rule, jitr.function, certificate)
    if isinstance(jitr.function, Function):
        yield from _module_checks(device, jitr, jitr.function)
        yield _errors(jitr.function)


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
    yield from rule_checks.device_policy(function, jitr.policy)


def _errors(function: Function) -> Check:
    name = "function log"
    if isinstance(function.errors, Unreadable):
        return not_readable(name, function.errors, decides=False)
    if not function.errors:
        return Check(name, True, "the function has logged no error in the last day", decides=False)
    finding = f"the last error that the function has logged: {function.errors[-1]}"
    return Check(name, True, finding, decides=False)


def _letter_checks(seen: Observation, jitr: Jitr) -> Iterator[Check]:
    name = "dead letters"
    letters = jitr.dead_letters
    if isinstance(letters, Unreadable):
        yield not_readable(name, letters, decides=False)
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
