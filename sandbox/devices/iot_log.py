"""The log that AWS IoT writes to CloudWatch Logs, where an account has turned it on.

Source: AWS IoT developer guide, "Configure AWS IoT logging" and "CloudWatch Logs AWS IoT log
entries". The guide does not say what AWS IoT writes of a device that it turns away in the TLS
handshake: here it writes a failed Connect, if it is known whose device it is.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from typing import Any

from sandbox.device_log import DeviceEvent
from sandbox.functions import logs
from sandbox.identity.service_roles import NotAllowed, assumable
from sandbox.iot.backend import backend_of

GROUP = "AWSIotLogsV2"
_LEVELS = {"DEBUG": 0, "INFO": 1, "WARN": 2, "ERROR": 3, "DISABLED": 4}


def write(event: DeviceEvent) -> None:
    """Write what happened to a device, if its account logs that. Callers hold the lock."""
    if event.account is None:
        return
    options = backend_of(event.account, event.region).logging_options
    entry = _entry(event)
    if options is None or entry is None or options.disable_all_logs:
        return
    if _LEVELS[entry["logLevel"]] < _LEVELS[options.default_log_level]:
        return
    try:
        role = assumable(options.role_arn, event.account, "iot.amazonaws.com")
    except NotAllowed:
        return
    logs.write(role, event.region, GROUP, entry["traceId"], [json.dumps(entry)])


def _entry(event: DeviceEvent) -> dict[str, Any] | None:
    failed = event.outcome in {"refused", "provisioning-failed"}
    entry: dict[str, Any] = {
        "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "logLevel": "ERROR" if failed else "INFO",
        "traceId": str(uuid.uuid4()),
        "accountId": event.account,
        "status": "Failure" if failed else "Success",
    }
    if event.outcome in {"provisioned", "provisioning-failed"}:
        entry |= {"eventType": "ProvisionDevice", "deviceCertificateId": event.certificate_id}
    elif event.outcome in {"refused", "connected"}:
        entry |= {
            "eventType": "Connect",
            "protocol": "MQTT",
            "clientId": event.name or "N/A",
            "principalId": event.certificate_id,
        }
        entry |= {"reason": "AUTHORIZATION_FAILURE"} if failed else {}
    else:
        return None
    return {**entry, **({"details": event.reason} if event.reason else {})}
