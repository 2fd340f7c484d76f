"""What all forms of a report share: the findings, the headline, and words for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iot_ca.fleet.report import Report, Row, State, Unlisted, UnlistedRow

# A state is recognised by its sign and its word; its colour only emphasises them.
SIGNS: dict[State, str] = {
    "failed": "✕",
    "drifted": "≠",
    "faulty": "✕",
    "not readable": "?",
    "unknown": "?",
    "expired": "✕",
    "expiring": "!",
    "in sync": "✓",
}

_MAX_ACCOUNTS_NAMED = 5
_SHORT_ID_CHARACTERS = 12
_MANAGED = {"registered": "registered by this module"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, what to do about it, and the rows that it is wrong with.

    `next_step` is empty if the text says what to do.
    """

    state: State
    text: str
    next_step: str
    rows: tuple[Row, ...]

    @property
    def where(self) -> str:
        """The accounts with their Regions and CAs, in words; at most five accounts are named."""
        cas: dict[tuple[str, str], dict[str, list[str]]] = {}
        for row in self.rows:
            by_region = cas.setdefault((row.account, row.account_id), {})
            by_region.setdefault(row.region, []).append(row.ca)
        accounts = [
            f"{account} {account_id}: {_regions_in_words(by_region)}"
            for (account, account_id), by_region in cas.items()
        ]
        more = len(accounts) - _MAX_ACCOUNTS_NAMED
        rest = f"; and {count(more, 'more account')}" if more > 0 else ""
        return "; ".join(accounts[:_MAX_ACCOUNTS_NAMED]) + rest


def findings(report: Report) -> list[Finding]:
    """Return everything that is wrong, worst first, each thing once for all rows that have it."""
    rows: dict[tuple[State, str, str], list[Row]] = {}
    for row in report.rows:
        if row.wrong:
            key = row.state, "; ".join(row.wrong), "; ".join(row.next_steps)
            rows.setdefault(key, []).append(row)
    return [Finding(*key, tuple(affected)) for key, affected in rows.items()]


def headline(report: Report) -> str:
    """Return the number of rows, and of rows in each state, in one sentence."""
    counts = ", ".join(f"{number} {state}" for state, number in report.counts.items() if number)
    accounts = len({row.account_id for row in report.rows})
    regions = len({row.region for row in report.rows})
    cas = len({row.ca for row in report.rows})
    return (
        f"{count(cas, 'CA')} in {count(accounts, 'account')} and {count(regions, 'region')}: "
        f"{counts or 'nothing to look at'}"
    )


def short_id(certificate_id: str) -> str:
    """Return the first characters of a certificate ID, by which a reader recognises it."""
    return certificate_id[:_SHORT_ID_CHARACTERS]


def managed_in_words(managed: str | None) -> str | None:
    """Return whether this module registered the CA or adopted it; None if it does neither."""
    return None if managed is None else _MANAGED.get(managed, managed)


def provisioning_in_words(row: Row) -> str | None:
    """Return what provisions a CA's devices, and whether it works; None if that is not known."""
    provisioning = row.provisioning
    if provisioning is None:
        return None if row.template is None else f"JITP {row.template}"
    if provisioning.type == "not readable":
        return provisioning.type
    name = provisioning.name or (row.template if provisioning.type == "JITP" else None)
    words = provisioning.type if name is None else f"{provisioning.type} {name}"
    health = provisioning.health
    return words if health == "ok" else f"{words}, {health}"


def devices_in_words(row: Row | UnlistedRow) -> str | None:
    """Return how many device certificates a CA has, and how many of these are pending."""
    devices = row.devices
    if devices is None:
        return None
    number = f"{devices.count}{'+' if devices.more else ''}"
    return f"{number} ({devices.pending} pending)" if devices.pending else number


def unreadable_rows(unlisted: Unlisted) -> list[tuple[str, str]]:
    """Return each CA of which something could not be read: where it is, and the reason."""
    return [
        (
            f"{row.account} {row.account_id}: {row.region} ({short_id(row.certificate_id)})",
            row.unreadable,
        )
        for row in unlisted.rows
        if row.unreadable is not None
    ]


def unlisted_headline(unlisted: Unlisted) -> str:
    """Return how many CAs the files do not name, in one sentence."""
    rows = unlisted.rows
    if not rows:
        return "every CA that could be listed is in the file"
    return f"{count(len(rows), 'registered CA')} that the file does not name"


def days_in_words(days: int) -> str:
    """Return the time until a certificate expires, in short."""
    return "expired" if days < 0 else count(days, "day")


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural except for 1."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _regions_in_words(cas_by_region: dict[str, list[str]]) -> str:
    """Return the Regions with their CAs; Regions with the same CAs together."""
    regions: dict[tuple[str, ...], list[str]] = {}
    for region, cas in cas_by_region.items():
        regions.setdefault(tuple(cas), []).append(region)
    return ", ".join(f"{', '.join(names)} ({', '.join(cas)})" for cas, names in regions.items())
