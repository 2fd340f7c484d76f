"""What happened to devices and because of them: what AWS IoT's logs would say. No I/O."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class DeviceEvent:
    """One entry.

    kind, outcome:
        ``connection``: ``refused``, ``provisioned``, ``provisioning-failed`` or ``registered``
        (all three a first contact, which ends the connection), ``connected``, ``disconnected``,
        ``not-published`` (of the event of JITR);
        ``rule``: ``failed``, of a topic rule;
        ``function``: ``succeeded`` or ``failed``, one entry for each try.
    name: the client ID, the rule or the function.
    reason: why it was refused, failed or ended.
    log: what the function printed, at its end.
    """

    kind: str
    outcome: str
    region: str
    account: str | None = None
    name: str | None = None
    certificate_id: str | None = None
    server_name: str | None = None
    reason: str | None = None
    log: str | None = None
    time: float = field(default_factory=time.time)


class DeviceLog:
    """The entries so far, and whether anything is still under way. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: list[DeviceEvent] = []
        self._under_way = 0
        self.era = 0

    def add(self, event: DeviceEvent, era: int) -> None:
        """Add an entry of what began in ``era``; what comes in after a reset is left out."""
        with self._changed:
            if era == self.era:
                self._events.append(event)

    def forget(self) -> None:
        """Forget the entries."""
        with self._changed:
            self._events.clear()

    def reset(self) -> None:
        """Forget the entries and begins a new era."""
        with self._changed:
            self._events.clear()
            self.era += 1

    def begin(self) -> None:
        """Something has begun that :meth:`settle` waits for."""
        with self._changed:
            self._under_way += 1

    def end(self) -> None:
        """It has ended."""
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is under way any more; returns whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._under_way, seconds)

    def matching(self, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the entries whose fields equal ``wanted``, as JSON objects."""
        with self._changed:
            events = [asdict(event) for event in self._events]
        return [e for e in events if all(str(e.get(k)) == v for k, v in wanted.items())]
