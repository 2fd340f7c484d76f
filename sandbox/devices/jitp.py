"""What a JITP template makes of a device certificate: a plan, pure.

Sources: AWS IoT developer guide, "Just-in-time provisioning" (parameters; all declared ones must
have a value) and "Provisioning templates" (resources and their properties). The limits of things
are those of the API reference and of AWS's quotas.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from sandbox.errors import AWSError
from sandbox.iot import things
from sandbox.iot.certificates import subject_of
from sandbox.iot.policies import check_document

PREFIX = "AWS::IoT::Certificate::"
THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
ATTRIBUTE_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
ATTRIBUTE_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
STATUSES = ("ACTIVE", "INACTIVE")
# What happens to a property of a thing that exists (guide, "Provisioning templates").
OVERRIDES = {
    "AttributePayload": ("DO_NOTHING", "REPLACE", "MERGE", "FAIL"),
    "ThingTypeName": ("DO_NOTHING", "REPLACE", "FAIL"),
    "ThingGroups": ("DO_NOTHING", "REPLACE", "FAIL"),
}


class ProvisioningFailed(Exception):
    """The template can't be carried out for this device; its certificate stays as it is."""


@dataclass(frozen=True)
class Thing:
    """The thing that a template asks for, and what to do if it is already there.

    Attributes:
        overrides: what happens to each property that the template sets.
    """

    name: str
    attributes: Mapping[str, str]
    type: str | None
    groups: tuple[str, ...]
    overrides: Mapping[str, str]


@dataclass(frozen=True)
class Policy:
    """A policy by its name; with a document it is created where there is none."""

    name: str
    document: str | None


@dataclass(frozen=True)
class Plan:
    """All that provisioning one device does."""

    status: str
    thing: Thing | None
    policies: tuple[Policy, ...]


def parameters_of(certificate: x509.Certificate, certificate_id: str) -> dict[str, str]:
    """Return the values that AWS IoT hands to a JITP template."""
    subject = {PREFIX + name: value for name, value in subject_of(certificate).items()}
    return {**subject, f"{PREFIX}Id": certificate_id}


def make_plan(body: str, given: Mapping[str, str]) -> Plan:
    """Return what the template ``body`` does with the parameters ``given``.

    Raises ProvisioningFailed.
    """
    document = json.loads(body)
    values = dict(given)
    for name, declared in document.get("Parameters", {}).items():
        if name not in values and "Default" in declared:
            values[name] = str(declared["Default"])
        if name not in values:
            raise ProvisioningFailed(f"the device certificate has no value for {name}")
    status, thing, policies = "ACTIVE", None, []
    for resource in document["Resources"].values():
        properties = {
            name: _resolve(value, values) for name, value in resource.get("Properties", {}).items()
        }
        # Templates of older guides spell the properties of policies in lower case.
        lower = {name.lower(): value for name, value in properties.items()}
        match resource["Type"]:
            case "AWS::IoT::Certificate":
                if lower.get("certificateid") != values[f"{PREFIX}Id"]:
                    raise ProvisioningFailed("the template's certificate is not the device's")
                status = str(lower.get("status", "ACTIVE"))
            case "AWS::IoT::Thing":
                thing = _thing(properties, resource.get("OverrideSettings", {}))
            case "AWS::IoT::Policy":
                policies.append(_policy(lower))
    if status not in STATUSES:
        raise ProvisioningFailed(f"a certificate can't be provisioned as {status}")
    return Plan(status, thing, tuple(policies))


def _thing(properties: Mapping[str, Any], overrides: Mapping[str, str]) -> Thing:
    name = properties.get("ThingName")
    if not isinstance(name, str) or not THING_NAME.fullmatch(name):
        raise ProvisioningFailed(f"{name!r} can't be the name of a thing")
    attributes = properties.get("AttributePayload", {})
    kind = properties.get("ThingTypeName")
    if not isinstance(attributes, dict):
        raise ProvisioningFailed("AttributePayload must be an object")
    check_room(attributes, kind is not None)
    for key, value in attributes.items():
        if not ATTRIBUTE_NAME.fullmatch(key) or not ATTRIBUTE_VALUE.fullmatch(str(value)):
            raise ProvisioningFailed(f"attribute {key}={value!r} has characters that AWS refuses")
    return Thing(
        name,
        {key: str(value) for key, value in attributes.items()},
        kind,
        tuple(str(group) for group in properties.get("ThingGroups", [])),
        _overrides(properties, overrides),
    )


def _overrides(properties: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return what happens to each property of a thing that exists.

    The guide names no default, so the harshest one stands for what the template does not set: the
    device is not provisioned.
    """
    for name, setting in given.items():
        if setting not in OVERRIDES.get(name, ()):
            raise ProvisioningFailed(f"OverrideSettings can't be {name} = {setting}")
    wanted = [name for name in OVERRIDES if name in properties or not given]
    return {**dict.fromkeys(wanted, "FAIL"), **given}


def check_room(attributes: Mapping[str, str], has_type: bool) -> None:
    """Raise ProvisioningFailed for more attributes than a thing can have."""
    try:
        things.check_room(attributes, has_type)
    except AWSError as error:
        raise ProvisioningFailed(error.message) from None


def _policy(lower: Mapping[str, Any]) -> Policy:
    document = lower.get("policydocument")
    if document is not None and not isinstance(document, str):
        document = json.dumps(document)
    if document is not None:
        try:
            check_document(document)
        except AWSError as error:
            raise ProvisioningFailed(error.message) from None
    name = lower.get("policyname")
    if name is None:
        # Guide: without a name it is a hash of the document; which hash isn't said.
        name = hashlib.sha256(str(document).encode()).hexdigest()
    return Policy(str(name), document)


def _resolve(value: Any, values: Mapping[str, str]) -> Any:
    """Return ``value`` with its references and functions replaced by what they stand for."""
    if isinstance(value, list):
        return [_resolve(item, values) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        if value["Ref"] not in values:
            raise ProvisioningFailed(f"the template refers to {value['Ref']}, which has no value")
        return values[value["Ref"]]
    if set(value) == {"Fn::Join"}:
        separator, items = value["Fn::Join"]
        return str(separator).join(str(_resolve(item, values)) for item in items)
    if set(value) == {"Fn::Sub"} and isinstance(value["Fn::Sub"], str):
        return re.sub(
            r"\$\{([^}!]+)\}", lambda f: str(_resolve({"Ref": f[1]}, values)), value["Fn::Sub"]
        )
    if any(name.startswith("Fn::") for name in value):
        raise ProvisioningFailed(f"the sandbox knows no {', '.join(sorted(value))}")
    return {key: _resolve(item, values) for key, item in value.items()}
