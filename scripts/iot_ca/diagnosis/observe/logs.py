"""Observe the log of AWS IoT and of a function. Read-only."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from iot_ca.diagnosis.facts import Log, LogEntry
from iot_ca.diagnosis.steps.log import GROUP
from iot_ca.provisioning.facts import Unreadable
from iot_ca.provisioning.observe.reading import Reader

_TOKEN = ("nextToken", "nextToken")
_PERIOD = timedelta(days=1)
_MAX_ENTRIES = 5
_MAX_LENGTH = 300


def observe_log(reader: Reader, certificate_id: str, now: datetime) -> Log | Unreadable:
    """Return AWS IoT's log of a device certificate in the last day."""
    options = reader.read("iot", "get_v2_logging_options")
    if isinstance(options, Unreadable):
        return options
    if options is None or not options.get("roleArn"):
        return Log(None)
    level = "DISABLED" if options.get("disableAllLogs") else options["defaultLogLevel"]
    if level == "DISABLED":
        return Log(level)
    events = _events(reader, GROUP, f'"{certificate_id}"', now)
    if isinstance(events, Unreadable):
        return Log(level, events)
    entries = [LogEntry(_time(event), _summary(event["message"])) for event in events]
    return Log(level, tuple(sorted(entries, key=lambda entry: entry.time)[-_MAX_ENTRIES:]))


def observe_errors(reader: Reader, function: str, now: datetime) -> tuple[str, ...] | Unreadable:
    """Return the last errors in a function's log of the last day."""
    events = _events(reader, f"/aws/lambda/{function}", "ERROR", now)
    if isinstance(events, Unreadable):
        return events
    ordered = sorted(events, key=_time)[-_MAX_ENTRIES:]
    return tuple(" ".join(str(event["message"]).split())[:_MAX_LENGTH] for event in ordered)


def _events(reader: Reader, group: str, pattern: str, now: datetime) -> Any:
    events = reader.read_pages(
        "logs",
        "filter_log_events",
        "events",
        _TOKEN,
        logGroupName=group,
        filterPattern=pattern,
        startTime=int((now - _PERIOD).timestamp() * 1000),
    )
    return [] if events is None else events


def _time(event: Any) -> datetime:
    return datetime.fromtimestamp(int(event["timestamp"]) / 1000, timezone.utc)


def _summary(message: str) -> str:
    """Return event, outcome and reason of an entry; an entry of another form as it is."""
    try:
        entry = json.loads(message)
        parts = [entry["eventType"], entry["status"], entry.get("reason"), entry.get("details")]
    except (ValueError, TypeError, KeyError, AttributeError):
        return message[:_MAX_LENGTH]
    return " ".join(str(part) for part in parts if part)[:_MAX_LENGTH]
