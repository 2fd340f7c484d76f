"""What becomes of the event of a function that failed for good.

Source: AWS Lambda developer guide, "Invoking a function asynchronously" (dead-letter queue,
destinations).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class FailedEvent:
    """A message about a failed event, and the ARN that it goes to."""

    target: str
    body: str
    attributes: dict[str, tuple[str, str]] = field(default_factory=dict)


def failed_events(
    function: Any, event: Any, error: Mapping[str, Any], tries: int, settings: Mapping[str, Any]
) -> Iterator[FailedEvent]:
    """Yield the messages for the dead-letter queue and for the destination for failures.

    settings: the configuration of the function's asynchronous invocation.
    """
    request_id = str(uuid.uuid4())
    dead_letters = function.dead_letter_config.get("TargetArn")
    if dead_letters:
        attributes = {
            "RequestID": ("String", request_id),
            "ErrorCode": ("Number", "200"),
            "ErrorMessage": ("String", str(error["errorMessage"])[:1024]),
        }
        yield FailedEvent(dead_letters, json.dumps(event), attributes)
    destinations = settings.get("DestinationConfig") or {}
    on_failure = (destinations.get("OnFailure") or {}).get("Destination")
    if on_failure:
        yield FailedEvent(
            on_failure, json.dumps(_record(function, event, error, tries, request_id))
        )


def _record(
    function: Any, event: Any, error: Mapping[str, Any], tries: int, request_id: str
) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function.function_arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": event,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": error,
    }
