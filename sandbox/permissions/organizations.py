"""AWS Organizations: the permissions that each operation needs."""

from __future__ import annotations

from sandbox.identity.evaluation import Permission
from sandbox.organizations import organization_of
from sandbox.permissions.api_call import ApiCall, Rule


def _parent(call: ApiCall) -> list[Permission]:
    return [_on(call, call.text("ParentId"))]


def _tagged(call: ApiCall) -> list[Permission]:
    return [_on(call, call.text("ResourceId"))]


def _on(call: ApiCall, resource_id: str) -> Permission:
    """On a root, an organizational unit or an account, by its ID."""
    backend = organization_of(call.caller.account)
    if backend is None or backend.org is None:
        return call.permission()
    kind = {"r": "root", "o": "ou"}.get(resource_id[:1], "account")
    organization = f"organizations::{backend.account_id}"
    arn = f"arn:{call.partition}:{organization}:{kind}/{backend.org.id}/{resource_id}"
    return call.permission(arn)


ORGANIZATIONS: dict[str, Rule] = {
    "ListAccounts": lambda call: [call.permission()],
    "ListAccountsForParent": _parent,
    "ListOrganizationalUnitsForParent": _parent,
    "ListTagsForResource": _tagged,
}
