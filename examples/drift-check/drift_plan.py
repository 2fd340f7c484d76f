"""What a Terraform plan of one account says; drift_check.py imports it from its own folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

IN_SYNC, FAILURE, DRIFT = 0, 1, 2
WORDS = {IN_SYNC: "in sync", FAILURE: "failed", DRIFT: "drift"}
# Check blocks of the module that say how AWS differs; all others warn of something else.
DRIFT_CHECKS = ('check "drift"', 'check "deleted_outside_terraform"')


@dataclass(frozen=True)
class Account:
    """An account and region; its name is that of its workspace."""

    name: str
    account_id: str
    region: str


@dataclass(frozen=True)
class Report:
    """What a plan found in one account.

    Attributes:
        status: exit status of the plan: 0, 1 or 2.
        drift: what differs, a sentence each.
        warnings: what else the plan warns of; it does not count.
        errors: why there was no plan.
        changes: addresses of what Terraform would change.
    """

    account: Account
    status: int
    drift: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def read_plan(account: Account, status: int, stdout: str, stderr: str = "") -> Report:
    """What `terraform plan -detailed-exitcode -json` said, one JSON document on each line."""
    drift: list[str] = []
    warnings: list[str] = []
    errors: list[str] = []
    changes: list[str] = []
    for line in stdout.splitlines():
        message = _message(line)
        if message.get("type") == "planned_change":
            changes.append(message["change"]["resource"]["addr"])
        elif message.get("type") == "diagnostic":
            diagnostic = message["diagnostic"]
            sentences = _sentences(diagnostic)
            if diagnostic["severity"] == "error":
                errors.append(one_line("\n".join([diagnostic["summary"], *sentences])))
            elif (diagnostic.get("snippet") or {}).get("context") in DRIFT_CHECKS:
                drift += sentences
            else:
                warnings += sentences
    if status not in WORDS or (status == FAILURE and not errors):
        said = one_line(stderr) or "no message"
        errors.append(f"terraform ended with status {status}: {said}")
        status = FAILURE
    return Report(
        account,
        status,
        drift=_once(drift),
        warnings=_once(warnings),
        errors=_once(errors),
        changes=_once(changes),
    )


def _message(line: str) -> dict[str, Any]:
    """A line as JSON; empty for one that is not, such as what a wrapper or a crash prints."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentences(diagnostic: Mapping[str, str]) -> list[str]:
    lines = (line.strip() for line in (diagnostic.get("detail") or "").splitlines())
    return [line for line in lines if line] or [diagnostic["summary"]]


def one_line(text: str) -> str:
    """Return the text of a message without Terraform's frame and line breaks."""
    return " ".join(re.sub(r"[│╷╵]", " ", text).split())


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
