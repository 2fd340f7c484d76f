"""Errors that no one foresaw, limited to the part of a run that they occur in."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import TypeVar

from iot_ca.errors import DEBUG_VARIABLE, Failure, as_failure

T = TypeVar("T")


def result_or_failure(call: Callable[[], T]) -> T | Failure:
    """Return what a call returns, or its error as a Failure, which does not stop other calls."""
    try:
        return call()
    except Failure as failure:
        return failure
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exception(error)
        return as_failure(error)
