"""A role that a service assumes: it exists, trusts the service and may do its part. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import (
    Located,
    MissingRole,
    PolicyDocument,
    Role,
    RoleFacts,
    Unreadable,
)
from iot_ca.provisioning.policies import Decision, Request, decide
from iot_ca.provisioning.remedies import allow, aws_command, compact, with_statement

# An action and the ARN that it is for.
Need = tuple[str, str]


def checks(
    seen: Located,
    role: RoleFacts,
    service: str,
    needs: Sequence[Need],
    attachable: str | None,
) -> Iterator[Check]:
    """Yield the checks of one role.

    Args:
        seen: where the role is.
        role: the role.
        service: the principal that assumes it, such as `iot.amazonaws.com`.
        needs: what it must be allowed.
        attachable: the ARN of a managed policy that allows all of it; None for an inline policy.
    """
    if isinstance(role, Unreadable):
        yield not_readable("role", role)
        return
    if isinstance(role, MissingRole):
        yield Check(
            "role", False, f"the role {role.arn} does not exist", _create(seen, role, service)
        )
        return
    yield Check("role", True, f"the role {role.name} exists")
    yield _trust(seen, role, service)
    yield _permissions(seen, role, needs, attachable)


def _create(seen: Located, role: MissingRole, service: str) -> str:
    path, _, name = role.arn.split(":role", 1)[1].rpartition("/")
    trust = compact({"Version": "2012-10-17", "Statement": [_trusting(service)]})
    options = [] if path == "" else ["--path", f"{path}/"]
    return aws_command(
        seen.target,
        "iam",
        "create-role",
        "--role-name",
        name,
        "--assume-role-policy-document",
        trust,
        *options,
    )


def _trusting(service: str) -> dict[str, object]:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


def _trust(seen: Located, role: Role, service: str) -> Check:
    name = "role trust"
    decision = _decide_trust(seen, role, service)
    if decision.effect == "allowed":
        return Check(name, True, f"the role {role.name} trusts {service}")
    if decision.effect == "unknown":
        return Check(
            name,
            None,
            f"the trust policy of role {role.name} lets {service} assume it under a condition, and "
            "AWS does not document whether it is met",
        )
    if decision.effect == "denied":
        finding = f"the trust policy of role {role.name} denies {service}"
        return Check(name, False, finding, "remove that Deny from the role's trust policy")
    remedy = aws_command(
        seen.target,
        "iam",
        "update-assume-role-policy",
        "--role-name",
        role.name,
        "--policy-document",
        with_statement(role.trust, _trusting(service)),
    )
    finding = f"the role {role.name} does not trust {service}"
    return Check(name, False, finding, remedy)


def _decide_trust(seen: Located, role: Role, service: str) -> Decision:
    """Return whether a service may assume a role.

    Whether AWS IoT names the source account when it provisions is not documented: a condition that
    holds only if it does, or only if it does not, is unknown. One that never holds refuses.
    """
    policies = [PolicyDocument("trust policy", role.trust)]
    accounts: tuple[str | None, ...] = (seen.target.account_id, None)
    decisions = [
        decide(policies, Request("sts:AssumeRole", None, {"aws:SourceAccount": account}, service))
        for account in accounts
    ]
    refused = ("denied", "not allowed")
    if all(decision.effect in refused for decision in decisions):
        return decisions[0]
    return decisions[0] if decisions[0] == decisions[1] else Decision("unknown")


def _permissions(seen: Located, role: Role, needs: Sequence[Need], attachable: str | None) -> Check:
    name = "role permissions"
    context = {"aws:RequestedRegion": seen.target.region}
    unknown: str | None = None
    for action, resource in needs:
        request = Request(action, resource, context, is_any_resource=resource.endswith("/*"))
        decision, is_boundary = _decide(role, request)
        if decision.effect in ("denied", "not allowed"):
            return _denied(seen, role, (action, resource), needs, decision, is_boundary, attachable)
        if decision.effect == "unknown":
            unknown = unknown or action
    if unknown is not None:
        finding = f"whether role {role.name} may call {unknown} depends on a condition"
        return Check(name, None, finding)
    actions = ", ".join(dict.fromkeys(action for action, _ in needs))
    return Check(name, True, f"the role {role.name} may call {actions}")


def _decide(role: Role, request: Request) -> tuple[Decision, bool]:
    """Return what a role's policies say, and whether its permissions boundary says it."""
    own = decide([*role.inline, *role.managed], request)
    if own.effect in ("denied", "not allowed") or role.boundary is None:
        return own, False
    bounded = decide([role.boundary], request)
    if bounded.effect == "allowed":
        return own, False
    return bounded, True


def _denied(
    seen: Located,
    role: Role,
    need: Need,
    needs: Sequence[Need],
    decision: Decision,
    is_boundary: bool,
    attachable: str | None,
) -> Check:
    action, resource = need
    finding = f"the role {role.name} may not call {action} on {resource}"
    if is_boundary:
        assert role.boundary is not None
        finding = f"{finding}: its permissions boundary {role.boundary.name} does not allow it"
        return Check("role permissions", False, finding, _widen(seen, role.boundary, needs))
    if decision.policy is not None:
        finding = f"{finding}: its policy {decision.policy} denies it"
        return Check("role permissions", False, finding, _without(seen, role, decision.policy))
    return Check("role permissions", False, finding, _grant(seen, role, needs, attachable))


def _widen(seen: Located, boundary: PolicyDocument, needs: Sequence[Need]) -> str:
    statement = allow(sorted({action for action, _ in needs}), "*")
    return aws_command(
        seen.target,
        "iam",
        "create-policy-version",
        "--policy-arn",
        boundary.name,
        "--set-as-default",
        "--policy-document",
        with_statement(boundary.document, statement),
    )


def _without(seen: Located, role: Role, policy: str) -> str:
    is_inline = any(document.name == policy for document in role.inline)
    arguments = ("delete-role-policy", "--role-name", role.name, "--policy-name", policy)
    if not is_inline:
        arguments = ("detach-role-policy", "--role-name", role.name, "--policy-arn", policy)
    return aws_command(seen.target, "iam", *arguments)


def _grant(seen: Located, role: Role, needs: Sequence[Need], attachable: str | None) -> str:
    if attachable is not None:
        return aws_command(
            seen.target,
            "iam",
            "attach-role-policy",
            "--role-name",
            role.name,
            "--policy-arn",
            attachable,
        )
    actions: Mapping[str, list[str]] = {
        resource: sorted({action for action, other in needs if other == resource})
        for _, resource in needs
    }
    document = {
        "Version": "2012-10-17",
        "Statement": [allow(names, resource) for resource, names in actions.items()],
    }
    return aws_command(
        seen.target,
        "iam",
        "put-role-policy",
        "--role-name",
        role.name,
        "--policy-name",
        "provision-devices",
        "--policy-document",
        compact(document),
    )
