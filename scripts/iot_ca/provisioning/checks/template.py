"""A CA's provisioning template: it exists, is of type JITP and enabled. Pure.

Source: AWS IoT developer guide, "Just-in-time provisioning".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from iot_ca.provisioning.checks import role
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import Located, Template, Unreadable
from iot_ca.provisioning.remedies import aws_command, compact

SERVICE = "iot.amazonaws.com"
POLICY = "template policy"


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

    The names of a thing and a policy depend on the device: what a policy says of some names alone
    decides nothing. A thing that exists takes iot:UpdateThing instead of iot:CreateThing.
    """
    certificates = f"{seen.iot_arn_prefix}:cert/*"
    types = _resource_types(template.body)
    actions = ["iot:UpdateCertificate"]
    if "AWS::IoT::Policy" in types:
        actions.append("iot:AttachPolicy")
    if "AWS::IoT::Thing" in types:
        actions.append("iot:AttachThingPrincipal")
    needs = [(action, certificates) for action in actions]
    if "AWS::IoT::Thing" in types:
        needs.append(("iot:CreateThing", f"{seen.iot_arn_prefix}:thing/*"))
    if any("policydocument" in each for each in _properties(template.body, "AWS::IoT::Policy")):
        needs.append(("iot:CreatePolicy", f"{seen.iot_arn_prefix}:policy/*"))
    return needs


def checks_for_any_device(
    seen: Located, template: Template, policies: Mapping[str, str | Unreadable | None]
) -> Iterator[Check]:
    """Yield what the template's body says without a reference, and so of each device."""
    for name in policy_names(template.body):
        yield policy_exists(seen, name, policies.get(name))
    statuses = [
        properties.get("status", "ACTIVE")
        for properties in _properties(template.body, "AWS::IoT::Certificate")
    ]
    if all(isinstance(status, str) for status in statuses):
        yield activation(seen, template, next(iter(reversed(statuses)), "ACTIVE"))


def activation(seen: Located, template: Template, status: str) -> Check:
    """Return the check that a template activates certificates; `status` is what it gives them."""
    name = "provisioned status"
    if status == "ACTIVE":
        return Check(name, True, "the template activates the certificate")
    finding = f"the template leaves the device's certificate {status}"
    return Check(name, False, finding, _activating(seen, template))


def policy_exists(seen: Located, name: str, document: str | Unreadable | None) -> Check:
    """Return the check of a policy that a template names."""
    if isinstance(document, Unreadable):
        return not_readable(POLICY, document)
    if document is None:
        finding = f"the policy {name}, which the template attaches, does not exist"
        return Check(POLICY, False, finding, create_policy(seen, name))
    return Check(POLICY, True, f"the policy {name} exists")


def policy_names(body: str) -> list[str]:
    """Return the names of the policies that a template attaches, without those it creates."""
    return [
        properties["policyname"]
        for properties in _properties(body, "AWS::IoT::Policy")
        if isinstance(properties.get("policyname"), str) and "policydocument" not in properties
    ]


def _resource_types(body: str) -> set[str]:
    """Return the types of a template's resources; empty if the body can't be read."""
    return {str(resource.get("Type")) for resource in _resources(body)}


def _properties(body: str, kind: str) -> list[dict[str, Any]]:
    """Return the properties of each resource of a type; their names are in lower case.

    Templates of older guides spell the properties of policies like that.
    """
    return [
        {name.lower(): value for name, value in (resource.get("Properties") or {}).items()}
        for resource in _resources(body)
        if resource.get("Type") == kind
    ]


def _resources(body: str) -> list[dict[str, Any]]:
    """Return a template's resources; none if the body can't be read."""
    try:
        return [each for each in json.loads(body)["Resources"].values() if isinstance(each, dict)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _activating(seen: Located, template: Template) -> str:
    """Return the command that gives a template a version that activates certificates."""
    if template.name is None:
        return "set Status to ACTIVE in the template body that the CA carries"

    def activate(resource: dict[str, Any]) -> None:
        others = {
            key: value
            for key, value in resource.get("Properties", {}).items()
            if key.lower() != "status"
        }
        resource["Properties"] = others | {"Status": "ACTIVE"}

    return changed_version(seen, template.name, template.body, "AWS::IoT::Certificate", activate)


def changed_version(
    seen: Located, name: str, body: str, kind: str, change: Callable[[dict[str, Any]], None]
) -> str:
    """Return the command that changes each resource of a type, in a new default version."""
    document = json.loads(body)
    for resource in document["Resources"].values():
        if resource.get("Type") == kind:
            change(resource)
    return aws_command(
        seen.target,
        "iot",
        "create-provisioning-template-version",
        "--template-name",
        name,
        "--set-as-default",
        "--template-body",
        compact(document),
    )


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


def create_policy(seen: Located, name: str) -> str:
    """Return the command that creates a policy like the module's own."""
    return aws_command(
        seen.target,
        "iot",
        "create-policy",
        "--policy-name",
        name,
        "--policy-document",
        usual_policy_document(seen),
    )


def usual_policy_document(seen: Located) -> str:
    """Return the policy of modules/_device_policy: a device may use what is named as its thing."""
    prefix, thing = seen.iot_arn_prefix, "${iot:Connection.Thing.ThingName}"
    names = (f"{thing}/*", f"$aws/things/{thing}/*")

    def allow(action: str | list[str], *resources: str) -> dict[str, object]:
        return {"Effect": "Allow", "Action": action, "Resource": list(resources)}

    topics = [f"{prefix}:topic/{name}" for name in names]
    filters = [f"{prefix}:topicfilter/{name}" for name in names]
    statements = [
        allow("iot:Connect", f"{prefix}:client/{thing}"),
        allow(["iot:Publish", "iot:Receive", "iot:RetainPublish"], *topics),
        allow("iot:Subscribe", *filters),
    ]
    return compact({"Version": "2012-10-17", "Statement": statements})
