"""What the device may do once it is in: iot:Connect with its client ID. Pure.

Sources: AWS IoT developer guide, "AWS IoT Core policies", "Thing policy variables" and "Diagnosing
connectivity issues"; API reference, "TestAuthorization".
"""

from __future__ import annotations

from iot_ca.diagnosis.facts import Access, Authorization, Device, Jitp, Jitr, Observation
from iot_ca.diagnosis.template import Plan, subject
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.checks.rule import CA_VARIABLE
from iot_ca.provisioning.checks.template import create_policy
from iot_ca.provisioning.facts import Function, PolicyDocument, Unreadable
from iot_ca.provisioning.policies import Request, decide, uses_thing_variables
from iot_ca.provisioning.remedies import allow, aws_command, in_order, with_statement

_NAME = "permission to connect"


def client_arn(seen: Observation, client_id: str) -> str:
    """Return the resource of iot:Connect for a client ID."""
    return f"{seen.iot_arn_prefix}:client/{client_id}"


def registered_check(device: Device, seen: Observation, access: Access) -> Check:
    """Say whether a registered certificate may connect, as AWS IoT itself answers it."""
    answer = access.authorization
    if isinstance(answer, Unreadable):
        return Check(_NAME, None, answer.reason)
    if answer.decision == "ALLOWED":
        return Check(_NAME, True, f"iot:Connect with client ID {access.client_id} is allowed")
    finding = f"no policy allows iot:Connect with client ID {access.client_id}"
    if answer.decision == "EXPLICIT_DENY":
        return _explicitly_denied(device, seen, access, answer)
    if answer.missing:
        return Check(_NAME, None, f"{finding}, as far as is known: {', '.join(answer.missing)}")
    finding, remedy = _not_allowed(device, seen, access, finding)
    return Check(_NAME, False, finding, remedy)


def _explicitly_denied(
    device: Device, seen: Observation, access: Access, answer: Authorization
) -> Check:
    names = ", ".join(answer.denied_by) or "a policy"
    finding = f"{names} denies iot:Connect with client ID {access.client_id}"
    if not answer.denied_by:
        return Check(_NAME, False, finding, "detach that policy, or remove its Deny")
    command = _on_certificate(device, seen, "detach-policy", answer.denied_by[0])
    return Check(_NAME, False, finding, command)


def _on_certificate(device: Device, seen: Observation, operation: str, policy: str) -> str:
    return aws_command(
        seen.target,
        "iot",
        operation,
        "--policy-name",
        policy,
        "--target",
        _certificate_arn(device, seen),
    )


def _certificate_arn(device: Device, seen: Observation) -> str:
    return f"{seen.iot_arn_prefix}:cert/{device.certificate.certificate_id}"


def _not_allowed(
    device: Device, seen: Observation, access: Access, finding: str
) -> tuple[str, str]:
    """Return the finding and the remedy where no policy allows the connection."""
    policies, things = access.policies, access.things
    for part in (policies, things, access.thing_exists):
        if isinstance(part, Unreadable):
            remedy = f"allow iot:Connect on {client_arn(seen, access.client_id)} in a policy of it"
            return f"{finding}; the reason can't be determined: {part.reason}", remedy
    assert not isinstance(policies, Unreadable)
    assert not isinstance(things, Unreadable)
    if not policies:
        return f"{finding}: the certificate has no policy", _attached(device, seen, access)
    other = next((name for name in things if _allows_as_thing(device, seen, policies, name)), None)
    if other is not None and other != access.client_id:
        return (
            f"{finding}; its policies allow the name of its thing, {other}",
            f"have the device connect with client ID {other}",
        )
    if not things and uses_thing_variables(policies):
        wanted = f"{finding}: its policies name its thing, and the certificate has none attached"
        return wanted, _attached_thing(device, seen, access)
    widened = with_statement(
        policies[0].document, allow("iot:Connect", client_arn(seen, access.client_id))
    )
    return finding, aws_command(
        seen.target,
        "iot",
        "create-policy-version",
        "--policy-name",
        policies[0].name,
        "--set-as-default",
        "--policy-document",
        widened,
    )


