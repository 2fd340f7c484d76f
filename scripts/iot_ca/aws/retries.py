"""Which failures of AWS pass by themselves, and how long a call is tried again because of them.

botocore's own pauses after an answer such as 503 add up to less than a second, and it takes the
refusal of a role that was just created for final.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from iot_ca.aws.pacing import SlownessNotice
from iot_ca.waiting import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping

_THROTTLED = {
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
}
_UNAVAILABLE = {
    "InternalError",
    "InternalException",
    "InternalFailure",
    "InternalFailureException",
    "InternalServerError",
    "InternalServiceError",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
}
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429

# A plan has many calls, and its user waits; what fails is only not known. A write that fails leaves
# something unfinished.
_READ_SECONDS = 10
_WRITE_SECONDS = 30
_READS = ("Describe", "List", "Get", "AssumeRole")
# The quotas are calls a second of the whole account, and other processes call too: Terraform runs
# ten at once in each pipeline. In a simulation of 150 that call all the time, each call is answered
# within four minutes.
_THROTTLED_SECONDS = 300
_FIRST_THROTTLED_PAUSE_SECONDS = 0.5
# For IAM to make a role that was just created known to AWS IoT. The aws provider waits for two
# minutes, and for every InvalidRequestException.
_NEW_ROLE_SECONDS = 60
_FIRST_NEW_ROLE_PAUSE_SECONDS = 1
_TAKE_A_ROLE = {"RegisterCACertificate", "UpdateCACertificate"}
# What AWS IoT answers is known of other calls that take a role. CreateProvisioningTemplate: "The
# provisioning role cannot be assumed by AWS IoT" (sources of the aws provider). CreateTopicRule:
# "AWS IoT (iot.amazonaws.com) is unable to assume role (sts:AssumeRole) on resource: ARN. If the
# role was just created or updated, please try again in a few seconds" (published by users).
_NOT_ASSUMED = re.compile(r"\brole\b.*\bbe assumed\b|\bassume\b.*\brole\b", re.IGNORECASE)
# If each times out.
_MIN_ATTEMPTS = 3

_PATIENCE = "iot_ca_patience"


def is_temporary(error: BaseException | None) -> bool:
    """Return whether what botocore raises may pass by itself: no answer, throttling, status 5xx."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return is_throttled(error.response) or _is_unavailable(error.response)
    return _is_lost(error)


def retry(client: Any, notice: SlownessNotice) -> None:
    """Let a client of botocore try its calls again by the rules of this module, not by its own."""
    service = client.meta.service_model.service_id.hyphenize()
    event, handler = f"needs-retry.{service}", f"retry-config-{service}"
    client.meta.events.unregister(event, unique_id=handler)
    client.meta.events.register(event, partial(_pause_before_retry, notice), unique_id=_PATIENCE)


def _pause_before_retry(
    notice: SlownessNotice,
    *,
    response: tuple[Any, Mapping[str, Any]] | None,
    operation: Any,
    caught_exception: Exception | None,
    request_dict: dict[str, Any],
    **_: Any,
) -> float | None:
    """Return the seconds until a call is tried again; None if it is not (event needs-retry)."""
    answer = response[1] if response is not None else {}
    throttled = is_throttled(answer)
    if throttled:
        make = throttled_patience
    elif _is_unavailable(answer) or _is_lost(caught_exception):
        make = _patience_of(operation.name)
    elif operation.name in _TAKE_A_ROLE and has_new_role(answer):
        make = _new_role_patience
    else:
        return None
    # The context belongs to the call, and its attempts share it.
    patience = request_dict["context"].setdefault(f"{_PATIENCE}_{make.__name__}", make())
    assert isinstance(patience, Patience)
    pause = patience.next_pause()
    if throttled and pause is not None:
        notice.pause(pause)
    return pause


def _patience_of(operation: str) -> Callable[[], Patience]:
    return _read_patience if operation.startswith(_READS) else _write_patience


def _read_patience() -> Patience:
    return Patience(_READ_SECONDS, attempts=_MIN_ATTEMPTS)


def _write_patience() -> Patience:
    return Patience(_WRITE_SECONDS, attempts=_MIN_ATTEMPTS)


def _new_role_patience() -> Patience:
    return Patience(_NEW_ROLE_SECONDS, first=_FIRST_NEW_ROLE_PAUSE_SECONDS)


def throttled_patience() -> Patience:
    """Return the pauses between the attempts at a call that AWS throttles."""
    return Patience(
        _THROTTLED_SECONDS, first=_FIRST_THROTTLED_PAUSE_SECONDS, attempts=_MIN_ATTEMPTS
    )


def is_throttled(answer: Mapping[str, Any]) -> bool:
    """Return whether a response of AWS, as botocore parses it, says that a quota is used up."""
    return _code(answer) in _THROTTLED or _status(answer) == _TOO_MANY_REQUESTS


def _is_unavailable(answer: Mapping[str, Any]) -> bool:
    return _code(answer) in _UNAVAILABLE or _status(answer) >= _SERVER_ERROR


def has_new_role(answer: Mapping[str, Any]) -> bool:
    """Return whether AWS IoT can't assume a role, perhaps because it was just created."""
    message = str(answer.get("Error", {}).get("Message", ""))
    return _code(answer) == "InvalidRequestException" and bool(_NOT_ASSUMED.search(message))


def _is_lost(error: BaseException | None) -> bool:
    """Return whether a call was not answered at all."""
    from botocore import exceptions

    return isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)


def _code(answer: Mapping[str, Any]) -> str:
    return str(answer.get("Error", {}).get("Code", ""))


def _status(answer: Mapping[str, Any]) -> int:
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
