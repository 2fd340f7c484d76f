"""The user's own function that may refuse a device. What it does not clearly allow is not allowed.

It is called with `{"event": {...}, "certificate": {...}}` and answers as a pre-provisioning hook of
AWS IoT does: `{"allowProvisioning": true}` or `false`, with a `reason` if it likes.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

REASON_LENGTH = 256
# Seconds between the tries where Lambda throttles the hook; each is shortened by up to a half, so
# that devices that came at once do not all come back at once.
PAUSES = (1.0, 2.0, 4.0)


class HookFailed(Exception):
    """The hook failed or answered nonsense: neither an allowance nor a refusal."""


@dataclass(frozen=True)
class Answer:
    """What the hook said."""

    allowed: bool
    reason: str = ""


def ask(client: LambdaClient, function_arn: str, question: Mapping[str, Any]) -> Answer:
    """Call the hook and wait for its answer, and where Lambda throttles it, a little for its turn.

    Raises HookFailed if there is none that can be understood, and boto3's errors.
    """
    response = _invoke(client, function_arn, json.dumps(question).encode())
    if response.get("FunctionError"):
        # Its message may hold anything; the hook's own log has it.
        raise HookFailed(f"the hook {function_arn} failed ({response['FunctionError']})")
    return read_answer(response["Payload"].read(), function_arn)


def _invoke(client: LambdaClient, function_arn: str, payload: bytes) -> InvocationResponseTypeDef:
    """Lambda's response. The last try begins when the pauses are over, however long a try takes."""
    ends = time.monotonic() + sum(PAUSES)
    for longest in PAUSES:
        try:
            return _invoke_once(client, function_arn, payload)
        # The one error that says for sure that the hook has not heard the question.
        except client.exceptions.TooManyRequestsException:
            pause = random.uniform(longest / 2, longest)
            if time.monotonic() + pause > ends:
                raise
            time.sleep(pause)
    return _invoke_once(client, function_arn, payload)


def _invoke_once(
    client: LambdaClient, function_arn: str, payload: bytes
) -> InvocationResponseTypeDef:
    return client.invoke(
        FunctionName=function_arn, InvocationType="RequestResponse", Payload=payload
    )


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