def _attached(device: Device, seen: Observation, access: Access) -> str:
    """Return how to give the certificate the usual policy, and create that one if need be."""
    if access.usual_policy is not None:
        return _on_certificate(device, seen, "attach-policy", access.usual_policy)
    name = "iot-device"
    return in_order(create_policy(seen, name), _on_certificate(device, seen, "attach-policy", name))


def _attached_thing(device: Device, seen: Observation, access: Access) -> str:
    attach = aws_command(
        seen.target,
        "iot",
        "attach-thing-principal",
        "--thing-name",
        access.client_id,
        "--principal",
        _certificate_arn(device, seen),
    )
    if access.thing_exists is False:
        create = aws_command(seen.target, "iot", "create-thing", "--thing-name", access.client_id)
        return in_order(create, attach)
    return attach


def _context(device: Device, client_id: str, thing: str | None) -> dict[str, str | None]:
    """Return the policy variables of a connection; those of a thing only if it is so named."""
    attached = thing is not None and thing == client_id
    values: dict[str, str | None] = {
        "iot:ClientId": client_id,
        "iot:Connection.Thing.IsAttached": "true" if attached else "false",
        "iot:Connection.Thing.ThingName": thing if attached else None,
    }
    for name, value in subject(device.parsed).items():
        values[f"iot:Certificate.Subject.{name}"] = value
    return values


def _allows_as_thing(
    device: Device, seen: Observation, policies: tuple[PolicyDocument, ...], thing: str
) -> bool:
    request = Request("iot:Connect", client_arn(seen, thing), _context(device, thing, thing))
    return decide(policies, request).effect == "allowed"


def provisioned_check(
    device: Device, seen: Observation, policies: tuple[PolicyDocument, ...], thing: str | None
) -> Check:
    """Say whether the policies that provisioning will attach allow the connection."""
    client_id = device.client_id or thing or subject(device.parsed).get("CommonName", "")
    if not client_id:
        return Check(_NAME, None, "the client ID is not known; give --client-id")
    request = Request(
        "iot:Connect", client_arn(seen, client_id), _context(device, client_id, thing)
    )
    decision = decide(policies, request)
    if decision.effect == "allowed":
        finding = f"iot:Connect with client ID {client_id} will be allowed"
        return Check(_NAME, True, finding)
    if decision.effect == "unknown":
        finding = (
            f"whether iot:Connect with client ID {client_id} is allowed depends on a condition"
        )
        return Check(_NAME, None, finding)
    finding = f"the policy that provisioning attaches does not allow client ID {client_id}"
    if not policies:
        finding = "provisioning attaches no policy, so the device may not connect"
    if thing is not None and thing != client_id and _allows_as_thing(device, seen, policies, thing):
        finding = f"{finding}, only the name of the device's thing, {thing}"
        return Check(_NAME, False, finding, f"have the device connect with client ID {thing}")
    remedy = f"allow iot:Connect on {client_arn(seen, client_id)} in the policy that it attaches"
    return Check(_NAME, False, finding, remedy)


def jitp_check(device: Device, seen: Observation, jitp: Jitp, plan: Plan) -> Check | None:
    """Say whether a device that the template provisions may connect; None if that is moot."""
    if plan.missing:
        return None
    policies = []
    for policy in plan.policies:
        document = policy.document or (jitp.policies or {}).get(policy.name)
        if isinstance(document, Unreadable):
            return Check(_NAME, None, document.reason)
        if document is not None:
            policies.append(PolicyDocument(policy.name, document))
    if len(policies) < len(plan.policies):
        return None
    thing = None if plan.thing is None else plan.thing.name
    return provisioned_check(device, seen, tuple(policies), thing)


def jitr_check(device: Device, seen: Observation, jitr: Jitr) -> Check | None:
    """Say whether a device that the module's function provisions may connect."""
    function = jitr.function
    if not isinstance(function, Function):
        return None
    if CA_VARIABLE not in function.environment:
        finding = "which policy the function attaches is not known to this program"
        return Check(_NAME, None, finding, decides=False)
    if not isinstance(jitr.policy, str):
        return None
    thing = subject(device.parsed).get("CommonName")
    name = function.environment.get("JITR_POLICY_NAME", "")
    return provisioned_check(device, seen, (PolicyDocument(name, jitr.policy),), thing)
