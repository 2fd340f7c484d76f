"""Event messages: which types an account has enabled in a Region.

Sources: the API reference of ``UpdateEventConfigurations``; the AWS IoT developer guide, "Event
messages", where the types have to be enabled before anything is published, ``CA_CERTIFICATE`` among
them. Its pages on just-in-time registration do not mention that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sandbox.iot.refusals import check_member, invalid_request

TYPES = (
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
    "JOB",
    "JOB_EXECUTION",
    "POLICY",
    "CERTIFICATE",
    "CA_CERTIFICATE",
)


@dataclass
class EventConfigurations:
    """The types of events that are enabled; none at first (seen in published answers of AWS).

    Whether AWS IoT publishes the events of JITR without CA_CERTIFICATE, its documents leave open.
    It does here, unless ``count`` is set, for all accounts.
    """

    count: ClassVar[bool] = False

    enabled: set[str] = field(default_factory=set)
    created: datetime | None = None
    modified: datetime | None = None

    def publish(self, event_type: str) -> bool:
        """Return whether events of this type are published."""
        return event_type in self.enabled or not self.count

    def update(self, document: object, now: datetime) -> None:
        """Enable or disable the types that the document names; the others stay (PATCH; guide)."""
        if not isinstance(document, Mapping):
            raise invalid_request("eventConfigurations must be an object")
        wanted: dict[str, Any] = dict(document)
        for name, configuration in wanted.items():
            check_member("eventConfigurations", name, TYPES)
            if not isinstance(configuration, Mapping) or not isinstance(
                configuration.get("Enabled", False), bool
            ):
                raise invalid_request(f"{name} must be an object with Enabled true or false")
        for name, configuration in wanted.items():
            change = self.enabled.add if configuration.get("Enabled") else self.enabled.discard
            change(name)
        self.created = self.created or now
        self.modified = now
