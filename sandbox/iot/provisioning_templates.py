"""Provisioning templates: their rules, independent of moto and of HTTP.

Sources: AWS IoT API reference and botocore's ``iot`` model (limits, errors, defaults), developer
guide "Provisioning templates" (what a body may hold), and the messages that users report.
Where AWS's behaviour isn't known the stricter guess is taken, and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.errors import AWSError
from sandbox.iot.policies import check_document
from sandbox.iot.refusals import invalid_request, not_found

TEMPLATE_NAME = re.compile(r"[0-9A-Za-z_-]{1,36}")
TYPES = ("FLEET_PROVISIONING", "JITP")
MOST_VERSIONS = 5
RESOURCE_TYPES = {"AWS::IoT::Thing", "AWS::IoT::Certificate", "AWS::IoT::Policy"}


@dataclass(frozen=True)
class Version:
    """One version of a template's body."""

    version_id: int
    body: str
    creation_date: datetime


@dataclass(frozen=True)
class Hook:
    """A pre-provisioning hook."""

    target_arn: str
    payload_version: str = "2020-04-01"


@dataclass
class ProvisioningTemplate:
    """One template, with up to five versions of its body."""

    name: str
    arn: str
    type: str
    description: str | None
    enabled: bool
    role_arn: str
    hook: Hook | None
    creation_date: datetime
    last_modified_date: datetime
    versions: dict[int, Version]
    default_version_id: int = 1
    last_version_id: int = 1
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        """The body of the default version."""
        return self.versions[self.default_version_id].body


def check_name(name: str) -> str:
    """Return ``name`` if it can name a template (``TemplateName`` of the model).

    Else InvalidRequest.
    """
    if not TEMPLATE_NAME.fullmatch(name):
        raise invalid_request(
            f"1 validation error detected: Value '{name}' at 'templateName' failed to satisfy "
            "constraint: Member must have length between 1 and 36 and satisfy regular expression "
            "pattern: ^[0-9A-Za-z_-]+$"
        )
    return name


def check_type(kind: str) -> str:
    """Return ``kind`` if it is a template type of the model; else InvalidRequestException."""
    if kind not in TYPES:
        raise invalid_request(
            f"1 validation error detected: Value '{kind}' at 'type' failed to satisfy constraint: "
            "Member must satisfy enum value set: [FLEET_PROVISIONING, JITP]"
        )
    return kind


def check_description(description: str | None) -> str | None:
    """Return ``description`` if it fits the model's 500 printable characters.

    Else InvalidRequest.
    """
    if description is not None and (
        len(description) > 500 or any(not c.isprintable() for c in description)
    ):
        raise invalid_request("The description must be at most 500 printable characters")
    return description


def check_body(body: str) -> str:
    """Return ``body`` if it is a template that provisioning could carry out; else InvalidRequest.

    A certificate resource is required, a policy needs a name or a document, not both, and a
    document is a JSON object as a string (developer guide; the message about neither is AWS's own).
    Refusing an undeclared ``Ref`` is the stricter guess: the guide says that provisioning fails for
    want of a parameter, not whether registration already does. So is refusing a document that is
    not a policy, or not a string.
    """
    if len(body) > 10240:
        raise invalid_request("Invalid template body: at most 10240 characters")
    try:
        document = json.loads(body)
    except ValueError:
        raise invalid_request("Invalid template body: not JSON") from None
    resources = document.get("Resources") if isinstance(document, dict) else None
    parameters = document.get("Parameters", {}) if isinstance(document, dict) else None
    if not isinstance(resources, dict) or not resources or not isinstance(parameters, dict):
        raise invalid_request("Invalid template body: Resources must be a non-empty object")
    kinds = [r.get("Type") if isinstance(r, dict) else None for r in resources.values()]
    for kind in kinds:
        if kind not in RESOURCE_TYPES:
            raise invalid_request(f"Invalid template body: unknown resource type {kind}")
    if kinds.count("AWS::IoT::Certificate") != 1:
        raise invalid_request("Invalid template body: it must have a certificate resource")
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if not isinstance(properties, dict):
            raise invalid_request("Invalid template body: Properties must be an object")
        if resource["Type"] == "AWS::IoT::Policy":
            _check_policy({key.lower(): value for key, value in properties.items()})
    for parameter in parameters.values():
        if not isinstance(parameter, dict) or parameter.get("Type") != "String":
            raise invalid_request("Invalid template body: every parameter must be of Type String")
    undeclared = sorted(set(_references(resources)) - set(parameters) - set(resources))
    if undeclared:
        raise invalid_request(
            f"Invalid template body: undeclared parameters {', '.join(undeclared)}"
        )
    return body


def _check_policy(properties: Mapping[str, Any]) -> None:
    named = properties.keys() & {"policyname", "policydocument"}
    if not named:
        raise invalid_request(
            "Invalid registration template. "
            "Neither policyName nor policyDocument is present in the Template."
        )
    if len(named) > 1:
        raise invalid_request(
            "Invalid template body: a policy has either a policyName or a policyDocument"
        )
    if "policydocument" not in properties:
        return
    document = properties["policydocument"]
    if isinstance(document, str):
        try:
            check_document(document)
        except AWSError as error:
            raise invalid_request(f"Invalid template body: {error.message}") from None
    elif not _is_function(document):
        raise invalid_request(
            "Invalid template body: a policyDocument is a JSON object as a string"
        )


def _is_function(value: Any) -> bool:
    """Return whether ``value`` is a Ref or an intrinsic function, whose result can be a string."""
    return (
        isinstance(value, dict)
        and len(value) == 1
        and re.fullmatch(r"Ref|Fn::.+", next(iter(value))) is not None
    )


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Ref"} and isinstance(value["Ref"], str):
            yield value["Ref"]
        else:
            for inner in value.values():
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def check_hook(hook: Hook) -> Hook:
    """Return ``hook`` if it names a Lambda function and a known payload version.

    Else InvalidRequest.
    """
    if not re.fullmatch(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:.+", hook.target_arn):
        raise invalid_request("The pre-provisioning hook must be the ARN of a Lambda function")
    if hook.payload_version != "2020-04-01":
        raise invalid_request("The pre-provisioning hook's payload version must be 2020-04-01")
    return hook


def add_version(
    template: ProvisioningTemplate, body: str, as_default: bool, now: datetime
) -> Version:
    """Return a new version of ``template``.

    The sixth is a VersionsLimitExceededException (API ref.).
    """
    check_body(body)
    if len(template.versions) >= MOST_VERSIONS:
        raise AWSError(
            "VersionsLimitExceededException",
            f"The template {template.name} already has the maximum number of versions "
            f"({MOST_VERSIONS})",
            409,
        )
    template.last_version_id += 1
    version = Version(template.last_version_id, body, now)
    template.versions[version.version_id] = version
    if as_default:
        template.default_version_id = version.version_id
        template.last_modified_date = now
    return version


def version_of(template: ProvisioningTemplate, version_id: int) -> Version:
    """Return the version called ``version_id``; ResourceNotFoundException without one."""
    try:
        return template.versions[version_id]
    except KeyError:
        message = f"Version {version_id} of template {template.name} does not exist"
        raise not_found(message) from None


def delete_version(template: ProvisioningTemplate, version_id: int) -> None:
    """Delete a version; the default one is a DeleteConflictException (API reference)."""
    version_of(template, version_id)
    if version_id == template.default_version_id:
        message = f"The default version of template {template.name} can't be deleted"
        raise AWSError("DeleteConflictException", message, 409)
    del template.versions[version_id]
