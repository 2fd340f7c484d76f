"""Roles that AWS services act under: whether one is there, trusts the service and may do it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

from moto.sts.models import sts_backends

from sandbox.identity import sts
from sandbox.identity.evaluation import Permission, denial_reason
from sandbox.identity.iam import ROLE_ARN, find_role
from sandbox.identity.policies import trusts_service
from sandbox.identity.principals import Principal, Session


class NotAllowed(Exception):
    """The role can't be used for this, and why."""


class Propagation:
    """How long it takes until AWS IoT knows a role that was just created; by default not at all.

    IAM is eventually consistent (IAM user guide, "Troubleshoot IAM"); how long it takes is not
    documented.
    """

    seconds: ClassVar[float] = 0.0

    @classmethod
    def knows(cls, role: Any, now: datetime) -> bool:
        """Return whether a role of moto's is known by now."""
        created = role.create_date.replace(tzinfo=timezone.utc)
        return bool(now - created >= timedelta(seconds=cls.seconds))


def source(arn: str) -> dict[str, str | None]:
    """Return the condition keys of a call that a service makes for the resource ``arn``."""
    return {"aws:SourceArn": arn, "aws:SourceAccount": arn.split(":")[4]}


def assumable(
    role_arn: str, account: str, service: str, context: Mapping[str, str | None] | None = None
) -> Any:
    """Return moto's role of this ARN; NotAllowed if it isn't in ``account`` or trusts another.

    context: what the service is known to say of whom it acts for; see :func:`source`.
    """
    parts = ROLE_ARN.fullmatch(role_arn)
    if not parts or parts["account"] != account:
        raise NotAllowed(f"{role_arn} is not a role of account {account}")
    role = find_role(role_arn)
    if role is None:
        raise NotAllowed(f"the role {role_arn} does not exist")
    if not trusts_service(role.assume_role_policy_document, service, context):
        raise NotAllowed(f"the role {role_arn} does not trust {service}")
    return role


def require(role: Any, action: str, resource: str) -> None:
    """Raise NotAllowed unless the policies of a role let it do ``action`` on ``resource``.

    Whether the account's policies are enforced or not: they are all that a service goes by.
    """
    caller = Principal(role.account_id, role.arn, role.id, role.arn)
    context = {"aws:RequestedRegion": resource.split(":")[3]}
    if denial_reason(caller, action, [Permission(action, resource, context)]) is not None:
        raise NotAllowed(f"the role {role.arn} may not {action} on {resource}")


def session_of(role: Any, name: str, region: str) -> Session:
    """Return new credentials of ``role``, as the service gets them that assumes it; for an hour."""
    partition = role.arn.split(":")[1]
    issued = sts_backends[role.account_id][partition].assume_role(
        region_name=region,
        role_session_name=name,
        role_arn=role.arn,
        policy="",
        duration=3600,
        external_id="",
    )
    session = Session(
        access_key_id=issued.access_key_id,
        session_token=issued.session_token,
        expiration=issued.expiration.replace(tzinfo=timezone.utc),
        principal=Principal(issued.account_id, issued.arn, issued.user_id, role.arn),
    )
    sts.SESSIONS[session.access_key_id] = session
    return session
