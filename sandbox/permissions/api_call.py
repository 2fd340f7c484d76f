"""A call as permissions see it: what a rule gets, and the permissions that it answers with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.identity.evaluation import Permission
from sandbox.identity.principals import Principal, partition_of


@dataclass(frozen=True)
class ApiCall:
    """One call: who asks, where, for which operation of which service, with which parameters."""

    caller: Principal
    region: str
    service: str
    operation: str
    given: Mapping[str, Any]

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return partition_of(self.region)

    def arn(self, resource: str, service: str | None = None) -> str:
        """Return the ARN of something in the caller's account and the call's region."""
        where = f"{self.region}:{self.caller.account}"
        return f"arn:{self.partition}:{service or self.service}:{where}:{resource}"

    def text(self, name: str) -> str:
        """Return a parameter as text, empty if it isn't there: then the call fails later anyway."""
        value = self.given.get(name)
        return "" if value is None else str(value)

    def permission(
        self,
        resource: str = "*",
        action: str | None = None,
        context: Mapping[str, str | None] | None = None,
    ) -> Permission:
        """Return a permission for ``resource``.

        The action is the operation's own unless it is named.
        """
        general = {"aws:RequestedRegion": self.region}
        name = action or f"{self.service}:{self.operation}"
        return Permission(name, resource, {**general, **(context or {})})

    def pass_role(self, role_arn: str, service: str) -> list[Permission]:
        """Return the permission to hand a role to ``service``.

        None where no role is handed over.
        """
        context = {"iam:PassedToService": service}
        return [self.permission(role_arn, "iam:PassRole", context)] if role_arn else []

    def pass_role_to_iot(self, role_arn: str) -> list[Permission]:
        """Return the permissions to hand AWS IoT a role for devices; none without a role.

        AWS's own CloudFormation handlers for CA certificates and templates ask for iam:GetRole in
        addition. That the API checks it is a stricter guess.
        """
        passing = self.pass_role(role_arn, "iot.amazonaws.com")
        return [
            *passing,
            *(self.permission(permission.resource, "iam:GetRole") for permission in passing),
        ]


Rule = Callable[[ApiCall], list[Permission]]
