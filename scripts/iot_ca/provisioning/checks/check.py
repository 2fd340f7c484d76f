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
        decides: whether the device is let in depends on it.
        unreadable: whether it could not be determined because AWS did not let it be read.
    """

    check: str
    ok: bool | None
    finding: str
    remedy: str | None = None
    decides: bool = True
    unreadable: bool = False


def not_readable(check: str, value: Unreadable, *, decides: bool = True) -> Check:
    """Return the check of what could not be read."""
    return Check(check, None, value.reason, decides=decides, unreadable=True)
