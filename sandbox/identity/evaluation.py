"""Whether the policies of a role or user, together, allow what a call needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends

from sandbox.identity.policies import verdict_of
from sandbox.identity.principals import Principal


@dataclass(frozen=True)
class Permission:
    """An action on a resource (``*`` where IAM knows none), and the condition keys of the call."""

    action: str
    resource: str
    context: Mapping[str, str | None] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} {self.resource}"


def denial_reason(
    caller: Principal, action: str, needed: Iterable[Permission] | None
) -> str | None:
    """Return why ``caller`` must not make a call, in IAM's words; None if it is allowed.

    needed: the permissions; None if nothing is known about ``action``, the call's own.

    The root user may do everything. Stricter than AWS within one account: a policy of the resource
    never stands in for one of the caller.
    """
    if caller.arn.endswith(":root"):
        return None
    if needed is None:
        return (
            f"User: {caller.arn} is not authorized to perform: {action}: the sandbox does not know "
            "which permissions that takes"
        )
    own, boundaries = policies_of(caller)
    for permission in needed:
        refused = (
            f"User: {caller.arn} is not authorized to perform: {permission.action} on resource: "
            f"{permission.resource}"
        )
        if _verdict(own, caller, permission) is False:
            return f"{refused} with an explicit deny in an identity-based policy"
        if _verdict(own, caller, permission) is None:
            because = f"no identity-based policy allows the {permission.action} action"
            return f"{refused} because {because}"
        for kind, policy in boundaries:
            verdict = _verdict([policy], caller, permission)
            if verdict is False:
                return f"{refused} with an explicit deny in a {kind}"
            if verdict is None:
                return f"{refused} because no {kind} allows the {permission.action} action"
    return None


def _verdict(policies: Iterable[str], caller: Principal, permission: Permission) -> bool | None:
    """Return what policies say together: one that denies decides, then one that allows."""
    verdicts = {
        verdict_of(
            policy,
            caller,
            permission.action,
            permission.resource,
            permission.context,
            attached=True,
        )
        for policy in policies
    }
    return False if False in verdicts else True if True in verdicts else None


def policies_of(caller: Principal) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the policies of a session's role or of a user, and what bounds them.

    The latter as kind and policy.
    """
    backend = iam_backends[caller.account][caller.arn.split(":")[1]]
    arn = caller.role_arn or caller.arn
    bounds = [("session policy", caller.session_policy)] if caller.session_policy else []
    holders: list[Any]
    if caller.role_arn:
        holders = [role for role in backend.roles.values() if role.arn == arn]
    else:
        users = [user for user in backend.users.values() if user.arn == arn]
        groups = [g for g in backend.groups.values() if any(user in g.users for user in users)]
        holders = [*users, *groups]
    boundary = getattr(holders[0], "permissions_boundary_arn", None) if holders else None
    if boundary:
        policy = backend.managed_policies.get(boundary)
        # One that is gone allows nothing (IAM's guide).
        bounds.append(("permissions boundary", _document(policy) if policy else "{}"))
    inline = [policy for holder in holders for policy in holder.policies.values()]
    managed = [
        _document(policy) for holder in holders for policy in holder.managed_policies.values()
    ]
    return inline + managed, bounds


def _document(policy: Any) -> str:
    """Return the version of a managed policy that counts."""
    versions = {version.version_id: version.document for version in policy.versions}
    return str(versions[policy.default_version_id])
