"""A report as JSON, for programs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from iot_ca.errors import one_line
from iot_ca.fleet.render.text import is_visible
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from iot_ca.fleet.report import Provisioning, Report, Row, Unlisted, UnlistedRow
    from iot_ca.provisioning.facts import DeviceCertificates


# All that `json.dumps` leaves as it is and a terminal might not show.
_BEYOND_ASCII = re.compile(r"[^\n -~]")


def render(report: Report, *, ascii_only: bool = False) -> str:
    """Return one JSON object. Later versions may add keys, and never remove or change one.

    Control characters are escaped, and with `ascii_only` all characters that are not ASCII.
    """
    text = json.dumps(
        {
            "looked_up": rfc3339(report.moment),
            "exit_status": report.exit_status,
            "expiry_warning_days": report.warning_days,
            "counts": {_word(state): n for state, n in report.counts.items()},
            "notes": list(report.notes),
            "certificate_authorities": [_row(row) for row in report.rows],
            "unlisted": _unlisted(report.unlisted),
        },
        indent=2,
        ensure_ascii=ascii_only,
    )
    return _BEYOND_ASCII.sub(_escaped_if_invisible, text)


def _escaped_if_invisible(match: re.Match[str]) -> str:
    return match[0] if is_visible(match[0]) else json.dumps(match[0])[1:-1]


def _row(row: Row) -> dict[str, object]:
    facts = asdict(row)
    del facts["auto_registration"], facts["devices"]
    return {
        **facts,
        "state": _word(row.state),
        "wrong": list(row.wrong),
        "next_steps": list(row.next_steps),
        "wrong_columns": list(row.wrong_columns),
        "not_after": rfc3339(row.not_after),
        "auto_registration_status": row.auto_registration_status,
        "provisioning": _provisioning(row.provisioning),
        "device_certificates": _devices(row.devices),
    }


def _provisioning(provisioning: Provisioning | None) -> dict[str, object] | None:
    """Return what provisions a CA's devices; the checks have the form of those of `diagnose`."""
    if provisioning is None:
        return None
    return {
        "type": _word(provisioning.type),
        "name": provisioning.name,
        "health": _word(provisioning.health),
        "checks": [
            {
                "check": check.check,
                "ok": check.ok,
                "finding": one_line(check.finding),
                "remedy": check.remedy,
            }
            for check in provisioning.checks
        ],
    }


def _devices(devices: DeviceCertificates | None) -> dict[str, object] | None:
    if devices is None:
        return None
    return {
        "count": devices.count,
        "pending_activation": devices.pending,
        "more": devices.more,
    }


def _unlisted(unlisted: Unlisted | None) -> dict[str, object] | None:
    if unlisted is None:
        return None
    return {
        "certificate_authorities": [_unlisted_row(row) for row in unlisted.rows],
        "failures": [{"where": where, "reason": reason} for where, reason in unlisted.failures],
    }


def _unlisted_row(row: UnlistedRow) -> dict[str, object]:
    facts = asdict(row)
    del facts["devices"]
    return {
        **facts,
        "not_after": None if row.not_after is None else rfc3339(row.not_after),
        "device_certificates": _devices(row.devices),
    }


def _word(text: str) -> str:
    """Return words as one word, such as `in_sync`."""
    return text.replace(" ", "_")
