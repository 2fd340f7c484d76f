"""The rules engine: which rules a message meets, what they select, and whom they call.

Sources: AWS IoT developer guide, "AWS IoT SQL reference", "Rule actions" and "Error handling (error
action)". Of the SQL only what is named in :func:`parse`; a rule with more than that doesn't run,
and the log says so.
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.devices import mqtt

SQL = re.compile(
    r"\s*SELECT\s+(?P<select>.+?)\s+FROM\s+(['\"])(?P<filter>.+?)\2(?:\s+WHERE\s+(?P<where>.+?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
COMPARISON = re.compile(r"\s*(?P<left>.+?)\s*(?P<operator>=|<>|!=)\s*(?P<right>.+?)\s*", re.DOTALL)
ITEM = re.compile(r"\s*(?P<value>.+?)(?:\s+AS\s+(?P<alias>\w+))?\s*", re.IGNORECASE | re.DOTALL)
QUOTED = re.compile(r"'((?:[^']|'')*)'")


class NotUnderstood(Exception):
    """SQL that the sandbox doesn't know."""


class ActionFailed(Exception):
    """An action of a rule couldn't be carried out, and why."""


@dataclass(frozen=True)
class Query:
    """A parsed statement: what to select as which name, from where, and under what conditions."""

    items: tuple[tuple[str, str], ...]
    topic_filter: str
    conditions: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class ReceivedMessage:
    """A message as a rule sees it."""

    topic: str
    payload: bytes
    client_id: str


def parse(sql: str) -> Query:
    """Parse a statement ``SELECT … FROM 'filter' [WHERE …]``. Raises NotUnderstood.

    Selects ``*``, fields (``a.b``), ``topic()``, ``topic(n)``, ``clientid()``, ``timestamp()``,
    texts and numbers, each with ``AS name``; conditions are ``=``, ``<>`` and ``AND``.
    """
    parts = SQL.fullmatch(sql)
    if not parts:
        raise NotUnderstood(f"not SELECT … FROM '…': {sql}")
    items = []
    for text in re.split(r",(?![^(]*\))", parts["select"]):
        item = ITEM.fullmatch(text)
        if not item:
            raise NotUnderstood(f"select of {text!r}")
        value = item["value"]
        items.append((value, item["alias"] or value.rpartition(".")[2].partition("(")[0]))
        _check(value, star=True)
    conditions = []
    if parts["where"]:
        for text in re.split(r"\s+AND\s+", parts["where"], flags=re.IGNORECASE):
            comparison = COMPARISON.fullmatch(text)
            if not comparison:
                raise NotUnderstood(f"condition {text!r}")
            _check(comparison["left"])
            _check(comparison["right"])
            conditions.append((comparison["left"], comparison["operator"], comparison["right"]))
    return Query(tuple(items), parts["filter"], tuple(conditions))


EXPRESSION = re.compile(
    r"'(?:[^']|'')*'|-?\d+(?:\.\d+)?|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*|topic\(\d*\)|clientid\(\)|timestamp\(\)",
    re.IGNORECASE,
)


def _check(expression: str, star: bool = False) -> None:
    if not (star and expression == "*") and not EXPRESSION.fullmatch(expression):
        raise NotUnderstood(f"expression {expression!r}")


def select(query: Query, arrived: ReceivedMessage) -> Any | None:
    """Return what the rule hands to its actions; None if its conditions don't hold.

    Raises NotUnderstood for a message that isn't a JSON object, other than AWS: with ``*`` it hands
    such a message on as it is.
    """
    try:
        document = json.loads(arrived.payload)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotUnderstood("the message is not a JSON object")
    for left, operator, right in query.conditions:
        equal = _value(left, document, arrived) == _value(right, document, arrived)
        if equal != (operator == "="):
            return None
    selected: dict[str, Any] = {}
    for expression, name in query.items:
        if expression == "*":
            selected.update(document)
            continue
        value = _value(expression, document, arrived)
        if value is not None:  # undefined fields are left out
            selected[name] = value
    return selected


def _value(expression: str, document: Mapping[str, Any], arrived: ReceivedMessage) -> Any:
    quoted = QUOTED.fullmatch(expression)
    if quoted:
        return quoted[1].replace("''", "'")
    if re.fullmatch(r"-?\d+(\.\d+)?", expression):
        return float(expression) if "." in expression else int(expression)
    lower = expression.lower()
    if lower == "clientid()":
        return arrived.client_id
    if lower == "timestamp()":
        return int(time.time() * 1000)
    if lower == "topic()":
        return arrived.topic
    if lower.startswith("topic("):
        levels, number = arrived.topic.split("/"), int(lower[6:-1])
        return levels[number - 1] if 0 < number <= len(levels) else None
    value: Any = document
    for name in expression.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def meets(query: Query, topic: str) -> bool:
    """Return whether a message on ``topic`` is one for the rule."""
    return mqtt.matches(query.topic_filter, topic)


def error_message(
    rule_name: str, arrived: ReceivedMessage, failures: list[dict[str, str]]
) -> dict[str, Any]:
    """Return what the error action gets: one message for all failed actions of a rule (guide)."""
    return {
        "ruleName": rule_name,
        "topic": arrived.topic,
        "cloudwatchTraceId": str(uuid.uuid4()),
        "clientId": arrived.client_id,
        "base64OriginalPayload": base64.b64encode(arrived.payload).decode(),
        "failures": failures,
    }


# Carries out one action: its name, its settings, what the rule selected. Raises ActionFailed.
Act = Callable[[str, Mapping[str, Any], Any], None]


def run(rule: Any, arrived: ReceivedMessage, act: Act) -> list[str]:
    """Run one of moto's rules on a message; returns what went wrong, for the log."""
    if rule.rule_disabled:
        return []
    try:
        query = parse(rule.sql)
        if not meets(query, arrived.topic):
            return []
        selected = select(query, arrived)
    except NotUnderstood as problem:
        return [f"the sandbox does not understand the rule: {problem}"]
    if selected is None:
        return []
    failures, problems = [], []
    for action in rule.actions:
        (name, settings), *_ = action.items()
        try:
            act(name, settings, selected)
        except ActionFailed as problem:
            resource = settings.get("functionArn") or settings.get("queueUrl") or name
            failures.append(
                {
                    "failedAction": f"{name[:1].upper()}{name[1:]}Action",
                    "failedResource": str(resource),
                    "errorMessage": str(problem),
                }
            )
            problems.append(f"{name}: {problem}")
    if failures and rule.error_action:
        (name, settings), *_ = rule.error_action.items()
        try:
            act(name, settings, error_message(rule.rule_name, arrived, failures))
        except ActionFailed as problem:
            problems.append(f"error action {name}: {problem}")
    return problems
