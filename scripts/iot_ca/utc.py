"""The current time in UTC, and times as text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A moment that no datetime can hold is replaced by the nearest one.
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_LAST = datetime.max.replace(microsecond=0, tzinfo=timezone.utc)


def now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(timezone.utc)


def rfc3339(moment: datetime) -> str:
    """Return a UTC time as RFC 3339 text to the second, as Terraform's time functions read it."""
    # Not strftime: C libraries differ in whether %Y has four digits before the year 1000.
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def from_epoch(seconds: float) -> datetime:
    """Return a UTC time from seconds since 1970, as AWS's JSON has them.

    Computed without the local time zone: in one east of UTC, the last second of the year 9999,
    which RFC 5280 has for "no expiration", is beyond what a datetime can hold. Without the C
    library either, which on some systems has no time before 1970 or after 2038.

    Raises ValueError for NaN.
    """
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return _FIRST if seconds < 0 else _LAST
