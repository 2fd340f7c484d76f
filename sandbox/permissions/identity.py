"""IAM and STS: the permissions that each operation needs."""

from __future__ import annotations

from moto.iam.models import iam_backends

from sandbox.identity.evaluation import Permission
from sandbox.permissions.api_call import ApiCall, Rule


def _role(call: ApiCall) -> list[Permission]:
    """On a role by its name; its path is part of the ARN."""
    name = call.text("RoleName")
    backend = iam_backends[call.caller.account][call.partition]
    present = next((role for role in backend.roles.values() if role.name == name), None)
    path = call.text("Path") or "/"
    arn = f"arn:{call.partition}:iam::{call.caller.account}:role{path}{name}"
    policy_arn = call.text("PolicyArn")
    context: dict[str, str | None] = {"iam:PolicyARN": policy_arn} if policy_arn else {}
    return [call.permission(present.arn if present else arn, context=context)]


def _policy(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("PolicyArn"))]


def _create_role(call: ApiCall) -> list[Permission]:
    needed = _role(call)
    if any(name.startswith("Tags.") for name in call.given):
        needed.append(call.permission(needed[0].resource, "iam:TagRole"))
    return needed


def _assume_role(call: ApiCall) -> list[Permission]:
    context: dict[str, str | None] = {
        "sts:ExternalId": call.given.get("ExternalId"),
        "sts:RoleSessionName": call.text("RoleSessionName"),
    }
    return [call.permission(call.text("RoleArn"), context=context)]


IAM: dict[str, Rule] = {
    "CreateRole": _create_role,
    **dict.fromkeys(["GetPolicy", "GetPolicyVersion"], _policy),
    **dict.fromkeys(
        [
            "GetRole",
            "UpdateRole",
            "UpdateRoleDescription",
            "UpdateAssumeRolePolicy",
            "DeleteRole",
            "TagRole",
            "UntagRole",
            "ListRoleTags",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "ListAttachedRolePolicies",
            "PutRolePolicy",
            "GetRolePolicy",
            "DeleteRolePolicy",
            "ListRolePolicies",
            "ListInstanceProfilesForRole",
        ],
        _role,
    ),
}

STS: dict[str, Rule] = {
    "AssumeRole": _assume_role,
    "GetCallerIdentity": lambda _: [],  # needs no permission (API reference)
}
