"""AWS IoT: the permissions that each operation needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.iot.models import iot_backends

from sandbox.errors import AWSError
from sandbox.identity.evaluation import Permission
from sandbox.iot.certificates import certificate_id_of, load_certificate
from sandbox.permissions.api_call import ApiCall, Rule


def _iot(resource: str) -> Rule:
    """On ``resource``, in which ``{name}`` stands for a parameter; ``*`` where IAM knows none."""

    def rule(call: ApiCall) -> list[Permission]:
        if resource == "*":
            return [call.permission()]
        return [call.permission(call.arn(resource.format_map(_Texts(call))))]

    return rule


class _Texts(dict[str, str]):
    def __init__(self, call: ApiCall) -> None:
        super().__init__()
        self.call = call

    def __missing__(self, name: str) -> str:
        return self.call.text(name)


def _iot_tagged(resource: str, role: str | None = None) -> Rule:
    """As ``_iot``.

    With tags also iot:TagResource, with a role in ``role`` also what passing it takes.
    """

    def rule(call: ApiCall) -> list[Permission]:
        (own,) = _iot(resource)(call)
        needed = [own]
        if call.given.get("tags") or call.text("x-amz-tagging"):
            needed.append(call.permission(own.resource, "iot:TagResource"))
        if role is not None:
            needed += call.pass_role_to_iot(call.text(role))
        return needed

    return rule


def _iot_resource(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("resourceArn"))]


def _iot_target(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("target"))]


def _attach_thing_principal(call: ApiCall) -> list[Permission]:
    """On the certificate (resource type cert, Service Authorization Reference of 2026)."""
    context: dict[str, str | None] = {"iot:thingArn": call.arn(f"thing/{call.text('thingName')}")}
    return [call.permission(call.text("x-amzn-principal"), context=context)]


def _register_ca_certificate(call: ApiCall) -> list[Permission]:
    """Need ``*`` for the registration, for which IAM knows no resource, and more with tags.

    The tags are those of the new CA certificate.
    """
    needed = [call.permission()]
    if call.given.get("tags"):
        try:
            certificate = load_certificate(call.text("caCertificate"), "CA certificate")
            resource = call.arn(f"cacert/{certificate_id_of(certificate)}")
        except AWSError:
            resource = call.arn("cacert/")
        needed.append(call.permission(resource, "iot:TagResource"))
    return needed + _role_of_configuration(call)


def _update_ca_certificate(call: ApiCall) -> list[Permission]:
    return _iot("cacert/{caCertificateId}")(call) + _role_of_configuration(call)


def _role_of_configuration(call: ApiCall) -> list[Permission]:
    """Need the role of a ``registrationConfig``.

    That a template's is passed too is a stricter guess.
    """
    config = call.given.get("registrationConfig")
    if not isinstance(config, Mapping):
        return []
    role_arn = config.get("roleArn")
    name = config.get("templateName")
    if not role_arn and isinstance(name, str):
        templates = getattr(iot_backends[call.caller.account][call.region], "templates", {})
        role_arn = templates[name].role_arn if name in templates else None
    return call.pass_role_to_iot(str(role_arn or ""))


def _topic_rule(call: ApiCall) -> list[Permission]:
    """Need a rule, its tags when it is made, and the roles of its actions."""
    tagged = call.operation == "CreateTopicRule"
    needed = (_iot_tagged if tagged else _iot)("rule/{ruleName}")(call)
    payload = call.given.get("topicRulePayload", call.given)
    for role_arn in sorted(set(_role_arns(payload))):
        needed += call.pass_role(role_arn, "iot.amazonaws.com")
    return needed


def _role_arns(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            if name == "roleArn" and isinstance(value, str):
                yield value
            else:
                yield from _role_arns(value)
    elif isinstance(document, list):
        for item in document:
            yield from _role_arns(item)


_CACERT = _iot("cacert/{caCertificateId}")
_CERT = _iot("cert/{certificateId}")
_GROUP = _iot("thinggroup/{thingGroupName}")
_THING = _iot("thing/{thingName}")
_TEMPLATE = _iot("provisioningtemplate/{templateName}")
_POLICY = _iot("policy/{policyName}")
_RULE = _iot("rule/{ruleName}")

IOT: dict[str, Rule] = {
    "RegisterCACertificate": _register_ca_certificate,
    "DescribeCACertificate": _CACERT,
    "UpdateCACertificate": _update_ca_certificate,
    "DeleteCACertificate": _CACERT,
    "ListCACertificates": _iot("*"),
    "ListCertificatesByCA": _iot("*"),
    "GetRegistrationCode": _iot("*"),
    "DeleteRegistrationCode": _iot("*"),
    "RegisterCertificate": _iot("*"),
    "RegisterCertificateWithoutCA": _iot("*"),
    "ListCertificates": _iot("*"),
    "DescribeCertificate": _CERT,
    "UpdateCertificate": _CERT,
    "DeleteCertificate": _CERT,
    "AttachThingPrincipal": _attach_thing_principal,
    "DetachThingPrincipal": _iot("*"),
    "ListThings": _iot("*"),
    "CreateThing": _THING,
    "DescribeThing": _THING,
    "UpdateThing": _THING,
    "DeleteThing": _THING,
    "CreateThingGroup": _iot_tagged("thinggroup/{thingGroupName}"),
    "DescribeThingGroup": _GROUP,
    "DescribeEndpoint": _iot("*"),
    "DescribeEventConfigurations": _iot("*"),
    "UpdateEventConfigurations": _iot("*"),
    "UpdateThingGroup": _GROUP,
    "DeleteThingGroup": _GROUP,
    "ListThingGroups": _iot("*"),
    "TagResource": _iot_resource,
    "UntagResource": _iot_resource,
    "ListTagsForResource": _iot_resource,
    "CreateProvisioningTemplate": _iot_tagged(
        "provisioningtemplate/{templateName}", "provisioningRoleArn"
    ),
    "DescribeProvisioningTemplate": _TEMPLATE,
    "UpdateProvisioningTemplate": lambda call: [
        *_TEMPLATE(call),
        *call.pass_role_to_iot(call.text("provisioningRoleArn")),
    ],
    "DeleteProvisioningTemplate": _TEMPLATE,
    "ListProvisioningTemplates": _iot("*"),
    "CreateProvisioningTemplateVersion": _TEMPLATE,
    "DescribeProvisioningTemplateVersion": _TEMPLATE,
    "DeleteProvisioningTemplateVersion": _TEMPLATE,
    "ListProvisioningTemplateVersions": _TEMPLATE,
    "CreatePolicy": _iot_tagged("policy/{policyName}"),
    "GetPolicy": _POLICY,
    "DeletePolicy": _POLICY,
    "AttachPolicy": _iot_target,
    "DetachPolicy": _iot_target,
    "CreatePolicyVersion": _POLICY,
    "GetPolicyVersion": _POLICY,
    "DeletePolicyVersion": _POLICY,
    "SetDefaultPolicyVersion": _POLICY,
    "ListPolicyVersions": _POLICY,
    "ListTargetsForPolicy": _POLICY,
    "TestAuthorization": lambda call: [call.permission(call.text("principal") or "*")],
    "ListAttachedPolicies": _iot_target,
    "ListPrincipalThings": _iot("*"),
    "ListThingPrincipals": _THING,
    "DescribeThingType": _iot("thingtype/{thingTypeName}"),
    "GetV2LoggingOptions": _iot("*"),
    "ListTopicRules": _iot("*"),
    "CreateTopicRule": _topic_rule,
    "ReplaceTopicRule": _topic_rule,
    "GetTopicRule": _RULE,
    "EnableTopicRule": _RULE,
    "DisableTopicRule": _RULE,
    "DeleteTopicRule": _RULE,
}
