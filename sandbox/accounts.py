"""Who is calling: credentials to principals, sessions, and whom a role trusts.

An access key ID of twelve digits is that account's root user. Every other key must have been
issued by the sandbox itself: by ``sts:AssumeRole`` or ``iam:CreateAccessKey``.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from .wire import AWSError, Request, well_known_error

SCOPE = re.compile(r"([^/\s]+)/(\d{8})/([^/\s]+)/([^/\s]+)/aws4_request")


@dataclass(frozen=True)
class Credential:
    """What a signed request says about its signer and its addressee."""

    access_key_id: str
    region: str
    service: str
    session_token: str | None


@dataclass(frozen=True)
class Principal:
    """Who a call acts as. ``role_arn`` is set for a session of an assumed role."""

    account: str
    arn: str
    user_id: str
    role_arn: str | None = None


@dataclass(frozen=True)
class Session:
    """Temporary credentials that the sandbox has issued."""

    access_key_id: str
    session_token: str
    expiration: datetime
    principal: Principal


def partition_of(region: str) -> str:
    """The partition that ``region`` is in, as ARNs spell it."""
    for prefix, partition in (
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ):
        if region.startswith(prefix):
            return partition
    return "aws"


def credential_of(request: Request) -> Credential | None:
    """The credential in the Authorization header or in a presigned URL; None if unsigned.

    Raises IncompleteSignature for a header that isn't Signature Version 4. The signature itself
    isn't checked: any secret goes with an account's number.
    """
    header = request.headers.get("authorization")
    token = request.headers.get("x-amz-security-token")
    if header is not None:
        found = re.search(rf"^AWS4-HMAC-SHA256\s+Credential={SCOPE.pattern}[,\s]", header)
        if not found or "Signature=" not in header or "SignedHeaders=" not in header:
            raise AWSError(
                "IncompleteSignature",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' "
                "parameters of Signature Version 4.",
            )
    else:
        scope = request.parameters.get("X-Amz-Credential")
        token = request.parameters.get("X-Amz-Security-Token", token)
        found = SCOPE.fullmatch(scope) if scope is not None else None
        if not found:
            return None
    return Credential(found[1], found[3], found[4], token or None)


def root_of(account: str, region: str) -> Principal:
    """The root user of ``account``."""
    return Principal(account, f"arn:{partition_of(region)}:iam::{account}:root", account)


def refusal(code: str, protocol: str) -> AWSError:
    """A refusal of credentials: services that speak XML name the same faults differently."""
    if protocol in {"query", "ec2", "rest-xml"}:
        code = {
            "UnrecognizedClientException": "InvalidClientTokenId",
            "ExpiredTokenException": "ExpiredToken",
            "MissingAuthenticationTokenException": "MissingAuthenticationToken",
        }.get(code, code)
    return well_known_error(code)


def principal_of_session(
    session: Session, token: str | None, now: datetime, protocol: str
) -> Principal:
    """Who ``session`` acts as; refuses a missing or wrong token, then an expired session."""
    if token is None or not hmac.compare_digest(token.encode(), session.session_token.encode()):
        raise refusal("UnrecognizedClientException", protocol)
    if now >= session.expiration:
        raise refusal("ExpiredTokenException", protocol)
    return session.principal


# --- whom a role trusts


def trusts_service(policy: str, service: str) -> bool:
    """Whether a role's trust ``policy`` lets an AWS service assume the role."""
    return any(
        statement.get("Effect") == "Allow"
        and _assumes(statement)
        and service in _texts(_principals(statement).get("Service"))
        for statement in _statements(policy)
    )


def trusts(policy: str, caller: Principal, external_id: str | None) -> bool:
    """Whether a role's trust ``policy`` lets ``caller`` assume the role.

    Understands Principal ``*`` and ``AWS`` (account number, root or exact ARN), and the condition
    ``sts:ExternalId``. Any other condition counts against the caller: an Allow under it doesn't
    hold, a Deny does. Source: IAM user guide, "AWS JSON policy elements: Principal".
    """
    allowed = False
    for statement in _statements(policy):
        if not _assumes(statement) or not _is_named(statement, caller):
            continue
        verdict = _condition_holds(statement.get("Condition") or {}, external_id)
        if statement.get("Effect") == "Deny" and verdict is not False:
            return False
        allowed = allowed or (statement.get("Effect") == "Allow" and verdict is True)
    return allowed


def _statements(policy: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return []
    return [s for s in (found if isinstance(found, list) else [found]) if isinstance(s, dict)]


def _texts(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)] if value else []


def _assumes(statement: Mapping[str, Any]) -> bool:
    actions = _texts(statement.get("Action"))
    return any(fnmatchcase("sts:assumerole", action.lower()) for action in actions)


def _principals(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    principal = statement.get("Principal")
    if principal == "*":
        return {"AWS": "*"}
    return principal if isinstance(principal, dict) else {}


def _is_named(statement: Mapping[str, Any], caller: Principal) -> bool:
    partition = caller.arn.split(":")[1]
    names = {
        "*",
        caller.account,
        f"arn:{partition}:iam::{caller.account}:root",
        caller.arn,
        caller.role_arn,
    }
    return any(name in names for name in _texts(_principals(statement).get("AWS")))


def _condition_holds(condition: Mapping[str, Any], external_id: str | None) -> bool | None:
    """Whether ``condition`` holds; None if it asks for something unknown here."""
    for operator, wanted in condition.items():
        if operator not in {"StringEquals", "StringLike"} or not isinstance(wanted, dict):
            return None
        for key, value in wanted.items():
            if key.lower() != "sts:externalid":
                return None
            options = _texts(value)
            if operator == "StringEquals":
                holds = external_id in options
            else:
                holds = external_id is not None and any(
                    fnmatchcase(external_id, option) for option in options
                )
            if not holds:
                return False
    return True
