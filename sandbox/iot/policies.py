"""What AWS IoT accepts as the document of a policy of devices.

Sources: API reference, CreatePolicy (2,048 characters without white space,
MalformedPolicyException); developer guide, "AWS IoT Core policies" (one or more statements, each
with Effect, Action and Resource, by the conventions of IAM); IAM user guide, "Statement" (one
statement, or a list of them). That an empty list is refused is IAM's behaviour and a guess here.
"""

from __future__ import annotations

import json
import re

from sandbox.errors import AWSError

MAX_CHARACTERS = 2048
_MEMBERS = {"Effect", "Action", "Resource"}


def check_document(document: str) -> str:
    """Return ``document`` if it is a policy; else raise MalformedPolicyException."""
    if len(re.sub(r"\s", "", document)) > MAX_CHARACTERS:
        raise _malformed(f"at most {MAX_CHARACTERS} characters without white space")
    try:
        policy = json.loads(document)
    except ValueError:
        raise _malformed("not JSON") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    statements = statements if isinstance(statements, list) else [statements]
    if not statements:
        raise _malformed("no statement")
    for statement in statements:
        if not isinstance(statement, dict) or not statement.keys() >= _MEMBERS:
            raise _malformed("a statement needs Effect, Action and Resource")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise _malformed("an effect is Allow or Deny")
    return document


def _malformed(message: str) -> AWSError:
    # AWS's own words end at the colon (seen).
    return AWSError("MalformedPolicyException", f"Policy document is Malformed: {message}")
