"""Observe what provisioning by template meets: template, role, thing, policies. Read-only."""

from __future__ import annotations

from functools import partial
from typing import Any

from iot_ca.diagnosis.facts import Device, Jitp, RegisteredCa
from iot_ca.diagnosis.steps.jitp import plan_of
from iot_ca.diagnosis.template import Plan, PlannedThing
from iot_ca.provisioning.facts import Template, Unreadable
from iot_ca.provisioning.observe.policies import policy_document
from iot_ca.provisioning.observe.reading import Reader
from iot_ca.provisioning.observe.roles import observe_role
from iot_ca.provisioning.observe.templates import observe_template


def observe_jitp(reader: Reader, device: Device, ca: RegisteredCa) -> Jitp:
    """Return what the template of a CA meets when it provisions a device."""
    template = observe_template(reader, ca.registration_config)
    if not isinstance(template, Template):
        return Jitp(template)
    plan = plan_of(device, template)
    if isinstance(plan, str) or plan.missing:
        return Jitp(template, observe_role(reader, template.role_arn))
    role, thing, policies = reader.all(
        lambda: observe_role(reader, template.role_arn),
        lambda: _thing(reader, plan.thing),
        lambda: _policies(reader, plan),
    )
    thing_exists, thing_types, thing_groups = thing
    return Jitp(template, role, thing_exists, thing_types, thing_groups, policies)


def _thing(
    reader: Reader, thing: PlannedThing | None
) -> tuple[bool | Unreadable, dict[str, Any], dict[str, Any]]:
    """Return whether the thing exists, and its type and groups."""
    if thing is None:
        return False, {}, {}
    exists = partial(_exists, reader)
    types = [] if thing.type is None else [thing.type]
    return (
        exists("describe_thing", "thingName", thing.name) if thing.name else False,
        {name: exists("describe_thing_type", "thingTypeName", name) for name in types},
        {name: exists("describe_thing_group", "thingGroupName", name) for name in thing.groups},
    )


def _exists(reader: Reader, operation: str, parameter: str, name: str) -> bool | Unreadable:
    answer = reader.read("iot", operation, **{parameter: name})
    return answer if isinstance(answer, Unreadable) else answer is not None


def _policies(reader: Reader, plan: Plan) -> dict[str, str | Unreadable | None]:
    return {policy.name: policy_document(reader, policy.name) for policy in plan.policies}
