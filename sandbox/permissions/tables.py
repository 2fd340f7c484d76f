"""What the policies of a role or user let it do, in the accounts where that is enforced.

Every operation asks for one or more permissions: an action on a resource, under conditions. Which
ones is from AWS's Service Authorization Reference; what stands there as an action that another one
depends on counts too. Where services document tags to need a permission of their own when something
is created with them, it is asked for; AWS IoT documents nothing, and asking is the stricter guess.
An operation that is in no table here is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import iam_backends
from moto.iot.models import iot_backends

from sandbox.errors import AWSError
from sandbox.identity.principals import Principal, partition_of, verdict_of


@dataclass(frozen=True)
class Permission:
    """An action on a resource (``*`` where IAM knows none), and the condition keys of the call."""

    action: str
    resource: str
    context: Mapping[str, str | None] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} {self.resource}"


@dataclass(frozen=True)
class Asking:
    """One call: who asks, where, for which operation of which service, with which parameters."""

    caller: Principal
    region: str
    service: str
    operation: str
    given: Mapping[str, Any]

    @property
    def partition(self) -> str:
        """The partition of the region."""
        return partition_of(self.region)

    def arn(self, resource: str, service: str | None = None) -> str:
        """The ARN of something in the caller's account and the call's region."""
        where = f"{self.region}:{self.caller.account}"
        return f"arn:{self.partition}:{service or self.service}:{where}:{resource}"

    def text(self, name: str) -> str:
        """A parameter as text, empty if it isn't there: then the call fails later anyway."""
        value = self.given.get(name)
        return "" if value is None else str(value)

    def permission(
        self,
        resource: str = "*",
        action: str | None = None,
        context: Mapping[str, str | None] | None = None,
    ) -> Permission:
        """A permission for ``resource``; the action is the operation's own unless it is named."""
        general = {"aws:RequestedRegion": self.region}
        name = action or f"{self.service}:{self.operation}"
        return Permission(name, resource, {**general, **(context or {})})

    def pass_role(self, role_arn: str, service: str) -> list[Permission]:
        """The permission to hand a role to ``service``; none where no role is handed over."""
        context = {"iam:PassedToService": service}
        return [self.permission(role_arn, "iam:PassRole", context)] if role_arn else []


Rule = Callable[[Asking], list[Permission]]


# --- AWS IoT


def _iot(resource: str) -> Rule:
    """On ``resource``, in which ``{name}`` stands for a parameter; ``*`` where IAM knows none."""

    def rule(asking: Asking) -> list[Permission]:
        if resource == "*":
            return [asking.permission()]
        return [asking.permission(asking.arn(resource.format_map(_Texts(asking))))]

    return rule


class _Texts(dict[str, str]):
    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self.asking = asking

    def __missing__(self, name: str) -> str:
        return self.asking.text(name)


def _iot_tagged(resource: str, role: str | None = None) -> Rule:
    """As ``_iot``; with tags also iot:TagResource, with a role in ``role`` also iam:PassRole."""

    def rule(asking: Asking) -> list[Permission]:
        (own,) = _iot(resource)(asking)
        asked = [own]
        if asking.given.get("tags") or asking.text("x-amz-tagging"):
            asked.append(asking.permission(own.resource, "iot:TagResource"))
        if role is not None:
            asked += asking.pass_role(asking.text(role), "iot.amazonaws.com")
        return asked

    return rule


def _iot_resource(asking: Asking) -> list[Permission]:
    return [asking.permission(asking.text("resourceArn"))]


def _iot_target(asking: Asking) -> list[Permission]:
    return [asking.permission(asking.text("target"))]


def _register_ca_certificate(asking: Asking) -> list[Permission]:
    """IAM knows no resource for the registration; its tags are those of the new CA certificate."""
    asked = [asking.permission()]
    if asking.given.get("tags"):
        from sandbox.iot.ca_certificates import certificate_id_of, load_certificate

        try:
            found = load_certificate(asking.text("caCertificate"), "CA certificate")
            resource = asking.arn(f"cacert/{certificate_id_of(found)}")
        except AWSError:
            resource = asking.arn("cacert/")
        asked.append(asking.permission(resource, "iot:TagResource"))
    return asked + _role_of_configuration(asking)


