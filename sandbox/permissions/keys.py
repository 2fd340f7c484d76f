"""KMS, Secrets Manager and Private CA: the permissions that each operation needs."""

from __future__ import annotations

from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from sandbox.identity.evaluation import Permission
from sandbox.keys.certificate_authority import DEFAULT_TEMPLATE
from sandbox.keys.kms import find_key
from sandbox.keys.secretsmanager import DEFAULT_KEY
from sandbox.permissions.api_call import ApiCall, Rule


def _key(call: ApiCall) -> list[Permission]:
    """On a key, by the ARN that its ID or alias leads to."""
    reference = call.text("KeyId")
    key = find_key(reference, call.caller.account, call.region)
    context: dict[str, str | None] = {
        "kms:SigningAlgorithm": call.given.get("SigningAlgorithm"),
        "kms:MessageType": call.given.get("MessageType"),
    }
    own = call.arn(f"key/{reference}") if ":" not in reference else reference
    return [call.permission(key.arn if key else own, context=context)]


def _secret(call: ApiCall) -> list[Permission]:
    """On a secret, by the ARN that its name leads to."""
    secret = _find_secret(call)
    reference = call.text("SecretId")
    own = call.arn(f"secret:{reference}") if ":" not in reference else reference
    context: dict[str, str | None] = {
        "secretsmanager:SecretId": secret.arn if secret else own,
        "secretsmanager:VersionStage": call.text("VersionStage") or "AWSCURRENT",
    }
    return [call.permission(secret.arn if secret else own, context=context)]


def _secret_value(call: ApiCall) -> list[Permission]:
    """Need the secret, and its key if that is the user's own (Secrets Manager's guide)."""
    needed = _secret(call)
    secret = _find_secret(call)
    reference = getattr(secret, "kms_key_id", None)
    owner = needed[0].resource.split(":")[4]
    key = find_key(reference, owner, call.region) if reference else None
    if key is not None and DEFAULT_KEY not in key.aliases:
        via = {"kms:ViaService": f"secretsmanager.{call.region}.amazonaws.com"}
        needed.append(call.permission(key.arn, "kms:Decrypt", via))
    return needed


def _find_secret(call: ApiCall) -> Any:
    reference = call.text("SecretId")
    parts = reference.split(":")
    owner = parts[4] if len(parts) > 6 else call.caller.account
    return secretsmanager_backends[owner][call.region].secrets.get(reference)


def _private_ca(call: ApiCall) -> list[Permission]:
    context: dict[str, str | None] = {}
    if call.operation == "IssueCertificate":
        usual = f"arn:{call.partition}:acm-pca:::template/{DEFAULT_TEMPLATE}"
        context["acm-pca:TemplateArn"] = call.text("TemplateArn") or usual
    return [call.permission(call.text("CertificateAuthorityArn"), context=context)]


KMS: dict[str, Rule] = dict.fromkeys(["GetPublicKey", "Sign", "DescribeKey"], _key)
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
