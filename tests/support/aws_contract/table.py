"""The rows of a report: made of pytest's items and of what came of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.aws_contract.answers import DENIED, Answer, code_of, words_of
from tests.support.aws_contract.report import Result, Row, neutral

ANSWER = pytest.StashKey[Answer]()


def assumption_of(item: pytest.Item) -> tuple[str, str, bool]:
    """Return an assumption, its source, and whether its test only reads.

    Raise UsageError for a test that names none.
    """
    marker = item.get_closest_marker("assumption")
    if marker is None:
        raise pytest.UsageError(f"{item.nodeid} has no marker `assumption`")
    return marker.args[0], marker.kwargs["source"], marker.kwargs.get("reads_only", False)


def is_denied(error: BaseException | None) -> bool:
    """Return whether AWS has refused a call because of the caller's permissions."""
    return isinstance(error, ClientError) and code_of(error) in DENIED


def row_of(
    item: pytest.Item,
    outcome: Result,
    error: BaseException | None,
    names: Mapping[str, str],
) -> Row:
    """Return the row of a test that has ended."""
    text, source, _ = assumption_of(item)
    answer = str(item.stash.get(ANSWER, ""))
    parts = [answer, _words(error) if error is not None else ""]
    module: Any = item.getparent(pytest.Module)
    section = (inspect.getdoc(module.obj) or module.name).splitlines()[0].rstrip(".")
    return Row(section, text, source, outcome, neutral("; ".join(filter(None, parts)), names))


def _words(error: BaseException) -> str:
    if isinstance(error, ClientError):
        return f"{error.operation_name} answered {words_of(error)}"
    if isinstance(error, pytest.skip.Exception | pytest.fail.Exception):
        return str(error.msg)
    return (
        f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
    )