def _update_ca_certificate(asking: Asking) -> list[Permission]:
    return _iot("cacert/{caCertificateId}")(asking) + _role_of_configuration(asking)


def _role_of_configuration(asking: Asking) -> list[Permission]:
    """The role of a ``registrationConfig``. That a template's is passed too is a stricter guess."""
    config = asking.given.get("registrationConfig")
    if not isinstance(config, Mapping):
        return []
    role_arn = config.get("roleArn")
    name = config.get("templateName")
    if not role_arn and isinstance(name, str):
        templates = getattr(iot_backends[asking.caller.account][asking.region], "templates", {})
        role_arn = templates[name].role_arn if name in templates else None
    return asking.pass_role(str(role_arn or ""), "iot.amazonaws.com")


def _topic_rule(asking: Asking) -> list[Permission]:
    """A rule, its tags when it is made, and the roles of its actions."""
    tagged = asking.operation == "CreateTopicRule"
    asked = (_iot_tagged if tagged else _iot)("rule/{ruleName}")(asking)
    payload = asking.given.get("topicRulePayload", asking.given)
    for role_arn in sorted(set(_role_arns(payload))):
        asked += asking.pass_role(role_arn, "iot.amazonaws.com")
    return asked


def _role_arns(document: Any) -> Iterator[str]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            if name == "roleArn" and isinstance(value, str):
                yield value
            else:
                yield from _role_arns(value)
    elif isinstance(document, list):
        for each in document:
            yield from _role_arns(each)


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
    "AttachThingPrincipal": _iot("*"),
    "DetachThingPrincipal": _iot("*"),
    "ListThings": _iot("*"),
    "CreateThing": _THING,
    "DescribeThing": _THING,
    "UpdateThing": _THING,
    "DeleteThing": _THING,
    "CreateThingGroup": _iot_tagged("thinggroup/{thingGroupName}"),
    "DescribeThingGroup": _GROUP,
    "DescribeEndpoint": _iot("*"),
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
    "UpdateProvisioningTemplate": lambda asking: [
        *_TEMPLATE(asking),
        *asking.pass_role(asking.text("provisioningRoleArn"), "iot.amazonaws.com"),
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
    "ListTopicRules": _iot("*"),
    "CreateTopicRule": _topic_rule,
    "ReplaceTopicRule": _topic_rule,
    "GetTopicRule": _RULE,
    "EnableTopicRule": _RULE,
    "DisableTopicRule": _RULE,
    "DeleteTopicRule": _RULE,
}


# --- IAM and STS


def _role(asking: Asking) -> list[Permission]:
    """On a role by its name; its path is part of the ARN."""
    name = asking.text("RoleName")
    backend = iam_backends[asking.caller.account][asking.partition]
    present = next((role for role in backend.roles.values() if role.name == name), None)
    path = asking.text("Path") or "/"
    arn = f"arn:{asking.partition}:iam::{asking.caller.account}:role{path}{name}"
    policy_arn = asking.text("PolicyArn")
    context: dict[str, str | None] = {"iam:PolicyARN": policy_arn} if policy_arn else {}
    return [asking.permission(present.arn if present else arn, context=context)]


def _create_role(asking: Asking) -> list[Permission]:
    asked = _role(asking)
    if any(name.startswith("Tags.") for name in asking.given):
        asked.append(asking.permission(asked[0].resource, "iam:TagRole"))
    return asked


def _assume_role(asking: Asking) -> list[Permission]:
    context: dict[str, str | None] = {
        "sts:ExternalId": asking.given.get("ExternalId"),
        "sts:RoleSessionName": asking.text("RoleSessionName"),
    }
    return [asking.permission(asking.text("RoleArn"), context=context)]


