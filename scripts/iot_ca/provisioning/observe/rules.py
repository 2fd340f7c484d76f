"""Observe topic rules on registration events, and the function and queues of one. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from iot_ca.provisioning.facts import Function, Rule, Unreadable
from iot_ca.provisioning.observe.reading import Reader, value_or_unreadable
from iot_ca.provisioning.observe.roles import observe_role

_TOKEN = ("nextToken", "nextToken")
# What GetTopicRule answers and a payload does not have.
_NOT_IN_PAYLOAD = {"ruleName", "createdAt"}


def observe_rules(
    reader: Reader, is_candidate: Callable[[str], bool]
) -> tuple[Rule, ...] | Unreadable:
    """Return the rules whose topic pattern is a candidate; an unknown pattern is empty."""
    listed = reader.read_pages("iot", "list_topic_rules", "rules", _TOKEN)
    if isinstance(listed, Unreadable):
        return listed
    names = [
        item["ruleName"]
        for item in listed
        if is_candidate(str(item.get("topicPattern") or "").strip("'\""))
    ]
    rules = reader.each(lambda name: value_or_unreadable(partial(_rule, reader, name)), names)
    unreadable = [rule for rule in rules if isinstance(rule, Unreadable)]
    if unreadable:
        return unreadable[0]
    return tuple(rule for rule in rules if isinstance(rule, Rule))


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


def observe_function(reader: Reader, rule: Rule) -> Function | Unreadable | None:
    """Return the first function that a rule calls, without what it has logged."""
    if not rule.functions:
        return None
    arn = rule.functions[0]
    config = reader.read("lambda", "get_function_configuration", FunctionName=arn)
    if config is None or isinstance(config, Unreadable):
        return config
    name = config["FunctionName"]
    environment = config.get("Environment") or {}
    if environment.get("Error"):
        return _undecrypted(name, environment["Error"])
    policy = reader.read("lambda", "get_policy", FunctionName=arn)
    concurrency = reader.read("lambda", "get_function_concurrency", FunctionName=name)
    return Function(
        arn,
        name,
        _lambda_time(config["LastModified"]),
        environment.get("Variables") or {},
        observe_role(reader, config["Role"]),
        policy if policy is None or isinstance(policy, Unreadable) else policy["Policy"],
        _reserved(concurrency),
    )


def _undecrypted(name: str, error: Mapping[str, str]) -> Unreadable:
    """Return what stands for a function whose environment Lambda answers without its variables.

    Lambda API reference, "EnvironmentResponse": `Error` has messages about failed decryption.
    """
    code = error.get("ErrorCode") or "unknown error"
    cause = f"the environment of function {name} can't be decrypted"
    if "AccessDenied" in code:
        cause = f"the credentials may not call kms:Decrypt on the key of function {name}; allow it"
    return Unreadable(f"{cause}; AWS says: {code}")


def dead_letter_queues(
    reader: Reader, rule: Rule, function: Function | Unreadable | None
) -> list[str | Unreadable] | Unreadable:
    """Return the URLs of the queues for events that a rule or its function failed to handle."""
    of_rule = str(rule.payload.get("errorAction", {}).get("sqs", {}).get("queueUrl") or "")
    urls: list[str | Unreadable] = [of_rule] if of_rule else []
    if isinstance(function, Function):
        config = reader.read(
            "lambda", "get_function_event_invoke_config", FunctionName=function.name
        )
        if isinstance(config, Unreadable):
            return config
        on_failure = ((config or {}).get("DestinationConfig") or {}).get("OnFailure") or {}
        arn = str(on_failure.get("Destination") or "")
        if ":sqs:" in arn and arn.rpartition(":")[2] != of_rule.rpartition("/")[2]:
            url = _queue_url(reader, arn)
            urls.append(missing_queue(arn) if url is None else url)
    return urls


def missing_queue(name: str) -> Unreadable:
    """Return what stands for a queue that SQS does not find, by its URL or ARN.

    SQS also answers that to a caller without permissions (SQS API reference, "QueueDoesNotExist").
    """
    return Unreadable(f"the queue {name} does not exist, or may not be read")


def _queue_url(reader: Reader, arn: str) -> Any:
    *_, account_id, name = arn.split(":")
    answer = reader.read("sqs", "get_queue_url", QueueName=name, QueueOwnerAWSAccountId=account_id)
    return answer if answer is None or isinstance(answer, Unreadable) else answer["QueueUrl"]


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
