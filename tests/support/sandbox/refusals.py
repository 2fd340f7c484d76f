"""Says in one line how AWS is expected to refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError


@contextlib.contextmanager
def refused(
    code: str, message: str = "", status: int | None = None
) -> Iterator[pytest.ExceptionInfo[ClientError]]:
    """Expects a ClientError with this code, part of a message, and status."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    assert message in answer["Error"]["Message"]
    assert status in (None, answer["ResponseMetadata"]["HTTPStatusCode"])
