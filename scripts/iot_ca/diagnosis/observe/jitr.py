"""Observe who handles the registration event of a CA's devices. Read-only.

A message is received from the queue without hiding it, and never deleted; SQS counts that it was
received, so a queue that moves messages by that count is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from functools import partial
from typing import Any

from iot_ca.aws.events import DISABLED, EVENT_TYPE
from iot_ca.diagnosis.facts import (
    DeadLetter,
    Device,
    DisabledEvents,
    Function,
    Jitr,
    Observation,
    RegisteredCa,
    Rule,
    Unreadable,
)
from iot_ca.diagnosis.observe.jitp import policy_document
from iot_ca.diagnosis.observe.logs import observe_errors
from iot_ca.diagnosis.observe.reading import Reader
from iot_ca.diagnosis.observe.roles import observe_role
from iot_ca.diagnosis.steps.jitr import POLICY_VARIABLE, TOPIC, error_in, hears, topic_filter

_TOKEN = ("nextToken", "nextToken")
_CA_TOPIC = re.compile(re.escape(TOPIC) + "(?P<ca>[0-9a-f]{64})")
# Each receives up to ten messages.
_MAX_RECEIVES = 20
# What GetTopicRule answers and a payload does not have.
_NOT_IN_PAYLOAD = {"ruleName", "createdAt"}


def observe_jitr(reader: Reader, device: Device, seen: Observation, ca: RegisteredCa) -> Jitr:
    """Return the rules on events of a CA, and what the first one that is enabled does."""
    rules = _rules(reader, seen, ca)
    if isinstance(rules, Unreadable):
        return Jitr(rules)
    hearing = [rule for rule in rules if _hears(rule.sql, ca)]
    if not hearing:
        return Jitr(rules)
    rule = next((rule for rule in hearing if not rule.disabled), hearing[0])
    function, events = reader.all(lambda: _function(reader, seen, rule), lambda: _events(reader))
    policy = None
    if isinstance(function, Function) and function.environment.get(POLICY_VARIABLE):
        policy = policy_document(reader, function.environment[POLICY_VARIABLE])
    letters = _dead_letters(reader, device, rule, function)
    return Jitr(rules, function, events, letters, policy)


def _hears(sql: str, ca: RegisteredCa) -> bool:
    name = topic_filter(sql)
    return name is not None and hears(name, ca.certificate_id)


def _rules(reader: Reader, seen: Observation, ca: RegisteredCa) -> tuple[Rule, ...] | Unreadable:
    listed = reader.read_pages("iot", "list_topic_rules", "rules", _TOKEN)
    if isinstance(listed, Unreadable):
        return listed
    cas = () if isinstance(seen.cas, Unreadable) else seen.cas
    registered = {known.certificate_id for known in cas}
    names = [
        item["ruleName"]
        for item in listed
        if _is_candidate(str(item.get("topicPattern") or "").strip("'\""), ca, registered)
    ]
    rules = reader.each(partial(_rule, reader), names)
    unreadable = [rule for rule in rules if isinstance(rule, Unreadable)]
    if unreadable:
        return unreadable[0]
    return tuple(rule for rule in rules if isinstance(rule, Rule))


def _is_candidate(pattern: str, ca: RegisteredCa, registered: Iterable[str]) -> bool:
    """Return whether a rule is on events of this CA, or of one that is not registered here."""
    topic = _CA_TOPIC.fullmatch(pattern)
    if topic is not None and topic["ca"] not in registered:
        return True
    return not pattern or hears(pattern, ca.certificate_id)


def _rule(reader: Reader, name: str) -> Rule | Unreadable | None:
    answer = reader.read("iot", "get_topic_rule", ruleName=name)
    if answer is None or isinstance(answer, Unreadable):
        return answer
    rule = answer["rule"]
    functions = [
        action["lambda"]["functionArn"] for action in rule["actions"] if "lambda" in action
    ]
    payload = {key: value for key, value in rule.items() if key not in _NOT_IN_PAYLOAD and value}
    return Rule(
        name,
        answer["ruleArn"],
        rule["sql"],
        bool(rule.get("ruleDisabled")),
        payload,
        tuple(functions),
    )


def _events(reader: Reader) -> DisabledEvents | Unreadable | None:
    answer = reader.read("iot", "describe_event_configurations")
    if answer is None or isinstance(answer, Unreadable):
        return answer
    if answer.get("eventConfigurations", {}).get(EVENT_TYPE, {}).get("Enabled"):
        return None
    return DisabledEvents(DISABLED, answer.get("lastModifiedDate") is not None)


def _function(reader: Reader, seen: Observation, rule: Rule) -> Function | Unreadable | None:
    if not rule.functions:
        return None
    arn = rule.functions[0]
    config = reader.read("lambda", "get_function_configuration", FunctionName=arn)
    if config is None or isinstance(config, Unreadable):
        return config
    name = config["FunctionName"]
    policy = reader.read("lambda", "get_policy", FunctionName=arn)
    concurrency = reader.read("lambda", "get_function_concurrency", FunctionName=name)
    return Function(
        arn,
        name,
        _lambda_time(config["LastModified"]),
        (config.get("Environment") or {}).get("Variables") or {},
        observe_role(reader, config["Role"]),
        policy if policy is None or isinstance(policy, Unreadable) else policy["Policy"],
        _reserved(concurrency),
        observe_errors(reader, name, seen.now),
    )


def _reserved(answer: Any) -> int | Unreadable | None:
    if answer is None or isinstance(answer, Unreadable):
        return answer
    reserved = answer.get("ReservedConcurrentExecutions")
    return None if reserved is None else int(reserved)


def _lambda_time(text: str) -> datetime:
    """Return a time as Lambda writes it, such as 2026-01-31T12:00:00.000+0000."""
    from botocore.utils import parse_timestamp

    moment: datetime = parse_timestamp(text)
    return moment.astimezone(timezone.utc)


def _dead_letters(
    reader: Reader, device: Device, rule: Rule, function: Function | Unreadable | None
) -> tuple[DeadLetter, ...] | Unreadable:
    letters: list[DeadLetter] = []
    urls = [rule.payload.get("errorAction", {}).get("sqs", {}).get("queueUrl")]
    names = {str(url).rpartition("/")[2] for url in urls if url}
    if isinstance(function, Function):
        config = reader.read(
            "lambda", "get_function_event_invoke_config", FunctionName=function.name
        )
        if isinstance(config, Unreadable):
            return config
        on_failure = ((config or {}).get("DestinationConfig") or {}).get("OnFailure") or {}
        arn = str(on_failure.get("Destination") or "")
        if ":sqs:" in arn and arn.rpartition(":")[2] not in names:
            urls.append(_queue_url(reader, arn))
    for url in urls:
        found = () if url is None else _letters_in(reader, device, url)
        if isinstance(found, Unreadable):
            return found
        letters.extend(found)
    return tuple(letters)


def _queue_url(reader: Reader, arn: str) -> Any:
    *_, account_id, name = arn.split(":")
    answer = reader.read("sqs", "get_queue_url", QueueName=name, QueueOwnerAWSAccountId=account_id)
    return answer if answer is None or isinstance(answer, Unreadable) else answer["QueueUrl"]


def _letters_in(reader: Reader, device: Device, url: Any) -> tuple[DeadLetter, ...] | Unreadable:
    if isinstance(url, Unreadable):
        return url
    answer = reader.read(
        "sqs",
        "get_queue_attributes",
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "RedrivePolicy"],
    )
    if answer is None or isinstance(answer, Unreadable):
        return answer or ()
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
