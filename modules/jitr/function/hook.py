"""The user's own function that may refuse a device. What it does not clearly allow is not allowed.

It is called with `{"event": {...}, "certificate": {...}}` and answers as a pre-provisioning hook of
AWS IoT does: `{"allowProvisioning": true}` or `false`, with a `reason` if it likes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

REASON_LENGTH = 256


class HookFailed(Exception):
    """The hook failed or answered nonsense: neither an allowance nor a refusal."""


@dataclass(frozen=True)
class Answer:
    """What the hook said."""

    allowed: bool
    reason: str = ""


def ask(client: LambdaClient, function_arn: str, question: Mapping[str, Any]) -> Answer:
    """Call the hook and wait for its answer.

    Raises HookFailed if there is none that can be understood, and boto3's errors.
    """
    response = client.invoke(
        FunctionName=function_arn,
        InvocationType="RequestResponse",
        Payload=json.dumps(question).encode(),
    )
    if response.get("FunctionError"):
        # Its message may hold anything; the hook's own log has it.
        raise HookFailed(f"the hook {function_arn} failed ({response['FunctionError']})")
    return read_answer(response["Payload"].read(), function_arn)


def read_answer(payload: bytes, function_arn: str) -> Answer:
    """The answer in `payload`. Raises HookFailed for anything but a clear one."""
    try:
        answer = json.loads(payload)
    except ValueError:
        raise HookFailed(f"the hook {function_arn} did not answer in JSON") from None
    allowed = answer.get("allowProvisioning") if isinstance(answer, dict) else None
    if not isinstance(allowed, bool):
        raise HookFailed(f"the hook {function_arn} did not answer with a bool allowProvisioning")
    reason = answer.get("reason")
    return Answer(allowed, reason[:REASON_LENGTH] if isinstance(reason, str) else "")
