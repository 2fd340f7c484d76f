"""Observe who handles the registration event of a CA's devices. Read-only.

A message is received from the queue without hiding it, and never deleted; SQS counts that it was
received, so a queue that moves messages by that count is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from iot_ca.aws.events import DISABLED, EVENT_TYPE
from iot_ca.diagnosis.facts import (
    DeadLetter,
    Device,
    DisabledEvents,
    Jitr,
    Observation,
    RegisteredCa,
)
from iot_ca.diagnosis.observe.logs import observe_errors
from iot_ca.diagnosis.steps.jitr import error_in
from iot_ca.provisioning.checks.rule import POLICY_VARIABLE
from iot_ca.provisioning.facts import Function, Rule, Unreadable
from iot_ca.provisioning.observe.policies import policy_document
from iot_ca.provisioning.observe.reading import Reader
from iot_ca.provisioning.observe.rules import (
    dead_letter_queues,
    missing_queue,
    observe_function,
    observe_rules,
)
from iot_ca.provisioning.topics import TOPIC, handling_rule, hears, rules_of

_CA_TOPIC = re.compile(re.escape(TOPIC) + "(?P<ca>[0-9a-f]{64})")
# Each receives up to ten messages.
_MAX_RECEIVES = 20


def observe_jitr(reader: Reader, device: Device, seen: Observation, ca: RegisteredCa) -> Jitr:
    """Return the rules on events of a CA, and what the first one that is enabled does."""
    rules = _rules(reader, seen, ca)
    if isinstance(rules, Unreadable):
        return Jitr(rules)
    rule = handling_rule(rules_of(rules, ca.certificate_id))
    if rule is None:
        return Jitr(rules)
    function, events = reader.all(lambda: _function(reader, seen, rule), lambda: _events(reader))
    policy = None
    if isinstance(function, Function) and function.environment.get(POLICY_VARIABLE):
        policy = policy_document(reader, function.environment[POLICY_VARIABLE])
    letters = _dead_letters(reader, device, rule, function)
    return Jitr(rules, function, events, letters, policy)


def _rules(reader: Reader, seen: Observation, ca: RegisteredCa) -> tuple[Rule, ...] | Unreadable:
    cas = () if isinstance(seen.cas, Unreadable) else seen.cas
    registered = {known.certificate_id for known in cas}
    return observe_rules(reader, lambda pattern: _is_candidate(pattern, ca, registered))


def _is_candidate(pattern: str, ca: RegisteredCa, registered: Iterable[str]) -> bool:
    """Return whether a rule is on events of this CA, or of one that is not registered here."""
    topic = _CA_TOPIC.fullmatch(pattern)
    if topic is not None and topic["ca"] not in registered:
        return True
    return not pattern or hears(pattern, ca.certificate_id)


def _events(reader: Reader) -> DisabledEvents | Unreadable | None:
    answer = reader.read("iot", "describe_event_configurations")
    if answer is None or isinstance(answer, Unreadable):
        return answer
    if answer.get("eventConfigurations", {}).get(EVENT_TYPE, {}).get("Enabled"):
        return None
    return DisabledEvents(DISABLED, answer.get("lastModifiedDate") is not None)


def _function(reader: Reader, seen: Observation, rule: Rule) -> Function | Unreadable | None:
    function = observe_function(reader, rule)
    if not isinstance(function, Function):
        return function
    return replace(function, errors=observe_errors(reader, function.name, seen.now))


def _dead_letters(
    reader: Reader, device: Device, rule: Rule, function: Function | Unreadable | None
) -> tuple[DeadLetter, ...] | Unreadable:
    urls = dead_letter_queues(reader, rule, function)
    if isinstance(urls, Unreadable):
        return urls
    letters: list[DeadLetter] = []
    for url in urls:
        found = _letters_in(reader, device, url)
        if isinstance(found, Unreadable):
            return found
        letters.extend(found)
    return tuple(letters)


def _letters_in(reader: Reader, device: Device, url: Any) -> tuple[DeadLetter, ...] | Unreadable:
    if isinstance(url, Unreadable):
        return url
    answer = reader.read(
        "sqs",
        "get_queue_attributes",
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "RedrivePolicy"],
    )
    if answer is None:
        return missing_queue(url)
    if isinstance(answer, Unreadable):
        return answer
    attributes = answer.get("Attributes") or {}
    if "RedrivePolicy" in attributes:
        return Unreadable(f"the queue {url} moves messages that were received; it was not read")
    if int(attributes.get("ApproximateNumberOfMessages", 0)) == 0:
        return ()
    return _received(reader, device, url)


def _received(reader: Reader, device: Device, url: str) -> tuple[DeadLetter, ...] | Unreadable:
    """Return the device's events in a queue; of a long queue, those among a sample of it."""
    messages: dict[str, Any] = {}
    for _ in range(_MAX_RECEIVES):
        answer = reader.read(
            "sqs",
            "receive_message",
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            AttributeNames=["SentTimestamp"],
            MessageAttributeNames=["ErrorMessage"],
        )
        if isinstance(answer, Unreadable):
            return answer
        known = len(messages)
        messages |= {
            message["MessageId"]: message for message in (answer or {}).get("Messages", ())
        }
        if len(messages) == known:
            break
    letters = []
    for message in messages.values():
        attributes = {
            key: str(value.get("StringValue"))
            for key, value in (message.get("MessageAttributes") or {}).items()
        }
        certificate_id, error = error_in(message["Body"], attributes)
        if certificate_id == device.certificate.certificate_id:
            letters.append(DeadLetter(_sent(message), url.rpartition("/")[2], error))
    return tuple(letters)


def _sent(message: Any) -> datetime:
    milliseconds = int(message["Attributes"]["SentTimestamp"])
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