IAM: dict[str, Rule] = {
    "CreateRole": _create_role,
    **dict.fromkeys(
        [
            "GetRole",
            "UpdateRole",
            "UpdateRoleDescription",
            "UpdateAssumeRolePolicy",
            "DeleteRole",
            "TagRole",
            "UntagRole",
            "ListRoleTags",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "ListAttachedRolePolicies",
            "PutRolePolicy",
            "GetRolePolicy",
            "DeleteRolePolicy",
            "ListRolePolicies",
            "ListInstanceProfilesForRole",
        ],
        _role,
    ),
}

STS: dict[str, Rule] = {
    "AssumeRole": _assume_role,
    "GetCallerIdentity": lambda _: [],  # needs no permission (API reference)
}


# --- where a CA's key may be


def _key(asking: Asking) -> list[Permission]:
    """On a key, by the ARN that its ID or alias leads to."""
    from sandbox.keys.kms import find_key

    reference = asking.text("KeyId")
    key = find_key(reference, asking.caller.account, asking.region)
    context: dict[str, str | None] = {
        "kms:SigningAlgorithm": asking.given.get("SigningAlgorithm"),
        "kms:MessageType": asking.given.get("MessageType"),
    }
    own = asking.arn(f"key/{reference}") if ":" not in reference else reference
    return [asking.permission(key.arn if key else own, context=context)]


def _secret(asking: Asking) -> list[Permission]:
    """On a secret, by the ARN that its name leads to."""
    secret = _find_secret(asking)
    reference = asking.text("SecretId")
    own = asking.arn(f"secret:{reference}") if ":" not in reference else reference
    context: dict[str, str | None] = {
        "secretsmanager:SecretId": secret.arn if secret else own,
        "secretsmanager:VersionStage": asking.text("VersionStage") or "AWSCURRENT",
    }
    return [asking.permission(secret.arn if secret else own, context=context)]


def _secret_value(asking: Asking) -> list[Permission]:
    """A secret whose key is the user's own needs that key too (Secrets Manager's guide)."""
    from sandbox.keys.kms import find_key
    from sandbox.keys.secretsmanager import DEFAULT_KEY

    asked = _secret(asking)
    secret = _find_secret(asking)
    reference = getattr(secret, "kms_key_id", None)
    owner = asked[0].resource.split(":")[4]
    key = find_key(reference, owner, asking.region) if reference else None
    if key is not None and DEFAULT_KEY not in key.aliases:
        via = {"kms:ViaService": f"secretsmanager.{asking.region}.amazonaws.com"}
        asked.append(asking.permission(key.arn, "kms:Decrypt", via))
    return asked


def _find_secret(asking: Asking) -> Any:
    from moto.secretsmanager.models import secretsmanager_backends

    reference = asking.text("SecretId")
    parts = reference.split(":")
    owner = parts[4] if len(parts) > 6 else asking.caller.account
    return secretsmanager_backends[owner][asking.region].secrets.get(reference)


def _private_ca(asking: Asking) -> list[Permission]:
    from sandbox.keys.private_ca import DEFAULT_TEMPLATE

    context: dict[str, str | None] = {}
    if asking.operation == "IssueCertificate":
        usual = f"arn:{asking.partition}:acm-pca:::template/{DEFAULT_TEMPLATE}"
        context["acm-pca:TemplateArn"] = asking.text("TemplateArn") or usual
    return [asking.permission(asking.text("CertificateAuthorityArn"), context=context)]


KMS: dict[str, Rule] = dict.fromkeys(["GetPublicKey", "Sign", "Verify", "DescribeKey"], _key)
SECRETS: dict[str, Rule] = {"GetSecretValue": _secret_value, "DescribeSecret": _secret}
PRIVATE_CA: dict[str, Rule] = dict.fromkeys(
    [
        "DescribeCertificateAuthority",
        "GetCertificateAuthorityCertificate",
        "IssueCertificate",
        "GetCertificate",
    ],
    _private_ca,
)


# --- what just-in-time registration is made of


