"""Remedies as command lines of the AWS CLI."""

from __future__ import annotations

import json
import shlex
from typing import Any

from iot_ca.model import Target

# IAM has one set of resources for all Regions.
_GLOBAL_SERVICES = ("iam",)


def aws_command(target: Target, service: str, operation: str, *arguments: str) -> str:
    """Return a command line for the account and Region of a target, quoted for a shell.

    The account is that of the profile, or of the shell's own credentials. If the target names a
    role, its profile is only that which assumes the role, and may belong to another account.
    """
    words = ["aws", service, operation, *arguments]
    if service not in _GLOBAL_SERVICES:
        words += ["--region", target.region]
    if target.credentials.profile is not None and target.credentials.role_arn is None:
        words += ["--profile", target.credentials.profile]
    return shlex.join(words)


def is_command(remedy: str) -> bool:
    """Return whether a remedy is a command line, and not words."""
    return remedy.startswith("aws ")


def in_order(*commands: str) -> str:
    """Return one command line that runs several commands until one fails."""
    return " && ".join(commands)


def compact(document: Any) -> str:
    """Return JSON on one line."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True)


def allow(action: str | list[str], resource: str) -> dict[str, Any]:
    """Return a statement of a policy."""
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def with_statement(document: str, statement: dict[str, Any]) -> str:
    """Return a policy document with one more statement; a new one if it can't be read."""
    try:
        policy = json.loads(document)
        statements = policy["Statement"]
    except (ValueError, KeyError, TypeError):
        policy, statements = {"Version": "2012-10-17"}, []
    statements = statements if isinstance(statements, list) else [statements]
    return compact({**policy, "Statement": [*statements, statement]})
