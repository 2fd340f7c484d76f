"""What AWS IoT's own log says of the device. Pure.

Source: AWS IoT developer guide, "Monitor AWS IoT using CloudWatch Logs".
"""

from __future__ import annotations

from iot_ca.diagnosis.facts import Log, Observation
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Unreadable
from iot_ca.provisioning.remedies import aws_command, compact, in_order
from iot_ca.utc import rfc3339

GROUP = "AWSIotLogsV2"
_NAME = "AWS IoT log"
_ROLE = "iot-logging"


def check(seen: Observation) -> Check:
    """Say what the log has of the device, or how to turn it on."""
    log = seen.log
    if isinstance(log, Unreadable):
        return Check(_NAME, None, log.reason, decides=False)
    if log.level in (None, "DISABLED"):
        finding = "AWS IoT writes no log in this account and Region, so it gives no reasons"
        return Check(_NAME, None, finding, _turn_on(seen, log), decides=False)
    if isinstance(log.entries, Unreadable):
        return Check(_NAME, None, log.entries.reason, decides=False)
    if not log.entries:
        finding = f"no entry of this device in the last day (level {log.level})"
        return Check(_NAME, True, finding, decides=False)
    entries = "; ".join(f"{rfc3339(entry.time)} {entry.text}" for entry in log.entries)
    return Check(_NAME, True, f"the last entries: {entries}", decides=False)


def _turn_on(seen: Observation, log: Log) -> str:
    target = seen.target
    role_arn = f"arn:{seen.partition}:iam::{target.account_id}:role/{_ROLE}"
    options = ("--role-arn", role_arn, "--default-log-level", "INFO", "--no-disable-all-logs")
    turn_on = aws_command(target, "iot", "set-v2-logging-options", *options)
    if log.level is not None:
        return aws_command(target, "iot", "set-v2-logging-options", *options[2:])
    trust = {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    create = aws_command(
        target,
        "iam",
        "create-role",
        "--role-name",
        _ROLE,
        "--assume-role-policy-document",
        compact(document),
    )
    attach = aws_command(
        target,
        "iam",
        "attach-role-policy",
        "--role-name",
        _ROLE,
        "--policy-arn",
        f"arn:{seen.partition}:iam::aws:policy/service-role/AWSIoTLogging",
    )
    return in_order(create, attach, turn_on)
