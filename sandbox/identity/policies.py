"""What a policy of IAM says about a call."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.identity.principals import Principal, ServicePrincipal


def trusts_service(
    policy: str, service: str, context: Mapping[str, str | None] | None = None
) -> bool:
    """Return whether a role's trust ``policy`` lets an AWS service assume the role.

    context: what the service says of whom it acts for, as far as that is known: aws:SourceAccount,
        aws:SourceArn. An Allow under a condition on anything else doesn't hold.
    """
    caller = ServicePrincipal(service)
    return verdict_of(policy, caller, "sts:AssumeRole", context=context) is True


def trusts(policy: str, caller: Principal, external_id: str | None) -> bool:
    """Return whether a role's trust ``policy`` lets ``caller`` assume the role."""
    context = {"sts:ExternalId": external_id}
    return verdict_of(policy, caller, "sts:AssumeRole", context=context) is True


def verdict_of(
    policy: str,
    caller: Principal | ServicePrincipal,
    action: str,
    resource: str | None = None,
    context: Mapping[str, str | None] | None = None,
    *,
    attached: bool = False,
) -> bool | None:
    """Return what a ``policy`` says about a call: True allows, False denies, None is silent.

    resource: the ARN that is called upon; None for trust policies, which name none.
    context: the condition keys that are known of this call, None for one that it doesn't carry.
    attached: whether it is a policy of the caller's own, which names no Principal, and not one of
        the resource, which must.

    Understands Principal ``*``, ``AWS`` (account number, root or exact ARN) and ``Service``, the
    ``Not`` forms, and the conditions StringEquals, StringLike, ArnEquals and ArnLike. Any other
    condition or key, and any policy variable, counts against the caller: an Allow under it doesn't
    hold, a Deny does. Stricter: an Allow for ``*`` doesn't let a service in, a Deny keeps it out.
    Source: IAM user guide, "Policy evaluation logic" and "AWS JSON policy elements".
    """
    known = {key.lower(): value for key, value in (context or {}).items()}
    if isinstance(caller, Principal):
        known = {
            "aws:principalaccount": caller.account,
            "aws:principalarn": caller.role_arn or caller.arn,
            **known,
        }
    allowed = None
    for statement in _statements(policy):
        if not _covers(statement, "Action", action):
            continue
        if not attached and not _is_named(statement, caller):
            continue
        if resource is not None and not _covers(statement, "Resource", resource):
            continue
        holds = _condition_holds(statement.get("Condition") or {}, known)
        if statement.get("Effect") == "Deny" and holds is not False:
            return False
        if statement.get("Effect") == "Allow" and holds is True:
            allowed = True
    return allowed


def is_policy(policy: str) -> bool:
    """Return whether ``policy`` is a policy document with statements that allow or deny."""
    statements = _statements(policy)
    return bool(statements) and all(s.get("Effect") in {"Allow", "Deny"} for s in statements)


def _statements(policy: str) -> list[Mapping[str, Any]]:
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return []
    return [
        s
        for s in (statements if isinstance(statements, list) else [statements])
        if isinstance(s, dict)
    ]


def _texts(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []


def _covers(statement: Mapping[str, Any], member: str, value: str) -> bool:
    """Return whether ``member`` (Action or Resource) or its Not form covers ``value``.

    A statement that has neither covers nothing when it allows and everything when it denies.
    """
    if member == "Action":  # IAM compares actions in any case, ARNs exactly
        value = value.lower()
    for name in (member, f"Not{member}"):
        if name in statement:
            patterns = _texts(statement[name])
            if any("${" in pattern for pattern in patterns):
                return statement.get("Effect") == "Deny"
            if member == "Action":
                patterns = [pattern.lower() for pattern in patterns]
            matches = any(_like(value, pattern) for pattern in patterns)
            return matches is (name == member)
    return statement.get("Effect") == "Deny"


def _principals(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    principal = statement.get("Principal")
    if principal == "*":
        return {"AWS": "*"}
    return principal if isinstance(principal, dict) else {}


def _is_named(statement: Mapping[str, Any], caller: Principal | ServicePrincipal) -> bool:
    if isinstance(caller, ServicePrincipal):
        return _is_service_named(statement, caller.name)
    partition = caller.arn.split(":")[1]
    names = {
        "*",
        caller.account,
        f"arn:{partition}:iam::{caller.account}:root",
        caller.arn,
        caller.role_arn,
    }
    if "NotPrincipal" in statement:
        excepted = _texts(_principals({"Principal": statement["NotPrincipal"]}).get("AWS"))
        return statement.get("Effect") == "Deny" and not names.intersection(excepted)
    return any(name in names for name in _texts(_principals(statement).get("AWS")))


def _is_service_named(statement: Mapping[str, Any], name: str) -> bool:
    deny = statement.get("Effect") == "Deny"
    if "NotPrincipal" in statement:
        excepted = _principals({"Principal": statement["NotPrincipal"]})
        return deny and name not in _texts(excepted.get("Service"))
    named = _principals(statement)
    everybody = "*" in _texts(named.get("AWS"))
    return name in _texts(named.get("Service")) or (deny and everybody)


def _condition_holds(condition: Mapping[str, Any], known: Mapping[str, str | None]) -> bool | None:
    """Return whether ``condition`` holds; None if it asks for something unknown here."""
    for name, wanted in condition.items():
        compare = OPERATORS.get(name)
        if compare is None or not isinstance(wanted, dict):
            return None
        for key, value in wanted.items():
            options = _texts(value)
            if key.lower() not in known or any("${" in option for option in options):
                return None
            actual = known[key.lower()]
            if actual is None or not any(compare(actual, option) for option in options):
                return False
    return True


def _like(text: str, pattern: str) -> bool:
    """Return whether ``text`` fits: ``*`` and ``?`` are the only wildcards."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _arn_like(text: str, pattern: str) -> bool:
    """As ``_like``, for each of the six parts of an ARN by itself (guide, "ARN conditions")."""
    parts, patterns = text.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) == 6 and all(map(_like, parts, patterns))


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": operator.eq,
    "StringLike": _like,
    "ArnEquals": _arn_like,  # the same (guide)
    "ArnLike": _arn_like,
}
