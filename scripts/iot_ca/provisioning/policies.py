"""What policies of IAM and AWS IoT allow, as far as their documents determine it. Pure.

Sources: IAM user guide, "Policy evaluation logic" and "JSON policy element reference"; AWS IoT
developer guide, "AWS IoT Core policies" and "Thing policy variables". A condition that is not
understood here makes the answer unknown, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iot_ca.provisioning.facts import PolicyDocument

Effect = Literal["allowed", "denied", "not allowed", "unknown"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# ${*}, ${?} and ${$} stand for the characters themselves.
_LITERALS = {"*": "*", "?": "?", "$": "$"}


@dataclass(frozen=True)
class Decision:
    """What policies say of one action; `policy` is the name of the one that denies."""

    effect: Effect
    policy: str | None = None


@dataclass(frozen=True)
class Request:
    """One action on one resource.

    Attributes:
        resource: an ARN; None for a trust policy, which names none.
        context: condition keys and policy variables that are known, in any case; a value of None
            says that the request does not carry the key.
        service: the principal, for a policy that names principals.
        is_any_resource: whether the resource, which ends with `*`, stands for one of many: what
            is said of some of them alone makes the answer unknown.
    """

    action: str
    resource: str | None = None
    context: Mapping[str, str | None] | None = None
    service: str | None = None
    is_any_resource: bool = False

    def value(self, key: str) -> tuple[bool, str | None]:
        """Return whether a key is known, and its value."""
        known = {name.lower(): value for name, value in (self.context or {}).items()}
        return key.lower() in known, known.get(key.lower())


def decide(policies: Iterable[PolicyDocument], request: Request) -> Decision:
    """Return what the policies together say: an explicit Deny wins, silence does not allow."""
    answers = [
        (policy.name, statement.get("Effect"), _matches(statement, request))
        for policy in policies
        for statement in _statements(policy.document)
    ]
    for name, effect, matches in answers:
        if effect == "Deny" and matches:
            return Decision("denied", name)
    if any(effect == "Deny" and matches is None for _, effect, matches in answers):
        return Decision("unknown")
    allowing = {matches for _, effect, matches in answers if effect == "Allow"}
    if True in allowing:
        return Decision("allowed")
    return Decision("unknown" if None in allowing else "not allowed")


def uses_thing_variables(policies: Iterable[PolicyDocument]) -> bool:
    """Return whether a policy depends on the thing that the certificate is attached to."""
    return any("iot:Connection.Thing." in policy.document for policy in policies)


def _statements(document: str) -> Iterator[Mapping[str, Any]]:
    try:
        statements = json.loads(document)["Statement"]
    except (ValueError, KeyError, TypeError):
        return
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict):
            yield statement


def _matches(statement: Mapping[str, Any], request: Request) -> bool | None:
    """Return whether a statement is about a request; None if that can't be determined."""
    parts = [
        _covers(statement, "Action", request.action.lower(), request, str.lower),
        True
        if request.resource is None
        else _covers(statement, "Resource", request.resource, request),
        True if request.service is None else _names_service(statement, request.service),
        _condition_holds(statement.get("Condition") or {}, request),
    ]
    if False in parts:
        return False
    return None if None in parts else True


def _covers(
    statement: Mapping[str, Any],
    member: str,
    value: str,
    request: Request,
    fold: Callable[[str], str] = str,
) -> bool | None:
    for name in (member, f"Not{member}"):
        if name in statement:
            likes = [_like(fold(pattern), value, request) for pattern in _texts(statement[name])]
            covered = True if True in likes else None if None in likes else False
            if covered is False and member == "Resource" and request.is_any_resource:
                texts = _texts(statement[name])
                covered = None if any(_overlaps(text, value) for text in texts) else False
            if covered is None or name == member:
                return covered
            return not covered
    return False


def _overlaps(pattern: str, resources: str) -> bool:
    """Return whether a pattern may fit some of the resources, which end with `*`."""
    fixed, beginning = re.split(r"[*?]|\$\{", pattern)[0], resources.removesuffix("*")
    return fixed.startswith(beginning) or beginning.startswith(fixed)


def _texts(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def _like(pattern: str, text: str, request: Request) -> bool | None:
    """Return whether a text fits a pattern; None if that depends on an unknown variable.

    A variable without a value fits nothing (IAM user guide, "Policy variables").
    """
    expression, position = "", 0
    for variable in _VARIABLE.finditer(pattern):
        expression += _wildcards(pattern[position : variable.start()])
        position = variable.end()
        if variable[1] in _LITERALS:
            expression += re.escape(_LITERALS[variable[1]])
            continue
        is_known, value = request.value(variable[1])
        if not is_known:
            return None
        if value is None:
            return False
        expression += re.escape(value)
    expression += _wildcards(pattern[position:])
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _wildcards(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _names_service(statement: Mapping[str, Any], service: str) -> bool | None:
    if "NotPrincipal" in statement:
        return None
    principal = statement.get("Principal")
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    return service in _texts(principal.get("Service", [])) or "*" in _texts(
        principal.get("AWS", [])
    )


def _condition_holds(condition: Any, request: Request) -> bool | None:
    if not isinstance(condition, dict):
        return None
    answers = [
        _holds(operator, key, _texts(wanted), request)
        for operator, keys in condition.items()
        for key, wanted in (keys.items() if isinstance(keys, dict) else [("", "")])
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _holds(operator: str, key: str, wanted: list[str], request: Request) -> bool | None:
    is_known, value = request.value(key)
    compare = _OPERATORS.get(operator)
    if not is_known or compare is None:
        return None
    if value is None:
        return False
    answers = {compare(option, value, request) for option in wanted}
    return True if True in answers else None if None in answers else False


def _equal(option: str, value: str, request: Request) -> bool | None:
    """Compare exactly, with the variables of `option` replaced."""
    # No wildcards here: what looks like one is made literal.
    return _like(re.sub(r"(?<!\$\{)([*?])(?!\})", r"${\1}", option), value, request)


def _bool(option: str, value: str, _: Request) -> bool:
    return option.lower() == value.lower()


_OPERATORS: dict[str, Callable[[str, str, Request], bool | None]] = {
    "StringEquals": _equal,
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _bool,
}
