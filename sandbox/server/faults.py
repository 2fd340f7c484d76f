"""Failures ordered for the next calls, so that a client meets them early and on purpose."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sandbox.errors import AWSError, well_known_error
from sandbox.server.calls import Call

# What IoT answers with a status of its own, services of the json protocol answer with 400 (their
# API references).
IN_JSON_BAD_REQUESTS = {
    "AccessDeniedException",
    "LimitExceededException",
    "ResourceNotFoundException",
}

KINDS = ("throttling", "error", "cut_before", "cut_after", "latency")


@dataclass
class Fault:
    """One ordered failure.

    kind: ``throttling`` and ``error`` answer with an AWS error; ``cut_before`` closes the
        connection before the call has an effect; ``cut_after`` lets it have its effect, then
        closes the connection; ``latency`` only waits.
    service, operation, account, region: which calls; None or ``*`` matches any.
    skip: how many matching calls pass unharmed first.
    times: how many matching calls it hits then; None for all from there on.
    code, status, message: of an ``error`` (or of a ``throttling`` with another code or status).
    seconds: how long to wait first, for every kind.
    """

    kind: str
    service: str | None = None
    operation: str | None = None
    account: str | None = None
    region: str | None = None
    skip: int = 0
    times: int | None = 1
    code: str | None = None
    status: int | None = None
    message: str | None = None
    seconds: float = 0.0

    def matches(self, call: Call) -> bool:
        """Return whether this fault is meant for ``call``."""
        return all(
            wanted in (None, "*", actual)
            for wanted, actual in (
                (self.service, call.service),
                (self.operation, call.operation),
                (self.account, call.account),
                (self.region, call.region),
            )
        )


def parse_fault(document: Mapping[str, Any]) -> Fault:
    """Return the fault that a JSON object orders. Raises ValueError with what is wrong with it."""
    known = {f.name for f in fields(Fault)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    if document.get("kind") not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    fault = Fault(**document)
    for name in ("service", "operation", "account", "region", "code", "message"):
        if not isinstance(getattr(fault, name), str | None):
            raise ValueError(f"{name} must be text")
    for name, least in (("skip", 0), ("times", 1), ("status", 400)):
        value = getattr(fault, name)
        if value is None and name != "skip":
            continue
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a number, at least {least}")
    if not isinstance(fault.seconds, int | float) or fault.seconds < 0:
        raise ValueError("seconds must be a number, at least 0")
    if fault.kind == "error" and not fault.code:
        raise ValueError("an error needs a code, for example InternalFailureException")
    return fault


def error_of(fault: Fault, protocol: str) -> AWSError:
    """Return the AWS error that ``fault`` answers with, as ``protocol`` names it."""
    usual = "ThrottlingException" if protocol in {"rest-json", "json"} else "Throttling"
    error = well_known_error(fault.code or usual, fault.status, fault.message)
    if protocol == "json" and fault.status is None and error.code in IN_JSON_BAD_REQUESTS:
        error.status = 400
    return error


class FaultList:
    """The faults still to come, in the order in which they were ordered. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Add ``fault`` behind those already ordered."""
        with self._lock:
            self._faults.append(fault)

    def forget(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[dict[str, Any]]:
        """Return the faults still to come, as JSON objects; ``times`` counts down."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, call: Call) -> list[Fault]:
        """Return the faults that hit ``call``.

        Any latencies, then at most one fault of another kind.

        Each counts down. A later fault for the same calls waits until the earlier is used up.
        """
        hits: list[Fault] = []
        with self._lock:
            for fault in self._faults:
                if not fault.matches(call):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                hits.append(fault)
                if fault.kind != "latency":
                    break
            self._faults = [fault for fault in self._faults if fault.times != 0]
        return hits
