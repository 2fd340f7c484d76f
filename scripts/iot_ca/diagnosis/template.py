"""What a provisioning template makes of a device certificate. Pure.

Sources: AWS IoT developer guide, "Just-in-time provisioning" (parameters, which must all have a
value) and "Provisioning templates" (resources and properties); limits of things: API reference,
"CreateThing" and "AttributePayload"; a policy: API reference, "CreatePolicy".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

PREFIX = "AWS::IoT::Certificate::"

# AWS IoT's names of the attributes of a subject, by object identifier (RFC 4519, X.520).
_SUBJECT_ATTRIBUTES = {
    "2.5.4.6": "Country",
    "2.5.4.10": "Organization",
    "2.5.4.11": "OrganizationalUnit",
    "2.5.4.46": "DistinguishedNameQualifier",
    "2.5.4.8": "StateName",
    "2.5.4.3": "CommonName",
    "2.5.4.5": "SerialNumber",
}

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_ATTRIBUTE_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
_ATTRIBUTE_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
_MAX_ATTRIBUTES_WITHOUT_TYPE = 3
_MAX_ATTRIBUTES_WITH_TYPE = 50
MAX_POLICY_CHARACTERS = 2048
# Properties of a thing for which OverrideSettings say what happens if it exists, and what changes
# least.
OVERRIDABLE = {
    "AttributePayload": "MERGE",
    "ThingTypeName": "DO_NOTHING",
    "ThingGroups": "DO_NOTHING",
}


class UnknownFunctionError(Exception):
    """The template uses a function that this program does not know."""


@dataclass(frozen=True)
class PlannedPolicy:
    """A policy that the template attaches: an existing one, or one of this document."""

    name: str
    document: str | None


@dataclass(frozen=True)
class PlannedThing:
    """The thing that the template creates or attaches.

    Attributes:
        fails_if_exists: whether OverrideSettings say so for a property.
        undecided: properties for which they say nothing: the guide documents no default.
    """

    name: str
    attributes: Mapping[str, str]
    type: str | None
    groups: tuple[str, ...]
    fails_if_exists: bool
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What the template does with one certificate.

    `missing` has the declared parameters that have no value; with any, nothing else is planned.
    """

    missing: tuple[str, ...] = ()
    status: str = "ACTIVE"
    thing: PlannedThing | None = None
    policies: tuple[PlannedPolicy, ...] = ()


def subject(certificate: x509.Certificate) -> dict[str, str]:
    """Return the subject by AWS IoT's names, of several values the first; empty if unreadable."""
    values: dict[str, str] = {}
    try:
        attributes = list(certificate.subject)
    except (ValueError, TypeError, KeyError):  # a name that cryptography refuses
        return values
    for attribute in attributes:
        name = _SUBJECT_ATTRIBUTES.get(attribute.oid.dotted_string)
        if name is not None and isinstance(attribute.value, str):
            values.setdefault(name, attribute.value)
    return values


def make_plan(body: str, certificate: x509.Certificate, certificate_id: str) -> Plan:
    """Return what a template does; raise UnknownFunctionError or ValueError if it is not known."""
    document = json.loads(body)
    values = {PREFIX + name: value for name, value in subject(certificate).items()}
    values[f"{PREFIX}Id"] = certificate_id
    for name, declared in document.get("Parameters", {}).items():
        if isinstance(declared, dict) and "Default" in declared:
            values.setdefault(name, str(declared["Default"]))
    missing = tuple(name for name in document.get("Parameters", {}) if name not in values)
    if missing:
        return Plan(missing)
    plan = Plan()
    for resource in document.get("Resources", {}).values():
        plan = _with_resource(plan, resource, values)
    return plan


