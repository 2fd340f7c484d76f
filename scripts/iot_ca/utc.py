"""Moments in UTC, and their text."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """This moment, timezone-aware."""
    return datetime.now(timezone.utc)


def rfc3339(moment: datetime) -> str:
    """A UTC moment as RFC 3339 text to the second, as Terraform's time functions take it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
