"""What a Terraform plan of one account says; drift_check.py imports it from its own folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

IN_SYNC, FAILURE, DRIFT = 0, 1, 2
WORDS = {IN_SYNC: "in sync", FAILURE: "failed", DRIFT: "drift"}
# Check blocks of the module that say how AWS differs; all others warn of something else.
DRIFT_CHECKS = ('check "drift"', 'check "deleted_outside_terraform"')
# What the module records for the program at destroy: in modules/registration and modules/jitr.
RECORDS = ("deregistration", "policy_release")
CALLER_NOTE = "the recorded credentials or Python command of destroy differ; not counted as drift"
VALUE_LIMIT = 40


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
        status: 0, 1 or 2, as the plan's exit status; 0 also if only CALLER_NOTE applies.
        drift: what differs, a sentence each.
        warnings: what else the plan warns of; it does not count.
        errors: why there was no plan.
        changes: what Terraform would change, a sentence each.
        notes: what else differs and does not count.
        applied: whether the account has a state.
    """

    account: Account
    status: int
    drift: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    applied: bool = True

    @property
    def word(self) -> str:
        """The status as a word."""
        return WORDS[self.status] if self.applied else "not applied"


def read_plan(
    account: Account,
    status: int,
    stdout: str,
    stderr: str = "",
    plan: Mapping[str, Any] | None = None,
) -> Report:
    """Return what a plan says.

    `status`, `stdout` and `stderr` are those of `terraform plan -detailed-exitcode -json`, whose
    output has one JSON document on each line; `plan` is what `terraform show -json` says of a plan
    with changes.
    """
    drift: list[str] = []
    warnings: list[str] = []
    errors: list[str] = []
    for line in stdout.splitlines():
        message = _message(line)
        if message.get("type") == "diagnostic":
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
    report = Report(account, status, _once(drift), _once(warnings), _once(errors))
    return report if status != DRIFT or plan is None else _with_changes(report, plan)


def _with_changes(report: Report, plan: Mapping[str, Any]) -> Report:
    """Return the report of a plan that is not empty, with what it changes.

    The format is that of https://developer.hashicorp.com/terraform/internals/json-format.
    """
    resources = [each for each in plan.get("resource_changes", []) if each["mode"] == "managed"]
    # A plan names what it leaves as it is, too: all are created only if there is no state.
    if resources and all(each["change"]["actions"] == ["create"] for each in resources):
        created = f"not applied yet: {len(resources)} to create"
        return replace(report, changes=(created,), applied=False)
    # Not what AWS has, but who runs the program: an apply and this check may differ in that.
    callers = [each for each in resources if _is_only_caller(each)]
    changes = [_sentence(each) for each in resources if _action(each) and each not in callers]
    outputs = [
        name
        for name, change in plan.get("output_changes", {}).items()
        if change["actions"] != ["no-op"]
    ]
    if outputs and not changes:
        changes.append(f"outputs change: {', '.join(outputs)}")
    return replace(
        report,
        status=DRIFT if changes or report.drift or not callers else IN_SYNC,
        changes=_once(changes),
        notes=(CALLER_NOTE,) if callers else (),
    )


def _action(resource: Mapping[str, Any]) -> str:
    """Return the action in a word; empty if there is none."""
    actions = resource["change"]["actions"]
    if actions == ["no-op"]:
        return "move" if "previous_address" in resource else ""
    return "replace" if {"create", "delete"} <= set(actions) else " and ".join(actions)


def _sentence(resource: Mapping[str, Any]) -> str:
    action, address = _action(resource), resource["address"]
    if action == "move":
        return f"would move {resource['previous_address']} to {address}"
    attributes = _attributes(resource["change"]) if action in ("update", "replace") else ""
    return f"would {action} {address}" + (f": {attributes}" if attributes else "")


def _attributes(change: Mapping[str, Any]) -> str:
    """Return the attributes that change, with values that are short, known and not sensitive."""
    before, after = change["before"] or {}, change["after"] or {}
    masks = [change.get(name) for name in ("before_sensitive", "after_sensitive")]
    texts = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        hidden = any(mask is True or (mask or {}).get(name) for mask in masks)
        values = [json.dumps(value) for value in (old, new)]
        shown = not any(isinstance(value, dict | list) for value in (old, new))
        if hidden or not shown or name not in after or max(map(len, values)) > VALUE_LIMIT:
            texts.append(name)
        else:
            texts.append(f"{name}: {values[0]} -> {values[1]}")
    return ", ".join(texts)


def _is_only_caller(resource: Mapping[str, Any]) -> bool:
    """Return whether a record changes only in who runs the program, and with which Python."""
    change = resource["change"]
    kind = (resource["type"], change["actions"])
    if kind != ("terraform_data", ["update"]) or resource["name"] not in RECORDS:
        return False
    try:
        before, after = _without_caller(change["before"]), _without_caller(change["after"])
    except (ValueError, TypeError, KeyError):
        return False
    return before == after


def _without_caller(record: Mapping[str, Any]) -> dict[str, Any]:
    # `output` is a copy of `input`, not yet known after a change.
    rest = {name: value for name, value in record.items() if name not in ("input", "output")}
    recorded = record["input"]
    request = dict((json.loads(recorded) if isinstance(recorded, str) else recorded)["request"])
    target = {key: value for key, value in request["target"].items() if key != "credentials"}
    return {**rest, "request": {**request, "target": target}}


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