def _with_resource(plan: Plan, resource: Mapping[str, Any], values: Mapping[str, str]) -> Plan:
    properties = {
        # Templates of older guides spell the properties of policies in lower case.
        name.lower(): _resolve(value, values)
        for name, value in resource.get("Properties", {}).items()
    }
    kind = resource.get("Type")
    if kind == "AWS::IoT::Certificate":
        return Plan(
            plan.missing, str(properties.get("status", "ACTIVE")), plan.thing, plan.policies
        )
    if kind == "AWS::IoT::Thing":
        thing = _thing(properties, resource.get("OverrideSettings") or {})
        return Plan(plan.missing, plan.status, thing, plan.policies)
    if kind == "AWS::IoT::Policy":
        return Plan(plan.missing, plan.status, plan.thing, (*plan.policies, _policy(properties)))
    return plan


def _thing(properties: Mapping[str, Any], overrides: Mapping[str, Any]) -> PlannedThing:
    attributes = properties.get("attributepayload") or {}
    return PlannedThing(
        str(properties.get("thingname", "")),
        {str(key): str(value) for key, value in attributes.items()},
        properties.get("thingtypename"),
        tuple(str(group) for group in properties.get("thinggroups") or ()),
        "FAIL" in overrides.values(),
        tuple(
            name
            for name in OVERRIDABLE
            if name not in overrides and (name.lower() in properties or not overrides)
        ),
    )


def _policy(properties: Mapping[str, Any]) -> PlannedPolicy:
    document = properties.get("policydocument")
    if document is not None and not isinstance(document, str):
        document = json.dumps(document)
    name = properties.get("policyname")
    if name is None:
        # The guide: without a name it is a hash of the document; it does not say which.
        name = hashlib.sha256(str(document).encode()).hexdigest()
    return PlannedPolicy(str(name), document)


def _resolve(value: Any, values: Mapping[str, str]) -> Any:
    """Return a value of the template with its references and functions replaced."""
    if isinstance(value, list):
        return [_resolve(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        if value["Ref"] not in values:
            raise UnknownFunctionError(f"Ref {value['Ref']}")
        return values[value["Ref"]]
    if set(value) == {"Fn::Join"}:
        separator, items = value["Fn::Join"]
        return str(separator).join(str(_resolve(item, values)) for item in items)
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return re.sub(
            r"\$\{([^}!]+)\}",
            lambda match: str(_resolve({"Ref": match[1]}, values)),
            value["Fn::Sub"],
        )
    unknown = [name for name in value if name.startswith("Fn::")]
    if unknown:
        raise UnknownFunctionError(unknown[0])
    return {key: _resolve(item, values) for key, item in value.items()}


def thing_faults(thing: PlannedThing) -> list[str]:
    """Return what AWS IoT would refuse of a thing."""
    faults = []
    if not _THING_NAME.fullmatch(thing.name):
        faults.append(
            f"{thing.name!a} can't be the name of a thing: 1 to 128 letters, digits, ':', '_', '-'"
        )
    for key, value in thing.attributes.items():
        if not _ATTRIBUTE_NAME.fullmatch(key):
            faults.append(f"a thing can't have an attribute named {key!a}")
        if not _ATTRIBUTE_VALUE.fullmatch(value):
            faults.append(
                f"attribute {key} can't have the value {value!a}: up to 800 letters, digits and "
                "_.,@/:#=[]-"
            )
    most = _MAX_ATTRIBUTES_WITHOUT_TYPE if thing.type is None else _MAX_ATTRIBUTES_WITH_TYPE
    if len(thing.attributes) > most:
        kind = "without" if thing.type is None else "with"
        faults.append(
            f"a thing {kind} a thing type has room for {most} attributes, and the template sets "
            f"{len(thing.attributes)}"
        )
    return faults


def policy_fault(policy: PlannedPolicy) -> str | None:
    """Return what AWS IoT would refuse of a policy's document; None if nothing."""
    if policy.document is None:
        return None
    length = len(re.sub(r"\s", "", policy.document))
    if length > MAX_POLICY_CHARACTERS:
        return f"its document has {length} characters, and AWS IoT takes {MAX_POLICY_CHARACTERS}"
    try:
        json.loads(policy.document)
    except ValueError:
        return "its document is not JSON"
    return None
