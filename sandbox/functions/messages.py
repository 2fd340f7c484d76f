"""Messages to queues and topics, sent as a role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from sandbox.identity.service_roles import NotAllowed, require


def send(
    target: str, body: str, role: Any, attributes: dict[str, tuple[str, str]] | None = None
) -> None:
    """Send ``body`` to the queue or topic ``target`` as ``role``. Takes no lock.

    Raises NotAllowed if the role may not, or if there is no such queue or topic. To a queue that is
    encrypted with a key of the user's own it also has to use the key (Amazon SQS developer guide,
    "Key management").
    """
    _, _, service, region, account, name = target.split(":", 5)
    require(role, {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}.get(service, service), target)
    if service not in {"sqs", "sns"}:
        raise NotAllowed(f"the sandbox sends to queues and topics only, not to {target}")
    for action, key in _key_permissions(service, region, account, name):
        require(role, action, key)
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


def _key_permissions(
    service: str, region: str, account: str, name: str
) -> Iterator[tuple[str, str]]:
    """Yield the actions on the key of a queue; none on a key that is not the user's own."""
    if service != "sqs":
        return
    queue = sqs_backends[account][region].queues.get(name)
    reference = getattr(queue, "kms_master_key_id", None)
    if not reference or reference.startswith("alias/aws/"):
        return
    # Here, since few queues have a key of their own, and moto's KMS takes long to import.
    from sandbox.keys.kms import find_key

    key = find_key(reference, account, region)
    if key is None:
        raise NotAllowed(f"{name}: the key {reference} does not exist")
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        yield action, key.arn
