"""Where the device must connect in this account and Region. Pure.

Source: AWS IoT developer guide, "AWS IoT device data and service endpoints" and "Transport
security": the server name (SNI) is the endpoint's name.
"""

from __future__ import annotations

from iot_ca.diagnosis.facts import Observation
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Unreadable

_NAME = "endpoint"


def check(seen: Observation) -> Check:
    """Say which endpoint and server name the device must use; which it does use is not known."""
    if isinstance(seen.endpoint, Unreadable):
        return Check(_NAME, None, seen.endpoint.reason, decides=False)
    finding = f"the device must connect to {seen.endpoint} and send this server name (SNI)"
    return Check(_NAME, True, finding, decides=False)
