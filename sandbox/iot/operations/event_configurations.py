"""Event configurations: the operations."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from sandbox.iot.events import TYPES
from sandbox.iot.operations.request import IoTRequest, utc_now


class EventConfigurationOperations(IoTRequest):
    """The operations on event configurations, which moto lacks."""

    def describe_event_configurations(self) -> ActionResult:
        """DescribeEventConfigurations."""
        events = self.backend.events
        answer: dict[str, Any] = {
            "eventConfigurations": {name: {"Enabled": name in events.enabled} for name in TYPES}
        }
        if events.created is not None:
            answer |= {"creationDate": events.created, "lastModifiedDate": events.modified}
        return ActionResult(answer)

    def update_event_configurations(self) -> ActionResult:
        """UpdateEventConfigurations."""
        self.backend.events.update(self.document.get("eventConfigurations", {}), utc_now())
        return EmptyResult()
