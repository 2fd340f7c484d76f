"""What one Terraform command said and did."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.control import Call
from tools.engine.terraform import Completed

PROGRAM = "terraform-aws-iot-ca"  # in the user agent of every call that the program makes


@dataclass(frozen=True)
class Outcome:
    """What one Terraform command said and did.

    Attributes:
        status: its exit status; with -detailed-exitcode 0 nothing to do, 2 changes.
        changes: the planned action by address.
        warnings, errors: the lines of its diagnostics.
        outputs: the root module's outputs after an apply.
        calls: the AWS calls that came in while it ran, in order.
    """

    completed: Completed
    changes: Mapping[str, str]
    warnings: Sequence[str]
    errors: Sequence[str]
    outputs: Mapping[str, Any]
    calls: Sequence[Call]

    @property
    def status(self) -> int:
        """The exit status."""
        return self.completed.status

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.completed.stdout + self.completed.stderr

    @property
    def writes(self) -> list[str]:
        """The operations that can change something."""
        return [call.operation for call in self.calls if call.write]

    def calls_about(self, certificate_id: str, *, write: bool | None = None) -> list[str]:
        """The operations that named a CA certificate, by ID or ARN."""
        return [
            call.operation
            for call in self.calls
            if write in (None, call.write)
            and (
                call.parameters.get("certificateId") == certificate_id
                or call.parameters.get("resourceArn", "").endswith(certificate_id)
            )
        ]

    def position(self, operation: str, **parameters: str) -> int:
        """Where in the calls the first successful one with these parameters is."""
        for index, call in enumerate(self.calls):
            if (
                call.operation == operation
                and call.error is None
                and parameters.items() <= call.parameters.items()
            ):
                return index
        raise AssertionError(f"no {operation} {parameters} in {self.calls}")

    def warning(self, name: str) -> list[str]:
        """The lines of warnings about one CA."""
        return [line for line in self.warnings if line.startswith(f"{name} (")]

    def error(self, name: str) -> str:
        """The one line of errors about a CA; CAs with the same trouble may share it."""
        about = [
            line
            for line in self.errors
            if "iot_ca: " in line
            and name in line.partition("iot_ca: ")[2].partition(" (account")[0].split(", ")
        ]
        assert len(about) == 1, (name, self.errors)
        return about[0]


def read_outcome(completed: Completed, calls: Sequence[Call]) -> Outcome:
    """What a command with -json said, one JSON document on each line."""
    changes: dict[str, str] = {}
    warnings: list[str] = []
    errors: list[str] = []
    outputs: dict[str, Any] = {}
    for line in completed.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        match message.get("type"):
            case "planned_change":
                change = message["change"]
                changes[change["resource"]["addr"]] = change["action"]
            case "diagnostic":
                diagnostic = message["diagnostic"]
                text = f"{diagnostic['summary']}\n{diagnostic['detail']}"
                lines = [line.strip() for line in text.splitlines() if line.strip()]
                (errors if diagnostic["severity"] == "error" else warnings).extend(lines)
            case "outputs":
                found = message["outputs"]
                outputs = {name: each.get("value") for name, each in found.items()}
    changes = {k: v for k, v in changes.items() if v not in ("noop", "read")}
    return Outcome(completed, changes, warnings, errors, outputs, calls)
