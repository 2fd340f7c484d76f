"""Diagnoses as text for the terminal, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from iot_ca.diagnosis.report import Diagnosis
from iot_ca.errors import one_line
from iot_ca.fleet.render.text import visible
from iot_ca.provisioning.checks.check import Check

_MARKS = {True: "ok", False: "NOT OK", None: "unknown"}


def as_text(diagnoses: Sequence[Diagnosis], encoding: str) -> str:
    """Return all diagnoses, each with its cause first and its steps below.

    A remedy has a line of its own, to be copied; nothing is cut or wrapped.
    """
    return "\n\n".join(
        "\n".join(visible(line, encoding) for line in _lines(diagnosis)) for diagnosis in diagnoses
    )


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    where = f"{diagnosis.account} ({diagnosis.account_id}, {diagnosis.region})"
    if diagnosis.account == diagnosis.account_id:
        where = f"{diagnosis.account_id}, {diagnosis.region}"
    yield f"{where}: {diagnosis.verdict}"
    cause = diagnosis.cause
    if cause is not None:
        yield f"  because {cause.finding}"
        if cause.remedy is not None:
            yield f"  remedy: {cause.remedy}"
    width = max(len(check.check) for check in diagnosis.checks)
    for check in diagnosis.checks:
        yield from _check_lines(check, width, is_cause=check is cause)


def _check_lines(check: Check, width: int, *, is_cause: bool) -> Iterator[str]:
    yield f"  {_MARKS[check.ok]:8}{check.check:{width}}  {one_line(check.finding)}"
    if check.remedy is not None and not is_cause:
        yield f"{'':{width + 12}}remedy: {check.remedy}"


def as_json(diagnoses: Sequence[Diagnosis]) -> str:
    """Return a JSON list, in ASCII. Later versions may add keys, and never remove or change one."""
    return json.dumps([_diagnosis(diagnosis) for diagnosis in diagnoses], indent=2)


def _diagnosis(diagnosis: Diagnosis) -> dict[str, object]:
    return {**asdict(diagnosis), "checks": [_check(check) for check in diagnosis.checks]}


def _check(check: Check) -> dict[str, object]:
    return {
        "check": check.check,
        "ok": check.ok,
        "finding": one_line(check.finding),
        "remedy": check.remedy,
    }
