"""Errors that no one foresaw, limited to the part of a fleet that they occur in."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import TypeVar

from iot_ca.errors import Failure

T = TypeVar("T")


def result_or_failure(call: Callable[[], T]) -> T | Failure:
    """Return what a call returns, or its error as a Failure, which does not stop other calls."""
    try:
        return call()
    except Failure as failure:
        return failure
    except Exception as error:
        if os.environ.get("IOT_CA_DEBUG") == "1":
            traceback.print_exception(error)
        # The class name alone: the text of an unexpected error could quote a secret.
        name = type(error).__name__
        return Failure(f"unforeseen {name}; run with IOT_CA_DEBUG=1 and report it")
