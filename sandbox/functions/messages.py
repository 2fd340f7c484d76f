"""Messages to queues and topics, sent as a role."""

from __future__ import annotations

from typing import Any

from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from sandbox.identity.service_roles import NotAllowed, require


def send(
    target: str, body: str, role: Any, attributes: dict[str, tuple[str, str]] | None = None
) -> None:
    """Send ``body`` to the queue or topic ``target`` as ``role``. Takes no lock.

    Raises NotAllowed if the role may not, or if there is no such queue or topic.
    """
    _, _, service, region, account, name = target.split(":", 5)
    require(role, {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}.get(service, service), target)
    if service not in {"sqs", "sns"}:
        raise NotAllowed(f"the sandbox sends to queues and topics only, not to {target}")
    try:
        if service == "sqs":
            values = {
                key: {"DataType": kind, "StringValue": value}
                for key, (kind, value) in (attributes or {}).items()
            }
            sqs_backends[account][region].send_message(name, body, message_attributes=values)
        else:
            sns_backends[account][region].publish(body, target)
    except Exception as error:  # moto's ways to say that there is none
        raise NotAllowed(f"{target}: {error}") from None
