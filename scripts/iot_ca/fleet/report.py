"""A report on a fleet: the state of each CA in each account and Region. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from iot_ca import model
from iot_ca.provisioning.checks.ca import DEAD_LETTERS, Kind
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import DeviceCertificates

# `faulty`: what provisions the CA's devices does not work. `not readable`: whether it works could
# not be read. `unknown`: it was read, and does not say whether devices are provisioned.
State = Literal[
    "failed",
    "drifted",
    "faulty",
    "not readable",
    "unknown",
    "expired",
    "expiring",
    "in sync",
]

# Worst first.
STATES: tuple[State, ...] = (
    "failed",
    "drifted",
    "faulty",
    "not readable",
    "unknown",
    "expired",
    "expiring",
    "in sync",
)

FAILURE_EXIT_STATUS = 1
DRIFT_EXIT_STATUS = 2

EXPIRY_WARNING_DAYS = 90

# What a column of a table shows, by which a wrong cell is marked.
Column = Literal["mode", "status", "auto-registration", "provisioning", "devices", "managed"]

Health = Literal["ok", "faulty", "not readable", "unknown"]


@dataclass(frozen=True)
class Provisioning:
    """What provisions the devices of a CA.

    Attributes:
        type: JITP, JITR or none; `not readable` if the topic rules could not be read.
        name: that of the template or the rule; None if there is none.
        checks: whether it works, as `diagnose` checks it.
        is_retired: whether the CA is INACTIVE, as the files want it, and so takes no new devices.
    """

    type: Kind
    name: str | None = None
    checks: tuple[Check, ...] = ()
    is_retired: bool = False

    @property
    def counted(self) -> tuple[Check, ...]:
        """The checks that count: of a retired CA only that of events that failed before."""
        if not self.is_retired:
            return self.checks
        return tuple(check for check in self.checks if check.check == DEAD_LETTERS)

    @property
    def health(self) -> Health:
        """Whether all of it works, as far as that can be known without a device."""
        if any(check.ok is False for check in self.counted):
            return "faulty"
        if any(check.unreadable for check in self.counted):
            return "not readable"
        return "unknown" if any(check.undecided for check in self.counted) else "ok"


@dataclass(frozen=True)
class Row:
    """One CA in one account and Region.

    Attributes:
        account, ca: their names in the files.
        state: the worst one that applies.
        wrong: what is wrong, in words; empty if nothing is.
        next_steps: what to do about it, each step once.
        wrong_columns: the columns of a table that are wrong.
        wanted_mode, wanted_status: as the files configure them.
        not_after, days: when the certificate expires, and the whole days until then.
        registered: None if the lookup failed.
        mode ... revision: as AWS has them; None if AWS has none, or if the lookup failed.
        managed: `registered` or `adopted` by the module; None if the module does not manage the CA.
        provisioning: None if the CA is not registered, or if it was not looked up.
        devices: the certificates of the CA's devices; None as for provisioning, or not readable.
    """

    account: str
    account_id: str
    region: str
    ca: str
    certificate_id: str
    state: State
    wrong: tuple[str, ...]
    wanted_mode: str
    wanted_status: str
    not_after: datetime
    days: int
    registered: bool | None = None
    mode: str | None = None
    status: str | None = None
    auto_registration: bool | None = None
    template: str | None = None
    managed: str | None = None
    revision: str | None = None
    next_steps: tuple[str, ...] = ()
    wrong_columns: tuple[Column, ...] = ()
    provisioning: Provisioning | None = None
    devices: DeviceCertificates | None = None

    @property
    def auto_registration_status(self) -> str | None:
        """Auto-registration in AWS IoT's words, `ENABLE` or `DISABLE`."""
        flag = self.auto_registration
        return None if flag is None else model.auto_registration_status(flag)


@dataclass(frozen=True)
class UnlistedRow:
    """One CA that is registered in an account and Region and that the files do not name there.

    Attributes:
        account: its name in the files.
        subject ... devices: None if not readable.
        unreadable: why something could not be read; None if all could.
    """

    account: str
    account_id: str
    region: str
    certificate_id: str
    status: str
    subject: str | None = None
    mode: str | None = None
    not_after: datetime | None = None
    days: int | None = None
    devices: DeviceCertificates | None = None
    unreadable: str | None = None


@dataclass(frozen=True)
class Unlisted:
    """The CAs that the files do not name.

    Attributes:
        rows: one for each.
        failures: the accounts and Regions whose CAs could not be listed, each with the reason.
    """

    rows: tuple[UnlistedRow, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """All rows, worst first, and the time of the lookup.

    `notes` are remarks on the files, `unlisted` is None if these CAs were not looked up.
    """

    rows: tuple[Row, ...]
    moment: datetime
    warning_days: int = EXPIRY_WARNING_DAYS
    notes: tuple[str, ...] = ()
    unlisted: Unlisted | None = None

    @property
    def counts(self) -> dict[State, int]:
        """The number of rows in each state, worst first."""
        states = [row.state for row in self.rows]
        return {state: states.count(state) for state in STATES}

    @property
    def exit_status(self) -> int:
        """1 if something could not be looked up, else 2 if a CA has drifted or is faulty, else 0.

        A failure takes precedence, as in Terraform: without that lookup, drift is not known. So
        does what is unknown, as in `diagnose`. A CA that the files do not name is not drift: no
        file says that it must not be there.
        """
        counts = self.counts
        failures = counts["failed"] + counts["not readable"] + counts["unknown"]
        if failures or self.is_unlisted_unreadable:
            return FAILURE_EXIT_STATUS
        return DRIFT_EXIT_STATUS if counts["drifted"] or counts["faulty"] else 0

    @property
    def is_unlisted_unreadable(self) -> bool:
        """Whether CAs that the files do not name could not be listed or read."""
        unlisted = self.unlisted or Unlisted()
        return bool(unlisted.failures) or any(row.unreadable for row in unlisted.rows)
