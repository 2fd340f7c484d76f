"""The current time in UTC, and times as text."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(timezone.utc)


def rfc3339(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 text to the second, as Terraform's time functions read it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
