"""Diagnoses as text for the terminal, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from iot_ca.diagnosis.report import Diagnosis
from iot_ca.errors import one_line
from iot_ca.fleet.render.text import visible
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.remedies import is_command

_MARKS = {True: "ok", False: "NOT OK", None: "unknown"}


def as_text(diagnoses: Sequence[Diagnosis], encoding: str) -> str:
    """Return all diagnoses, each with its cause first and its steps below.

    A remedy has a line of its own, to be copied; nothing is cut or wrapped. If it is a command, and
    credentials of another account could run it, the line above names the account.
    """
    several = len({diagnosis.account_id for diagnosis in diagnoses}) > 1
    return "\n\n".join(
        "\n".join(visible(line, encoding) for line in _lines(diagnosis, several=several))
        for diagnosis in diagnoses
    )


def _lines(diagnosis: Diagnosis, *, several: bool) -> Iterator[str]:
    where = f"{diagnosis.account} ({diagnosis.account_id}, {diagnosis.region})"
    if diagnosis.account == diagnosis.account_id:
        # Without credentials, AWS could not say which account it is.
        where = f"{diagnosis.account_id or 'account of the credentials'}, {diagnosis.region}"
    yield f"{where}: {diagnosis.verdict}"
    cause = diagnosis.cause
    if cause is not None:
        yield f"  because {cause.finding}"
        for line in _remedy_lines(cause, diagnosis, several=several):
            yield f"  {line}"
    width = max(len(check.check) for check in diagnosis.checks)
    for check in diagnosis.checks:
        yield f"  {_MARKS[check.ok]:8}{check.check:{width}}  {one_line(check.finding)}"
        if check is not cause:
            for line in _remedy_lines(check, diagnosis, several=several):
                yield f"{'':{width + 12}}{line}"


def _remedy_lines(check: Check, diagnosis: Diagnosis, *, several: bool) -> Iterator[str]:
    """Yield the remedy, after a comment on the account if a command could run in another one.

    A certificate has the same ID in every account, so that its command would succeed there too.
    """
    if check.remedy is None:
        return
    role = diagnosis.credentials.role_arn
    if is_command(check.remedy) and (several or role is not None):
        named = diagnosis.account != diagnosis.account_id
        name = f" ({diagnosis.account})" if named else ""
        by_role = "" if role is None else f", with role {role} or one there that may write"
        yield f"# in account {diagnosis.account_id}{name}{by_role}"
    condition = "" if check.remedy_condition is None else f"{check.remedy_condition}: "
    yield f"remedy: {condition}{check.remedy}"


def as_json(diagnoses: Sequence[Diagnosis]) -> str:
    """Return a JSON list, in ASCII. Later versions may add keys, and never remove or change one."""
    return json.dumps([_diagnosis(diagnosis) for diagnosis in diagnoses], indent=2)


def _diagnosis(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "account": diagnosis.account,
        "account_id": diagnosis.account_id,
        "region": diagnosis.region,
        "verdict": diagnosis.verdict,
        "checks": [_check(check) for check in diagnosis.checks],
    }


def _check(check: Check) -> dict[str, object]:
    return {
        "check": check.check,
        "ok": check.ok,
        "finding": one_line(check.finding),
        "remedy": check.remedy,
        "remedy_condition": check.remedy_condition,
    }
