"""Whether the devices of a registered CA are provisioned, without a device. Pure.

The checks of a template, a role, a rule and a function are those of `diagnose`, in its words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from iot_ca.provisioning.checks import registered_ca, role
from iot_ca.provisioning.checks import rule as rule_checks
from iot_ca.provisioning.checks import template as template_checks
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import (
    CaProvisioning,
    Function,
    Located,
    ObservedRule,
    Queue,
    Template,
    Unreadable,
)
from iot_ca.provisioning.topics import is_understood

Kind = Literal["JITP", "JITR", "none", "not readable"]

# The check of how many device certificates are registered.
DEVICES = "device certificates"

# The names that modules/jitp-alarms gives its alarms: AWS IoT's metrics do not tell CAs apart.
JITP_ALARMS = ("iot-jitp-client-errors", "iot-jitp-server-errors")
# What modules/jitr gives them: the name of the function, and one of these.
JITR_ALARM_SUFFIXES = (
    "dead-letters",
    "lost",
    "not-called",
    "refused",
    "throttled",
    "undelivered",
)
_SAY = (
    'set provisioning of the CA in the file, such as { type = "NONE" } if its devices are not '
    "provisioned"
)
# The check that counts also of a CA that takes no new devices.
DEAD_LETTERS = "dead letters"
_DIAGNOSE = "run `diagnose` with the certificate of a device that was not provisioned"


# How the files say that devices are provisioned.
Wanted = Literal["JITP", "JITR", "NONE"]


@dataclass(frozen=True)
class Ca:
    """A registered CA, and what the files say of how its devices are provisioned.

    Attributes:
        certificate_id, registration_config, auto_registration: as AWS IoT has them.
        validity: start and end of its certificate's validity.
        wanted: None if the files do not say it.
    """

    certificate_id: str
    registration_config: Mapping[str, str]
    auto_registration: bool
    validity: tuple[datetime, datetime]
    wanted: Wanted | None


def kind(registration_config: Mapping[str, str], provisioning: CaProvisioning) -> Kind:
    """Return how AWS IoT provisions the devices of a CA."""
    if registration_config:
        return "JITP"
    if isinstance(provisioning.rules, Unreadable):
        return "not readable"
    return "JITR" if provisioning.rules else "none"


def resource_name(
    registration_config: Mapping[str, str], provisioning: CaProvisioning
) -> str | None:
    """Return the name of the template or of the rules; None if there is none."""
    if registration_config:
        return registration_config.get("templateName")
    if isinstance(provisioning.rules, Unreadable) or not provisioning.rules:
        return None
    return ", ".join(observed.rule.name for observed in provisioning.rules)


def checks(seen: Located, ca: Ca, provisioning: CaProvisioning, now: datetime) -> Iterator[Check]:
    """Yield the checks of a CA and of what provisions its devices, if anything does or should."""
    if ca.registration_config or provisioning.rules or ca.wanted in ("JITP", "JITR"):
        yield registered_ca.validity(ca.certificate_id, ca.validity, now)
        yield registered_ca.auto_registration(seen, ca.certificate_id, enabled=ca.auto_registration)
    if ca.registration_config:
        name = ca.registration_config.get("templateName")
        yield from _template_checks(seen, ca.certificate_id, name, provisioning)
    elif isinstance(provisioning.rules, Unreadable):
        yield not_readable("rule", provisioning.rules)
    elif provisioning.rules:
        for observed in provisioning.rules:
            yield from _rule_checks(seen, observed, provisioning)
    else:
        yield from _neither(ca)
    if isinstance(provisioning.devices, Unreadable):
        yield not_readable(DEVICES, provisioning.devices)


def _neither(ca: Ca) -> Iterator[Check]:
    """Yield what it means that a CA has neither a template nor a rule.

    Without the template that the files want, the CA has drifted, which says enough.
    """
    if ca.wanted == "JITR":
        remedy = "apply the module, which creates the rule and its function"
        yield Check("rule", False, rule_checks.no_rule(ca.certificate_id), remedy)
    elif ca.wanted is None and ca.auto_registration:
        yield Check("rule", False, rule_checks.no_rule(ca.certificate_id), rule_checks.PROVISION)
    elif ca.wanted is None:
        finding = (
            "the CA has neither a provisioning template nor a topic rule, and the file does not "
            "say whether its devices are provisioned"
        )
        yield Check("provisioning", None, finding, _SAY, undecided=True)


def _template_checks(
    seen: Located, ca_id: str, name: str | None, provisioning: CaProvisioning
) -> Iterator[Check]:
    template = provisioning.template
    yield from _about(name, template_checks.checks(seen, ca_id, name, template))
    if isinstance(template, Template) and provisioning.role is not None:
        needs = template_checks.needs_for_any_device(seen, template)
        attachable = template_checks.attachable_policy(seen)
        of_role = role.checks(seen, provisioning.role, template_checks.SERVICE, needs, attachable)
        yield from _about(template.role_arn.rpartition("/")[2], of_role)
        of_body = template_checks.checks_for_any_device(seen, template, provisioning.policies)
        yield from _about(template.name, of_body)
    yield _alarms(provisioning, JITP_ALARMS)


def _about(resource: str | None, found: Iterator[Check]) -> Iterator[Check]:
    """Yield checks that name the resource that they are about."""
    return (replace(check, resource=resource) for check in found)


def _rule_checks(
    seen: Located, observed: ObservedRule, provisioning: CaProvisioning
) -> Iterator[Check]:
    """Yield the checks of one rule; the module names the function and its role like the rule."""
    yield from _about(observed.rule.name, _of_rule(seen, observed))
    yield _dead_letters(observed.queues)
    if isinstance(observed.function, Function):
        name = observed.function.name
        yield _alarms(provisioning, [f"{name}-{suffix}" for suffix in JITR_ALARM_SUFFIXES])


def _of_rule(seen: Located, observed: ObservedRule) -> Iterator[Check]:
    rule, function = observed.rule, observed.function
    yield rule_checks.listens(rule)
    yield rule_checks.enabled(seen, rule)
    if is_understood(rule):
        certificates = f"{seen.iot_arn_prefix}:cert/*"
        yield from rule_checks.function_checks(seen, rule, function, certificates)
    else:
        yield rule_checks.not_understood(rule)
    if isinstance(function, Function):
        yield from rule_checks.device_policy(function, observed.policy)


def _alarms(provisioning: CaProvisioning, names: Collection[str]) -> Check:
    name = "alarms"
    if isinstance(provisioning.alarms, Unreadable):
        return not_readable(name, provisioning.alarms)
    alarms = [alarm for alarm in provisioning.alarms if alarm in names]
    if not alarms:
        return Check(name, True, "no alarm of the module is in ALARM")
    verb = "is" if len(alarms) == 1 else "are"
    return Check(name, False, f"{' and '.join(sorted(alarms))} {verb} in ALARM", _DIAGNOSE)


def _dead_letters(queues: tuple[Queue, ...] | Unreadable) -> Check:
    name = DEAD_LETTERS
    if isinstance(queues, Unreadable):
        return not_readable(name, queues)
    waiting = [queue for queue in queues if queue.messages > 0]
    if not waiting:
        return Check(name, True, "no dead letter waits")
    finding = ", ".join(
        f"about {queue.messages} dead letter{'' if queue.messages == 1 else 's'} in {queue.name}"
        for queue in waiting
    )
    return Check(name, False, f"{finding}: events of devices that failed", _DIAGNOSE)
