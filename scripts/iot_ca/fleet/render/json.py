"""A report as JSON, for programs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from iot_ca.fleet.render.text import is_visible
from iot_ca.utc import rfc3339

if TYPE_CHECKING:
    from iot_ca.fleet.assessment import Report, Row


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
            "counts": {state.replace(" ", "_"): n for state, n in report.counts.items()},
            "notes": list(report.notes),
            "certificate_authorities": [_row(row) for row in report.rows],
        },
        indent=2,
        ensure_ascii=ascii_only,
    )
    return _BEYOND_ASCII.sub(_escaped_if_invisible, text)


def _escaped_if_invisible(match: re.Match[str]) -> str:
    return match[0] if is_visible(match[0]) else json.dumps(match[0])[1:-1]


def _row(row: Row) -> dict[str, object]:
    facts = asdict(row)
    del facts["auto_registration"]
    return {
        **facts,
        "state": row.state.replace(" ", "_"),
        "wrong": list(row.wrong),
        "not_after": rfc3339(row.not_after),
        "auto_registration_status": row.auto_registration_status,
    }
