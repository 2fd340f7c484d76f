"""What AWS has answered to an assumption, and what AWS refuses."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TypeVar

import pytest
from botocore.exceptions import ClientError

T = TypeVar("T")

# The caller's permissions are short of what the assumption needs.
DENIED = {"AccessDenied", "AccessDeniedException", "ForbiddenException", "UnauthorizedException"}
# Where AWS takes a while to know what it has just been given, such as a role.
PATIENCE_SECONDS = 90.0


class Answer:
    """The words in which AWS's answer stands in the report, in the order of the answers."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def __call__(self, text: str) -> None:
        """Record an answer."""
        self._parts.append(text)

    def __str__(self) -> str:
        return "; ".join(self._parts)


def code_of(error: ClientError) -> str:
    """Return the code of an error that AWS has answered."""
    return str(error.response.get("Error", {}).get("Code", ""))


def words_of(error: ClientError) -> str:
    """Return an error as `Code: message`."""
    return f"{code_of(error)}: {error.response.get('Error', {}).get('Message', '')}"


def refusal(call: Callable[[], object]) -> ClientError:
    """Return the error with which AWS refuses a call; the assumption fails if AWS accepts it."""
    error = possible_refusal(call)
    if error is None:
        pytest.fail("AWS accepted the call")
    return error


def possible_refusal(call: Callable[[], object]) -> ClientError | None:
    """Return the error with which AWS refuses a call; None if AWS accepts it.

    A missing permission is raised, since it says nothing about the call itself.
    """
    try:
        call()
    except ClientError as error:
        if code_of(error) in DENIED:
            raise
        return error
    return None


def could_not_be_tested(reason: str) -> None:
    """End the test of an assumption without a result."""
    pytest.skip(reason)


def insist(call: Callable[[], T], codes: Collection[str], seconds: float = PATIENCE_SECONDS) -> T:
    """Return what a call answers; while AWS answers one of `codes`, call again.

    For what AWS does not know yet, such as a role that was made a moment ago: the aws provider
    retries such calls for two minutes.
    """
    deadline, pause = time.monotonic() + seconds, 0.25
    while True:
        try:
            return call()
        except ClientError as error:
            if code_of(error) not in codes or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 4.0)


def eventually(read: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T | None:
    """Return what `read` returns as soon as it is true; its last answer at the end."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while True:
        answered = read()
        if answered or time.monotonic() > deadline:
            return answered
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