def _function(asking: Asking) -> list[Permission]:
    """On a function, or the version or alias that its name or ARN ends with."""
    reference = asking.text("FunctionName")
    arn = reference if reference.startswith("arn:") else asking.arn(f"function:{reference}")
    action = "lambda:InvokeFunction" if asking.operation == "Invoke" else None
    asked = [asking.permission(arn, action)]
    if asking.operation == "CreateFunction" and asking.given.get("Tags"):
        asked.append(asking.permission(arn, "lambda:TagResource"))
    if asking.operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
        asked += asking.pass_role(asking.text("Role"), "lambda.amazonaws.com")
    return asked


def _function_tags(asking: Asking) -> list[Permission]:
    return [asking.permission(asking.text("Resource") or asking.text("ARN"))]


def _queue(asking: Asking) -> list[Permission]:
    name = asking.text("QueueName") or asking.text("QueueUrl").rpartition("/")[2]
    asked = [asking.permission(asking.arn(name))]
    tagged = asking.given.get("tags") or any(name.startswith("Tag.") for name in asking.given)
    if asking.operation == "CreateQueue" and tagged:
        asked.append(asking.permission(asking.arn(name), "sqs:TagQueue"))
    return asked


def _log_group(asking: Asking) -> list[Permission]:
    """With ``:*`` behind its name, except where it is tagged (CloudWatch Logs' guide)."""
    group = asking.arn(f"log-group:{asking.text('logGroupName')}")
    asked = [asking.permission(f"{group}:*")]
    if asking.operation == "CreateLogGroup" and asking.given.get("tags"):
        asked.append(asking.permission(group, "logs:TagResource"))
    return asked


def _log_tags(asking: Asking) -> list[Permission]:
    return [asking.permission(asking.text("resourceArn").removesuffix(":*"))]


def _alarm(asking: Asking) -> list[Permission]:
    """On an alarm; describing is asked for all of them (seen), deleting for each."""
    if asking.operation == "DescribeAlarms":
        return [asking.permission(asking.arn("alarm:*"))]
    names = [
        str(value)
        for name, value in asking.given.items()
        if name == "AlarmName" or name.startswith("AlarmNames.")
    ]
    listed = asking.given.get("AlarmNames")
    names += [str(each) for each in listed] if isinstance(listed, list) else []
    asked = [asking.permission(asking.arn(f"alarm:{name}")) for name in names or [""]]
    tagged = asking.given.get("Tags") or any(name.startswith("Tags.") for name in asking.given)
    if asking.operation == "PutMetricAlarm" and tagged:
        asked.append(asking.permission(asked[0].resource, "cloudwatch:TagResource"))
    return asked


def _alarm_tags(asking: Asking) -> list[Permission]:
    return [asking.permission(asking.text("ResourceARN"))]


LAMBDA: dict[str, Rule] = {
    **dict.fromkeys(
        [
            "CreateFunction",
            "GetFunction",
            "GetFunctionConfiguration",
            "GetFunctionConcurrency",
            "GetFunctionCodeSigningConfig",
            "ListVersionsByFunction",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
            "DeleteFunction",
            "Invoke",
            "PutFunctionConcurrency",
            "DeleteFunctionConcurrency",
            "PutFunctionEventInvokeConfig",
            "UpdateFunctionEventInvokeConfig",
            "GetFunctionEventInvokeConfig",
            "DeleteFunctionEventInvokeConfig",
            "AddPermission",
            "RemovePermission",
            "GetPolicy",
        ],
        _function,
    ),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTags"], _function_tags),
}

SQS: dict[str, Rule] = dict.fromkeys(
    [
        "CreateQueue",
        "GetQueueUrl",
        "GetQueueAttributes",
        "SetQueueAttributes",
        "DeleteQueue",
        "ListQueueTags",
        "TagQueue",
        "UntagQueue",
    ],
    _queue,
)

LOGS: dict[str, Rule] = {
    "DescribeLogGroups": lambda asking: [asking.permission()],
    **dict.fromkeys(
        ["CreateLogGroup", "PutRetentionPolicy", "DeleteRetentionPolicy", "DeleteLogGroup"],
        _log_group,
    ),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTagsForResource"], _log_tags),
}

