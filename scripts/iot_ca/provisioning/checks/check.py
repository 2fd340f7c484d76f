"""One check, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass

from iot_ca.provisioning.facts import Unreadable


@dataclass(frozen=True)
class Check:
    """One step that AWS IoT takes with a device.

    Attributes:
        check: its name.
        ok: None if it could not be determined.
        finding: what is so, or why that could not be read, in one line.
        remedy: what to do: a command for a shell, or words.
        remedy_condition: what must be so before the remedy is carried out, if only the user knows.
        decides: whether the device is let in depends on it.
        unreadable: whether it could not be determined because AWS did not let it be read.
        undecided: whether it could not be determined for another reason, which is the same for
            every device.
        resource: the name of what it is about, if it is known.
    """

    check: str
    ok: bool | None
    finding: str
    remedy: str | None = None
    decides: bool = True
    unreadable: bool = False
    remedy_condition: str | None = None
    undecided: bool = False
    resource: str | None = None


def not_readable(check: str, value: Unreadable, *, decides: bool = True) -> Check:
    """Return the check of what could not be read."""
    return Check(check, None, value.reason, decides=decides, unreadable=True)
