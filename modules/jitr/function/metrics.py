"""The function's own metric, in the embedded metric format: CloudWatch reads it out of the log.

Source: Amazon CloudWatch user guide, "Specification: Embedded metric format". It needs neither a
permission nor a metric filter, and the metric can't arrive without the line that explains it.
"""

from __future__ import annotations

from typing import Any

# The alarm in main.tf names both.
NAMESPACE = "iot-ca/jitr"
DEVICES_REFUSED = "DevicesRefused"


def devices_refused(function_name: str, timestamp: float) -> dict[str, Any]:
    """Return the members that make a line of the log count one refused device.

    timestamp: seconds since 1970.
    """
    metric = {"Name": DEVICES_REFUSED, "Unit": "Count"}
    directive = {"Namespace": NAMESPACE, "Dimensions": [["FunctionName"]], "Metrics": [metric]}
    return {
        "_aws": {"Timestamp": int(timestamp * 1000), "CloudWatchMetrics": [directive]},
        "FunctionName": function_name,
        DEVICES_REFUSED: 1,
    }
