"""A CA's provisioning template: it exists, is of type JITP and enabled. Pure.

Source: AWS IoT developer guide, "Just-in-time provisioning".
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from iot_ca.provisioning.checks import role
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import Located, Template, Unreadable
from iot_ca.provisioning.remedies import aws_command

SERVICE = "iot.amazonaws.com"


def checks(
    seen: Located, ca_id: str, name: str | None, template: Template | Unreadable | None
) -> Iterator[Check]:
    """Yield the checks of a template, which has the name `name` if it is not the CA's own body."""
    if isinstance(template, Unreadable):
        yield not_readable("template", template)
    elif template is None:
        yield Check(
            "template",
            False,
            f"the template {name} of CA {ca_id} does not exist",
            "apply the module, which creates the template, or give the CA another one",
        )
    elif template.name is None:
        yield Check("template", True, "the CA carries a template body of its own")
    else:
        yield Check("template", True, f"the template {template.name} exists")
        yield _type(template)
        yield _enabled(seen, template, template.name)


def attachable_policy(seen: Located) -> str:
    """Return the ARN of AWS's policy for roles that provision devices."""
    return f"arn:{seen.partition}:iam::aws:policy/service-role/AWSIoTThingsRegistration"


def needs_for_any_device(seen: Located, template: Template) -> list[role.Need]:
    """Return what the template's role must be allowed for a device certificate, whichever it is.

    What a thing or a policy needs depends on its name, and so on the device.
    """
    certificates = f"{seen.iot_arn_prefix}:cert/*"
    types = _resource_types(template.body)
    actions = ["iot:UpdateCertificate"]
    if "AWS::IoT::Policy" in types:
        actions.append("iot:AttachPolicy")
    if "AWS::IoT::Thing" in types:
        actions.append("iot:AttachThingPrincipal")
    return [(action, certificates) for action in actions]


def _resource_types(body: str) -> set[str]:
    """Return the types of a template's resources; empty if the body can't be read."""
    try:
        resources = json.loads(body)["Resources"].values()
        return {str(resource.get("Type")) for resource in resources}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def _type(template: Template) -> Check:
    if template.type == "JITP":
        return Check("template type", True, "its type is JITP")
    return Check(
        "template type",
        False,
        f"type of template {template.name} is {template.type}, wanted JITP",
        "give the CA a template of type JITP; the type of a template can't be changed",
    )


def _enabled(seen: Located, template: Template, name: str) -> Check:
    if template.enabled:
        return Check("template enabled", True, "it is enabled")
    remedy = aws_command(
        seen.target, "iot", "update-provisioning-template", "--template-name", name, "--enabled"
    )
    return Check("template enabled", False, f"the template {name} is disabled", remedy)
