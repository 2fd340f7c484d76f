"""Just-in-time provisioning: what the CA's template makes of the device. Pure.

Source: AWS IoT developer guide, "Just-in-time provisioning" and "Provisioning templates".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from iot_ca.diagnosis.facts import Device, Jitp, Observation, RegisteredCa
from iot_ca.diagnosis.template import (
    OVERRIDABLE,
    PREFIX,
    Plan,
    PlannedThing,
    UnknownFunctionError,
    make_plan,
    policy_fault,
    thing_faults,
)
from iot_ca.provisioning.checks import role, template
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.checks.template import changed_version
from iot_ca.provisioning.facts import Template, Unreadable
from iot_ca.provisioning.remedies import aws_command

_REISSUE = "have the device's certificate issued again"


def plan_of(device: Device, template: Template | Unreadable | None) -> Plan | str:
    """Return what the template does with the device, or why that can't be determined."""
    if not isinstance(template, Template):
        return "the template can't be read"
    try:
        return make_plan(template.body, device.parsed, device.certificate.certificate_id)
    except UnknownFunctionError as error:
        return f"the template uses {error}, which this program does not know"
    except (ValueError, AttributeError, TypeError, KeyError):
        return "the template's body is not that of a provisioning template"


def checks(device: Device, seen: Observation, ca: RegisteredCa, jitp: Jitp) -> Iterator[Check]:
    """Yield what provisioning by template takes, in AWS IoT's order."""
    name = ca.registration_config.get("templateName")
    yield from template.checks(seen, ca.certificate_id, name, jitp.template)
    if not isinstance(jitp.template, Template):
        return
    plan = plan_of(device, jitp.template)
    if isinstance(plan, str):
        yield Check("parameters", None, plan)
    else:
        yield _parameters(plan)
    if jitp.role is not None:
        needs = (
            template.needs_for_any_device(seen, jitp.template)
            if isinstance(plan, str)
            else _needs(device, seen, jitp, plan)
        )
        attachable = template.attachable_policy(seen)
        yield from role.checks(seen, jitp.role, template.SERVICE, needs, attachable)
    if not isinstance(plan, str) and not plan.missing:
        yield from _plan_checks(seen, jitp, plan)


def _parameters(plan: Plan) -> Check:
    if not plan.missing:
        return Check("parameters", True, "the device's certificate has every parameter")
    names = ", ".join(name.removeprefix(PREFIX) for name in plan.missing)
    return Check(
        "parameters",
        False,
        f"the subject of the device's certificate lacks {names}, which the template declares",
        f"{_REISSUE} with {names} in its subject, or give the parameters a Default in the template",
    )


def _needs(device: Device, seen: Observation, jitp: Jitp, plan: Plan) -> list[role.Need]:
    """Return what the template's role must be allowed for this device."""
    prefix = seen.iot_arn_prefix
    certificate = f"{prefix}:cert/{device.certificate.certificate_id}"
    needs = [("iot:UpdateCertificate", certificate)]
    for policy in plan.policies:
        if (jitp.policies or {}).get(policy.name) is None and policy.document is not None:
            needs.append(("iot:CreatePolicy", f"{prefix}:policy/{policy.name}"))
        needs.append(("iot:AttachPolicy", certificate))
    if plan.thing is not None:
        operation = "CreateThing" if jitp.thing_exists is False else "UpdateThing"
        needs.append((f"iot:{operation}", f"{prefix}:thing/{plan.thing.name}"))
        for group in plan.thing.groups:
            needs.append(("iot:AddThingToThingGroup", f"{prefix}:thinggroup/{group}"))
        needs.append(("iot:AttachThingPrincipal", certificate))
    return list(dict.fromkeys(needs))


def _plan_checks(seen: Observation, jitp: Jitp, plan: Plan) -> Iterator[Check]:
    if plan.thing is not None:
        yield from _thing_checks(seen, jitp, plan.thing)
    yield from _policy_checks(seen, jitp, plan)
    assert isinstance(jitp.template, Template)
    yield template.activation(seen, jitp.template, plan.status)


def _overriding(seen: Observation, template: Template) -> str:
    """Return the command that gives a template a version that keeps a thing that exists."""
    if template.name is None:
        return "set OverrideSettings of the thing in the template body that the CA carries"

    def override(resource: dict[str, Any]) -> None:
        given = resource.get("OverrideSettings") or {}
        resource["OverrideSettings"] = {**OVERRIDABLE, **given}

    return changed_version(seen, template.name, template.body, "AWS::IoT::Thing", override)


def _thing_checks(seen: Observation, jitp: Jitp, thing: PlannedThing) -> Iterator[Check]:
    faults = thing_faults(thing)
    if faults:
        remedy = f"{_REISSUE} with a subject that fits, or change the template"
        yield Check("thing", False, faults[0], remedy)
        return
    yield _existing_thing(seen, jitp, thing)
    types = {} if thing.type is None else {thing.type: jitp.thing_types or {}}
    for name, presence in types.items():
        yield _present(seen, "thing type", "thing-type", name, presence.get(name, True))
    for name in thing.groups:
        presence = jitp.thing_groups or {}
        yield _present(seen, "thing group", "thing-group", name, presence.get(name, True))


def _existing_thing(seen: Observation, jitp: Jitp, thing: PlannedThing) -> Check:
    if isinstance(jitp.thing_exists, Unreadable):
        # A thing that exists is a fault only if the template says so.
        return not_readable("thing", jitp.thing_exists, decides=thing.fails_if_exists)
    if not jitp.thing_exists:
        return Check("thing", True, f"the thing {thing.name} will be created")
    if thing.undecided and not thing.fails_if_exists:
        finding = (
            f"the thing {thing.name} exists already, and AWS does not document what happens "
            f"without OverrideSettings for {', '.join(thing.undecided)}"
        )
        assert isinstance(jitp.template, Template)
        return Check("thing", None, finding, _overriding(seen, jitp.template))
    if not thing.fails_if_exists:
        return Check("thing", True, f"the thing {thing.name} exists and will be attached")
    remedy = aws_command(seen.target, "iot", "delete-thing", "--thing-name", thing.name)
    finding = (
        f"the thing {thing.name} exists already, and the template's OverrideSettings say FAIL; "
        "delete it if it is of an earlier device"
    )
    return Check("thing", False, finding, remedy)


def _present(
    seen: Observation, check: str, noun: str, name: str, present: bool | Unreadable
) -> Check:
    if isinstance(present, Unreadable):
        return not_readable(check, present)
    if present:
        return Check(check, True, f"the {check} {name} exists")
    remedy = aws_command(seen.target, "iot", f"create-{noun}", f"--{noun}-name", name)
    return Check(check, False, f"the {check} {name} does not exist", remedy)


def _policy_checks(seen: Observation, jitp: Jitp, plan: Plan) -> Iterator[Check]:
    name = template.POLICY
    for policy in plan.policies:
        fault = policy_fault(policy)
        known = (jitp.policies or {}).get(policy.name)
        if fault is not None:
            yield Check(
                name, False, f"the template's policy can't be created: {fault}", "shorten it"
            )
        elif policy.document is not None:
            yield Check(name, True, "AWS IoT takes the template's policy")
        else:
            yield template.policy_exists(seen, policy.name, known)
