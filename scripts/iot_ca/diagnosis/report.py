"""What a diagnosis says: checks in the order of a connection, and the verdict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from iot_ca.fleet.report import DRIFT_EXIT_STATUS, FAILURE_EXIT_STATUS
from iot_ca.model import Credentials
from iot_ca.provisioning.checks.check import Check

Verdict = Literal["let in", "would be provisioned", "refused", "unknown"]

REFUSED_EXIT_STATUS = DRIFT_EXIT_STATUS
UNKNOWN_EXIT_STATUS = FAILURE_EXIT_STATUS


@dataclass(frozen=True)
class Diagnosis:
    """The checks of one account and Region, and what follows from them.

    `account` is its name in the accounts file, or its ID without one. `credentials` are those that
    it was read with.
    """

    account: str
    account_id: str
    region: str
    verdict: Verdict
    checks: tuple[Check, ...]
    credentials: Credentials = field(default_factory=Credentials)

    @property
    def cause(self) -> Check | None:
        """The first step that keeps the device out; None if there is none."""
        return next((check for check in self.checks if check.decides and check.ok is False), None)


def verdict(checks: Sequence[Check], *, active: bool) -> Verdict:
    """Return what the checks come to; `active` if the device's certificate is registered so."""
    answers = {check.ok for check in checks if check.decides}
    if False in answers:
        return "refused"
    if None in answers:
        return "unknown"
    return "let in" if active else "would be provisioned"


def exit_status(diagnoses: Sequence[Diagnosis]) -> int:
    """Return 1 if one account could not be determined, else 2 if one refuses the device, else 0.

    As with `status`, what could not be read takes precedence.
    """
    verdicts = {diagnosis.verdict for diagnosis in diagnoses}
    if "unknown" in verdicts:
        return UNKNOWN_EXIT_STATUS
    return REFUSED_EXIT_STATUS if "refused" in verdicts else 0
