"""The folder of plans: of each account the plan, a report of it, and whether it was applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from terraform import one_line

NO_CHANGES, FAILED, CHANGES = 0, 1, 2
WORDS = {NO_CHANGES: "no changes", FAILED: "failed", CHANGES: "changes"}
# What a reader must see comes first: what is deleted, and what the module warns of.
WARNING, OTHER, OUTPUT = 2, 3, 5
RANKS = {"delete": 0, "remove": 1, "replace": 1, "update": OTHER, "create": 4}


@dataclass(frozen=True)
class Report:
    """The result of a plan.

    Attributes:
        status: that of `terraform plan -detailed-exitcode`: 0, 1 or 2.
        counts: how much is created, updated and deleted, such as `+3 ~2 -1`.
        what: each change and warning, the most important first; of a failed plan the errors.
    """

    status: int
    counts: str = ""
    what: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plans:
    """The files of each account in one folder."""

    folder: Path

    def plan_file(self, name: str) -> Path:
        """Return where Terraform keeps the account's plan."""
        return self.folder / f"{name}.tfplan"

    def variables_file(self, name: str) -> Path:
        """Return where the variables of the account's plan are."""
        return self.folder / f"{name}.tfvars.json"

    def clear(self, name: str) -> None:
        """Delete what an earlier run has left of an account."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = (self.plan_file(name), self._report_file(name), self._applied_file(name))
        for path in files:
            path.unlink(missing_ok=True)

    def keep(self, name: str, report: Report) -> None:
        """Write the report of an account's plan."""
        self._report_file(name).write_text(json.dumps(asdict(report)), encoding="utf-8")

    def report(self, name: str) -> Report:
        """Return the report of an account's plan; one that is missing or unreadable has failed."""
        try:
            kept = json.loads(self._report_file(name).read_text(encoding="utf-8"))
            report = Report(kept["status"], str(kept["counts"]), tuple(map(str, kept["what"])))
        except OSError:
            return Report(FAILED, what=("no plan: its job ended before (credentials?)",))
        except (ValueError, KeyError, TypeError):
            return Report(FAILED, what=("its report can't be read",))
        known = report.status in WORDS
        return report if known else Report(FAILED, what=("its report can't be read",))

    def set_applied(self, name: str) -> None:
        """Record that the account's plan was applied."""
        self._applied_file(name).write_text(self._digest(name), encoding="utf-8")

    def is_applied(self, name: str) -> bool:
        """Return whether this plan was applied: not an earlier one, of an earlier run."""
        try:
            return self._applied_file(name).read_text(encoding="utf-8") == self._digest(name)
        except OSError:
            return False

    def _report_file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _applied_file(self, name: str) -> Path:
        return self.folder / f"{name}.applied"

    def _digest(self, name: str) -> str:
        return hashlib.sha256(self.plan_file(name).read_bytes()).hexdigest()


def report_of(status: int, stdout: str, stderr: str) -> Report:
    """Return the report of `terraform plan -detailed-exitcode -json`."""
    errors: list[str] = []
    ranked: list[tuple[int, str]] = []
    actions: list[str] = []
    for message in _messages(stdout):
        if message.get("type") == "planned_change":
            action = message["change"]["action"]
            actions.append(action)
            address = message["change"]["resource"]["addr"]
            ranked.append((RANKS.get(action, OTHER), f"{action} {address}"))
        elif message.get("type") == "outputs":
            ranked += [
                (OUTPUT, f"{output['action']} output.{name}")
                for name, output in message["outputs"].items()
                if output.get("action", "noop") != "noop"
            ]
        elif message.get("type") == "diagnostic":
            diagnostic = message["diagnostic"]
            text = one_line(diagnostic.get("detail") or diagnostic["summary"])
            if diagnostic["severity"] == "error":
                errors.append(text)
            else:
                ranked.append((WARNING, f"warning: {text}"))
    if status not in (NO_CHANGES, CHANGES):
        said = one_line(stderr) or "no message"
        return Report(
            FAILED, what=tuple(errors) or (f"terraform ended with status {status}: {said}",)
        )
    what = [text for _, text in sorted(ranked, key=lambda item: item[0])]
    return Report(status, _counts(actions) if status == CHANGES else "", tuple(what))


def _counts(actions: list[str]) -> str:
    created, updated, deleted, replaced = map(
        actions.count, ("create", "update", "delete", "replace")
    )
    return f"+{created + replaced} ~{updated} -{deleted + replaced}"


def _messages(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects that Terraform has printed, one on each line."""
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message
