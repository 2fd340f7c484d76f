"""What an AWS IoT policy lets a device do: pure rules.

Sources: AWS IoT developer guide, "AWS IoT Core policies", "policy variables", "Thing policy
variables" and "Publish/Subscribe policy examples"; IAM user guide, "Policy evaluation logic".
What isn't understood here counts against the device: an Allow that has it doesn't hold, a Deny
does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

VARIABLE = re.compile(r"\$\{([^}]*)\}")
FIXED = {"*": "*", "?": "?", "$": "$"}  # ${*}, ${?} and ${$} stand for themselves
UNDERSTOOD = {"Sid", "Effect", "Action", "Resource", "Condition"}


def allows(
    documents: Iterable[str], action: str, resource: str, variables: Mapping[str, str]
) -> bool:
    """Return whether policies together allow ``action`` on the ARN ``resource``.

    A Deny wins, and what no Allow covers is denied. ``variables`` has what the policy variables
    stand for; a statement with a variable that has no value matches nothing.
    """
    verdicts = [verdict(document, action, resource, variables) for document in documents]
    return False not in verdicts and True in verdicts


def verdict(document: str, action: str, resource: str, variables: Mapping[str, str]) -> bool | None:
    """Return what one policy says: True allows, False denies, None is silent."""
    allowed = None
    for statement, known in _statements(document, variables):
        deny = statement.get("Effect") == "Deny"
        if _covers(statement, action, resource, known, in_doubt=deny):
            if deny:
                return False
            allowed = True if statement.get("Effect") == "Allow" else allowed
    return allowed


def _statements(
    document: str, variables: Mapping[str, str]
) -> list[tuple[Mapping[str, Any], Mapping[str, str]]]:
    """Return the statements and what variables they may use.

    No variables before version 2012-10-17 (IAM).
    """
    try:
        policy = json.loads(document)
        statements = policy["Statement"]
    except (ValueError, KeyError, TypeError):
        return []
    known = variables if policy.get("Version") == "2012-10-17" else {}
    statements = statements if isinstance(statements, list) else [statements]
    return [(statement, known) for statement in statements if isinstance(statement, dict)]


def _covers(
    statement: Mapping[str, Any],
    action: str,
    resource: str,
    variables: Mapping[str, str],
    in_doubt: bool,
) -> bool:
    if set(statement) - UNDERSTOOD:
        return in_doubt
    if not any(_like(text.lower(), action.lower(), {}) for text in _texts(statement.get("Action"))):
        return False
    if not any(_like(text, resource, variables) for text in _texts(statement.get("Resource"))):
        return False
    holds = _holds(statement.get("Condition") or {}, variables)
    return in_doubt if holds is None else holds


def _texts(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []


def _like(pattern: str, text: str, variables: Mapping[str, str]) -> bool:
    """Return whether ``text`` fits: ``*`` and ``?`` are wildcards, also across slashes.

    ``+`` and ``#`` are not (guide). The value of a variable is taken literally."""
    expression, position = "", 0
    for variable in VARIABLE.finditer(pattern):
        value = FIXED.get(variable[1], variables.get(variable[1]))
        if value is None:
            return False
        expression += _wildcards(pattern[position : variable.start()]) + re.escape(value)
        position = variable.end()
    expression += _wildcards(pattern[position:])
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _wildcards(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _holds(condition: Any, variables: Mapping[str, str]) -> bool | None:
    """Return whether ``condition`` holds; None if it asks for something unknown here."""
    if not isinstance(condition, dict):
        return None
    for operator, wanted in condition.items():
        if operator not in {"Bool", "StringEquals", "StringLike"} or not isinstance(wanted, dict):
            return None
        for key, options in wanted.items():
            actual = variables.get(key)
            if actual is None or not any(
                _fits(operator, str(option), actual, variables)
                for option in (options if isinstance(options, list) else [options])
            ):
                return False
    return True


def _fits(operator: str, option: str, actual: str, variables: Mapping[str, str]) -> bool:
    if operator == "Bool":
        return option.lower() == actual.lower()
    if operator == "StringLike":
        return _like(option, actual, variables)
    value = VARIABLE.sub(lambda variable: variables.get(variable[1], variable[0]), option)
    return value == actual


def variables_of(
    client_id: str,
    subject: Mapping[str, str],
    thing: str | None,
    attributes: Mapping[str, str] | None = None,
    thing_type: str | None = None,
) -> dict[str, str]:
    """Return what the policy variables stand for in one connection.

    ``thing`` is the thing that has the client ID as its name and the certificate attached to it;
    without one the thing variables have no value (guide, "Thing policy variables").
    """
    variables = {
        "iot:ClientId": client_id,
        "aws:SourceIp": "127.0.0.1",
        "iot:Connection.Thing.IsAttached": "true" if thing else "false",
    }
    for name, value in subject.items():
        variables[f"iot:Certificate.Subject.{name}"] = value
    if thing:
        variables["iot:Connection.Thing.ThingName"] = thing
        for name, value in (attributes or {}).items():
            variables[f"iot:Connection.Thing.Attributes[{name}]"] = value
        if thing_type:
            variables["iot:Connection.Thing.ThingTypeName"] = thing_type
    return variables
