"""Lines in CloudWatch Logs, written by a service under a role.

Imported late: moto's CloudWatch Logs take a moment to load, and few runs write any.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from moto.logs.models import logs_backends

from sandbox.identity.service_roles import NotAllowed, require


def write(role: Any, region: str, group: str, stream: str, messages: Sequence[str]) -> bool:
    """Write ``messages`` to a log group as ``role``; return whether the role may. Takes no lock.

    A group or stream that is missing is created, if the role may do that too.
    """
    account = role.account_id
    backend = logs_backends[account][region]
    arn = f"arn:{role.arn.split(':')[1]}:logs:{region}:{account}:log-group:{group}:*"
    try:
        if group not in backend.groups:
            require(role, "logs:CreateLogGroup", arn)
            backend.create_log_group(group, {})
        if stream not in backend.groups[group].streams:
            require(role, "logs:CreateLogStream", arn)
            backend.create_log_stream(group, stream)
        require(role, "logs:PutLogEvents", arn)
    except NotAllowed:
        return False
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    backend.put_log_events(group, stream, events)
    return True
