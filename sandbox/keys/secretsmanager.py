"""moto's Secrets Manager with resource policies, other accounts, and the keys of secrets.

Sources, named where a rule is enforced:
  API ref.  Secrets Manager API reference, and botocore's model made with it
  guide     Secrets Manager user guide, "Access secrets from a different account"
  seen      a message that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import json
import re

from moto.secretsmanager.models import SecretsManagerBackend as MotoSecretsManagerBackend
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from sandbox.errors import AWSError
from sandbox.identity.policies import is_policy, verdict_of
from sandbox.keys import kms
from sandbox.keys.json_operations import (
    ARN,
    JsonOperations,
    access_denied,
    explicit_deny,
    policy_silent,
)
from sandbox.moto_service import ServedBackend

DEFAULT_KEY = "alias/aws/secretsmanager"
NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")

# guide: cross-account permission is effective for these.
ACROSS_ACCOUNTS = frozenset(
    {
        "DeleteResourcePolicy",
        "DeleteSecret",
        "DescribeSecret",
        "GetResourcePolicy",
        "GetSecretValue",
        "ListSecretVersionIds",
        "PutResourcePolicy",
        "PutSecretValue",
        "RestoreSecret",
        "TagResource",
        "UntagResource",
        "UpdateSecret",
        "UpdateSecretVersionStage",
    }
)
# BatchGetSecretValue and random passwords are left out, as are rotation and replication.
SUPPORTED = ACROSS_ACCOUNTS | {"CreateSecret", "ListSecrets"}


class SecretsManagerOperations(JsonOperations, SecretsManagerResponse):
    """The operations that differ from moto's, and what every operation has to pass."""

    backends = secretsmanager_backends
    supported = SUPPORTED

    def authorize(self, operation: str) -> None:
        """Let pass what the secret's policy doesn't deny, from other accounts what it allows.

        A missing secret of another account looks like a forbidden one. Stricter: another
        account has to know the complete ARN, with the six characters at its end.
        """
        reference = self.text("SecretId")
        if reference is None:
            return
        parts = ARN.fullmatch(reference)
        owner = parts[4] if parts else self.current_account
        if parts and (parts[2] != "secretsmanager" or parts[3] != self.region):
            raise _not_found()
        foreign = owner != self.current_account
        action = f"secretsmanager:{operation}"
        secret = secretsmanager_backends[owner][self.region].secrets.get(reference)
        if secret is None or (foreign and secret.arn != reference):
            if foreign:
                raise access_denied(self.principal, action, reference, policy_silent(action))
            return  # moto says so
        policy = getattr(secret, "policy", None) or ""
        context = {
            "secretsmanager:SecretId": secret.arn,
            "secretsmanager:VersionStage": self.text("VersionStage") or "AWSCURRENT",
        }
        verdict = verdict_of(policy, self.principal, action, secret.arn, context)
        if verdict is False:
            raise access_denied(self.principal, action, secret.arn, explicit_deny())
        if foreign and (verdict is None or operation not in ACROSS_ACCOUNTS):
            raise access_denied(self.principal, action, secret.arn, policy_silent(action))
        key_id = getattr(secret, "kms_key_id", None)
        if operation == "GetSecretValue":
            self._check_key(key_id, owner, "Decrypt")
        elif operation == "PutSecretValue":
            self._check_key(key_id, owner, "GenerateDataKey")
        self.current_account = owner

    def _check_key(self, reference: str | None, owner: str, operation: str) -> None:
        """Refuse a secret whose key the caller may not use.

        Other accounts can't use the AWS managed key (guide; message seen). Any other key must let
        the caller in by its policy (message seen) and be enabled (API ref.).
        """
        key = kms.find_key(reference, owner, self.region) if reference else None
        if reference is None or (key and DEFAULT_KEY in key.aliases):
            if owner != self.principal.account:
                raise AWSError(
                    "InvalidRequestException",
                    "You can't access a secret from a different AWS account if you encrypt the "
                    "secret with the default KMS service key.",
                )
            return
        via = {"kms:ViaService": f"secretsmanager.{self.region}.amazonaws.com"}
        if key is None or kms.allows(key, self.principal, f"kms:{operation}", via) is not True:
            raise AWSError("AccessDeniedException", "Access to KMS is not allowed")
        if key.key_state != "Enabled" or key.key_spec != "SYMMETRIC_DEFAULT":
            raise AWSError(
                "DecryptionFailure" if operation == "Decrypt" else "EncryptionFailure",
                "Secrets Manager can't use the KMS key of the secret. Check that the KMS key is "
                "available, enabled, and not in an invalid state.",
            )

    def create_secret(self) -> str:
        """CreateSecret: moto's, after a check of name, value and key (API ref.)."""
        if not NAME.fullmatch(self.needed("Name")):
            raise AWSError(
                "ValidationException",
                "Invalid name. Must be a valid name containing alphanumeric characters, or any of "
                "the following: -/_+=.@!",
            )
        self._check_value()
        self._check_key(self.text("KmsKeyId"), self.current_account, "GenerateDataKey")
        return super().create_secret()

    def update_secret(self) -> str:
        """UpdateSecret: moto's, after a check of value and key."""
        self._check_value()
        if "KmsKeyId" in self.document:
            self._check_key(self.text("KmsKeyId"), self.current_account, "GenerateDataKey")
        return super().update_secret()

    def put_secret_value(self) -> str:
        """PutSecretValue: moto's, after a check of the value."""
        self._check_value()
        return super().put_secret_value()

    def _check_value(self) -> None:
        """Raise InvalidParameterException for two values, or one beyond 65536 bytes (API ref.)."""
        text = self.text("SecretString")
        if text is not None and "SecretBinary" in self.document:
            message = "You can't specify both a binary secret value and a string secret value."
            raise AWSError("InvalidParameterException", message)
        if text is not None and not 1 <= len(text.encode()) <= 65536:
            message = "SecretString must have between 1 and 65536 bytes."
            raise AWSError("InvalidParameterException", message)

    def put_resource_policy(self) -> str:
        """PutResourcePolicy: a policy, and with BlockPublicPolicy not one for all (API ref.)."""
        policy = self.needed("ResourcePolicy")
        if not is_policy(policy):
            message = "This resource policy contains a syntax error."
            raise AWSError("MalformedPolicyDocumentException", message)
        if self.document.get("BlockPublicPolicy") is True and _is_public(policy):
            message = "The resource policy grants broad access to your secret."
            raise AWSError("PublicPolicyException", message)
        return super().put_resource_policy()


def _is_public(policy: str) -> bool:
    statements = json.loads(policy)["Statement"]
    return any(
        statement.get("Effect") == "Allow" and '"*"' in json.dumps(statement.get("Principal"))
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _not_found() -> AWSError:
    message = "Secrets Manager can't find the specified secret."
    return AWSError("ResourceNotFoundException", message)


class SecretsManagerBackend(ServedBackend, MotoSecretsManagerBackend):
    """moto's Secrets Manager backend."""

    operations = SecretsManagerOperations


def install() -> None:
    """Make moto use this module's Secrets Manager, and the KMS that its keys are in."""
    kms.install()
    secretsmanager_backends.backend = SecretsManagerBackend