CLOUDWATCH: dict[str, Rule] = {
    **dict.fromkeys(["PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"], _alarm),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTagsForResource"], _alarm_tags),
}

# By signing name; what stands before the colon in actions is the same, but for CloudWatch.
TABLES: dict[str, dict[str, Rule]] = {
    "iot": IOT,
    "iam": IAM,
    "sts": STS,
    "kms": KMS,
    "secretsmanager": SECRETS,
    "acm-pca": PRIVATE_CA,
    "lambda": LAMBDA,
    "sqs": SQS,
    "logs": LOGS,
    "monitoring": CLOUDWATCH,
}
PREFIXES = {"monitoring": "cloudwatch"}


# --- the verdict


def asked_for(
    caller: Principal, region: str, service: str, operation: str, given: Mapping[str, Any]
) -> list[Permission] | None:
    """The permissions that a call asks for; None for an operation that isn't in the tables."""
    rule = TABLES.get(service, {}).get(operation)
    if rule is None:
        return None
    return rule(Asking(caller, region, PREFIXES.get(service, service), operation, given))


def refusal(
    caller: Principal, service: str, operation: str, asked: Iterable[Permission] | None
) -> str | None:
    """Why ``caller`` may not make a call, in IAM's words; None if it may.

    The root user may do everything. Stricter than AWS within one account: a policy of the resource
    never stands in for one of the caller.
    """
    if caller.arn.endswith(":root"):
        return None
    if asked is None:
        name = f"{PREFIXES.get(service, service)}:{operation}"
        return (
            f"User: {caller.arn} is not authorized to perform: {name}: the sandbox does not know "
            "which permissions that takes"
        )
    own, boundaries = policies_of(caller)
    for permission in asked:
        told = (
            f"User: {caller.arn} is not authorized to perform: {permission.action} on resource: "
            f"{permission.resource}"
        )
        if _verdict(own, caller, permission) is False:
            return f"{told} with an explicit deny in an identity-based policy"
        if _verdict(own, caller, permission) is None:
            because = f"no identity-based policy allows the {permission.action} action"
            return f"{told} because {because}"
        for kind, policy in boundaries:
            verdict = _verdict([policy], caller, permission)
            if verdict is False:
                return f"{told} with an explicit deny in a {kind}"
            if verdict is None:
                return f"{told} because no {kind} allows the {permission.action} action"
    return None


def _verdict(policies: Iterable[str], caller: Principal, permission: Permission) -> bool | None:
    """What policies say together: one that denies decides, then one that allows."""
    verdicts = {
        verdict_of(
            policy,
            caller,
            permission.action,
            permission.resource,
            permission.context,
            attached=True,
        )
        for policy in policies
    }
    return False if False in verdicts else True if True in verdicts else None


def policies_of(caller: Principal) -> tuple[list[str], list[tuple[str, str]]]:
    """The policies of a session's role or of a user, and what bounds them: kind and policy."""
    backend = iam_backends[caller.account][caller.arn.split(":")[1]]
    arn = caller.role_arn or caller.arn
    bounds = [("session policy", caller.session_policy)] if caller.session_policy else []
    holders: list[Any]
    if caller.role_arn:
        holders = [each for each in backend.roles.values() if each.arn == arn]
    else:
        users = [each for each in backend.users.values() if each.arn == arn]
        groups = [g for g in backend.groups.values() if any(each in g.users for each in users)]
        holders = [*users, *groups]
    boundary = getattr(holders[0], "permissions_boundary_arn", None) if holders else None
    if boundary:
        found = backend.managed_policies.get(boundary)
        # One that is gone allows nothing (IAM's guide).
        bounds.append(("permissions boundary", _document(found) if found else "{}"))
    inline = [policy for holder in holders for policy in holder.policies.values()]
    managed = [_document(each) for holder in holders for each in holder.managed_policies.values()]
    return inline + managed, bounds


def _document(policy: Any) -> str:
    """The version of a managed policy that counts."""
    versions = {version.version_id: version.document for version in policy.versions}
    return str(versions[policy.default_version_id])
