"""One call of AWS for any one permission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError

from tests.support.permissions.policies import Need, statements
from tests.support.permissions.roles import Role

REGISTRATION_POLICY = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"


def parameters_of(arn: str) -> dict[str, Any]:
    """What AWS's operations call a resource by, going by its ARN; a pattern stands for a name."""
    arn = arn.replace("*", "x")
    _, _, service, _, account, resource = arn.split(":", 5)
    kind, _, name = resource.replace(":", "/", 1).partition("/")
    by_kind: dict[str, dict[str, Any]] = {
        "cacert": {"certificateId": name, "caCertificateId": name, "resourceArn": arn},
        "cert": {"target": arn},
        "thinggroup": {"thingGroupName": name},
        "provisioningtemplate": {"templateName": name, "resourceArn": arn},
        "policy": {"policyName": name, "resourceArn": arn},
        "rule": {"ruleName": name, "resourceArn": arn},
        "role": {"RoleName": name, "PolicyArn": REGISTRATION_POLICY},
        "function": {"FunctionName": name, "Resource": arn},
        "log-group": {"logGroupName": name.removesuffix(":x"), "resourceArn": arn},
        "alarm": {"AlarmName": name, "AlarmNames": [name], "ResourceARN": arn},
        "key": {"KeyId": arn},
        "secret": {"SecretId": arn},
        "certificate-authority": {"CertificateAuthorityArn": arn},
    }
    if service == "sqs":
        return {"QueueName": resource, "QueueUrl": f"https://sqs/{account}/{resource}"}
    return by_kind[kind]


def example(shape: Any, known: Mapping[str, Any], name: str = "") -> Any:
    """A value that botocore takes for a parameter: what is known of it, else anything at all."""
    if name in known:
        return known[name]
    if shape.type_name == "structure":
        # Some models ask for both, and some services for one of the two.
        members = {member for member in shape.members if member in known} | set(
            shape.required_members
        )
        return {member: example(shape.members[member], known, member) for member in sorted(members)}
    if shape.type_name == "list":
        return [example(shape.member, known)]
    if shape.type_name == "map":
        return {"team": "fleet"}
    least = int(shape.metadata.get("min", 1))
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * max(least, 1)
    return {"blob": b"x", "boolean": True}.get(shape.type_name, least)


class Caller:
    """Makes one call for any one permission of a document, as the role."""

    # Parts of other calls, and never calls of their own.
    PARTS: ClassVar[Mapping[str | Need, Need]] = {
        ("JitrKeys", "kms:Decrypt"): ("JitrFunctions", "lambda:GetFunction"),
        "JitrKeys": ("JitrFunctions", "lambda:CreateFunction"),
        "TemplateRolesForIot": ("Templates", "iot:CreateProvisioningTemplate"),
        "JitrRolesForLambda": ("JitrFunctions", "lambda:CreateFunction"),
        "JitrRolesForIot": ("JitrIot", "iot:CreateTopicRule"),
        "KeysOfSecrets": ("KeysInSecrets", "secretsmanager:GetSecretValue"),
    }

    def __init__(self, role: Role, document: str, **known: Any) -> None:
        self._role = role
        self._statements = {statement["Sid"]: statement for statement in statements(document)}
        self._known = known
        role_of = {
            sid: self._statements[sid]["Resource"][0].replace("*", "x")
            for sid in ("JitrRolesForLambda", "JitrRolesForIot", "TemplateRoles")
        }
        self._known |= {
            "Role": role_of["JitrRolesForLambda"],
            "errorAction": {"sqs": {"roleArn": role_of["JitrRolesForIot"], "queueUrl": "x"}},
            "provisioningRoleArn": role_of["TemplateRoles"],
            "KMSKeyArn": self._statements["JitrKeys"]["Resource"][0],
        }
        self._clients: dict[str, Any] = {}

    def refusal(self, need: Need) -> str | None:
        """Why the call for a permission is refused for want of one; None if it is not."""
        sid, action = self.PARTS.get(need) or self.PARTS.get(need[0], need)
        service, _, operation = action.partition(":")
        if service not in self._clients:
            self._clients[service] = self._role.client(service)
        client = self._clients[service]
        known: dict[str, Any] = {}
        for resource in reversed(self._statements[sid]["Resource"]):
            if resource != "*":
                known |= parameters_of(resource)
        shape = client.meta.service_model.operation_model(operation).input_shape
        try:
            getattr(client, xform_name(operation))(**example(shape, {**known, **self._known}))
        except ClientError as error:
            # Whatever else is wrong with such a call: IAM has been asked before.
            if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
                return str(error.response["Error"]["Message"])
        return None
