"""moto's KMS with key policies, key states, and signatures: what a CA's key in KMS needs.

Sources, named where a rule is enforced:
  API ref.  KMS API reference, and botocore's ``kms`` model made with it
  guide     KMS developer guide, "Key states", "Key policies", "Asymmetric key specs"
  seen      a message that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.kms.models import Key, kms_backends
from moto.kms.models import KmsBackend as MotoKmsBackend
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey, RSAPrivateKey

from sandbox.errors import AWSError
from sandbox.identity.policies import is_policy, verdict_of
from sandbox.identity.principals import Principal
from sandbox.keys.json_operations import (
    ARN,
    JsonOperations,
    access_denied,
    explicit_deny,
    not_here,
    policy_silent,
)
from sandbox.moto_service import ServedBackend

SUPPORTED = frozenset(
    {
        "CreateAlias",
        "CreateKey",
        "DescribeKey",
        "DisableKey",
        "EnableKey",
        "GetKeyPolicy",
        "GetKeyRotationStatus",
        "GetPublicKey",
        "ListAliases",
        "ListResourceTags",
        "PutKeyPolicy",
        "ScheduleKeyDeletion",
        "Sign",
        "UpdateAlias",
    }
)
# API ref., CreateKey: what each kind of key can be for.
ENCRYPT, SIGN = "ENCRYPT_DECRYPT", "SIGN_VERIFY"
USAGES = {
    "SYMMETRIC_DEFAULT": (ENCRYPT,),
    **{f"RSA_{bits}": (ENCRYPT, SIGN) for bits in (2048, 3072, 4096)},
    **{f"ECC_NIST_P{bits}": (SIGN,) for bits in (256, 384, 521)},
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}
SIGNING_ALGORITHMS = tuple(
    f"{scheme}_{name}" for scheme in ("RSASSA_PKCS1_V1_5", "ECDSA") for name in HASHES
)

# API ref.: the operations whose "Cross-account use" is "Yes".
ACROSS_ACCOUNTS = frozenset({"DescribeKey", "GetKeyRotationStatus", "GetPublicKey", "Sign"})
# guide, "Key states": what needs an enabled key. GetPublicKey is a stricter guess.
NEEDS_ENABLED_KEY = frozenset({"GetPublicKey", "Sign"})
# Operations with a KeyId that key policies don't decide about (guide, "Permissions reference").
WITHOUT_KEY_POLICY = frozenset({"ListAliases"})


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedPolicyDocumentException", message)


# --- keys


def account_of(reference: str, account: str, region: str) -> tuple[str, str]:
    """Return the account that a key ID, alias or ARN points into, and the ID or alias alone.

    ``account`` is the caller's and counts for everything but ARNs (API ref.). NotFoundException
    for an ARN of another region (seen).
    """
    parts = ARN.fullmatch(reference)
    if not parts:
        return account, reference
    if parts[2] != "kms" or parts[3] != region:
        raise AWSError("NotFoundException", f"Invalid arn {parts[3]}")
    return parts[4], parts[5].removeprefix("key/")


def find_key(reference: str, account: str, region: str) -> Key | None:
    """Return the key that a key ID, alias or ARN points to, as seen from ``account``.

    None without one.
    """
    try:
        owner, name = account_of(reference, account, region)
    except AWSError:
        return None
    backend = kms_backends[owner][region]
    if name.startswith("alias/"):
        if owner != account and name.startswith("alias/aws/"):
            return None  # moto would make one
        name = backend.get_key_id_from_alias(name) or ""
    return backend.keys.get(name)


def check_state(key: Key) -> None:
    """Refuse a key that isn't enabled (guide, "Key states"; messages from there)."""
    if key.key_state == "Disabled":
        raise AWSError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state != "Enabled":
        raise AWSError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def allows(
    key: Key, caller: Principal, action: str, context: Mapping[str, str | None] | None = None
) -> bool | None:
    """Return what the policy of ``key`` says; an own account needs its permission too (guide)."""
    known = {"kms:CallerAccount": caller.account, "kms:ViaService": None, **(context or {})}
    return verdict_of(key.policy or "", caller, action, key.arn, known)


class KmsOperations(JsonOperations, KmsResponse):
    """The KMS operations that differ from moto's, and what every operation has to pass."""

    backends = kms_backends
    supported = SUPPORTED

    def authorize(self, operation: str) -> None:
        """Let pass what the key's policy allows; then a key of another account is as good as own.

        A missing key of another account looks like a forbidden one (seen).
        """
        reference = self.text("KeyId")
        if reference is None or operation in WITHOUT_KEY_POLICY:
            return
        action = f"kms:{operation}"
        owner, name = account_of(reference, self.current_account, self.region)
        key = find_key(reference, self.current_account, self.region)
        if owner != self.current_account and (key is None or operation not in ACROSS_ACCOUNTS):
            raise access_denied(
                self.principal,
                action,
                key.arn if key else reference,
                "the resource does not exist in this Region, no resource-based policies allow "
                "access, or a resource-based policy explicitly denies access",
            )
        if key is None:
            return  # moto says so
        context = {
            "kms:SigningAlgorithm": self.text("SigningAlgorithm"),
            "kms:MessageType": self.text("MessageType"),
        }
        self._check(key, operation, context)
        self.current_account = owner
        if not name.startswith("alias/"):  # moto finds keys by ID only in some operations
            self.body = json.dumps({**self.document, "KeyId": name})

    def _check(self, key: Key, operation: str, context: Mapping[str, str | None]) -> None:
        """Refuse what the policy, the state and the usage of ``key`` don't allow, in this order.

        KMS's own order isn't known.
        """
        action = f"kms:{operation}"
        verdict = allows(key, self.principal, action, context)
        if verdict is not True:
            why = explicit_deny() if verdict is False else policy_silent(action)
            raise access_denied(self.principal, action, key.arn, why)
        if operation in NEEDS_ENABLED_KEY:
            check_state(key)
        if operation == "Sign" and key.key_usage != SIGN:
            raise AWSError(  # seen
                "InvalidKeyUsageException",
                f"{key.arn} key usage is {key.key_usage} which is not valid for {operation}.",
            )

    def _key(self) -> Key:
        self._validate_key_id(self.needed("KeyId"))
        key = find_key(self.needed("KeyId"), self.current_account, self.region)
        assert key is not None
        return key

    # --- policies

    def _checked_policy(self, policy: str | None) -> str | None:
        """Return ``policy``; refuse one that locks the caller out for ever (API ref.)."""
        if policy is None:
            return None
        if not is_policy(policy):
            raise _malformed("The new key policy is malformed.")
        verdict = verdict_of(policy, self.principal, "kms:PutKeyPolicy", "*")
        if verdict is not True and self.document.get("BypassPolicyLockoutSafetyCheck") is not True:
            raise _malformed(  # seen
                "The new key policy will not allow you to update the key policy in the future."
            )
        return policy

    def put_key_policy(self) -> str:
        """PutKeyPolicy: moto's, after a check of the policy."""
        self._checked_policy(self.needed("Policy"))
        return super().put_key_policy()

    # --- keys

    def create_key(self) -> str:
        """CreateKey: a key can be for what its spec allows (API ref.)."""
        named = "KeySpec" if "KeySpec" in self.document else "CustomerMasterKeySpec"
        spec = self.choice(named, tuple(USAGES), "SYMMETRIC_DEFAULT")
        usage = self.choice(
            "KeyUsage", (SIGN, ENCRYPT), ENCRYPT if spec == "SYMMETRIC_DEFAULT" else None
        )
        if usage not in USAGES[spec]:
            message = f"KeyUsage {usage} is not compatible with KeySpec {spec}"
            raise AWSError("ValidationException", message)
        origin = self.choice("Origin", ("AWS_KMS",), "AWS_KMS")
        if self.document.get("MultiRegion") is True:
            raise not_here("CreateKey with MultiRegion")
        policy = self._checked_policy(self.text("Policy"))
        description, tags = self.text("Description") or "", self.document.get("Tags")
        key = self.account_backend().create_key(
            policy, usage, spec, description, tags, False, origin
        )
        return json.dumps(key.to_dict())

    def get_public_key(self) -> str:
        """GetPublicKey: the key's ARN, whatever it was asked for by (API ref.)."""
        key = self._key()
        if key.key_spec == "SYMMETRIC_DEFAULT":
            message = f"{key.arn} is a symmetric key."
            raise AWSError("UnsupportedOperationException", message)
        answer: dict[str, Any] = {
            "KeyId": key.arn,
            "CustomerMasterKeySpec": key.key_spec,
            "KeySpec": key.key_spec,
            "KeyUsage": key.key_usage,
            "PublicKey": base64.b64encode(key.private_key.public_key()).decode(),
        }
        if key.key_usage == SIGN:
            answer["SigningAlgorithms"] = key.signing_algorithms
        else:
            answer["EncryptionAlgorithms"] = key.encryption_algorithms
        return json.dumps(answer)

    def sign(self) -> str:
        """Sign, of a digest: the program sends nothing else.

        InvalidKeyUsageException for an algorithm that doesn't fit the key, ValidationException for
        a digest of another length (API ref.).
        """
        digest = self.blob("Message", 4096)
        if self.text("MessageType") != "DIGEST" or self.document.get("DryRun") is True:
            raise not_here("Sign of anything but a digest")
        algorithm = self.choice("SigningAlgorithm", SIGNING_ALGORITHMS)
        key = self._key()
        if algorithm not in key.signing_algorithms:
            raise AWSError(
                "InvalidKeyUsageException",
                f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}.",
            )
        hash_algorithm = HASHES[algorithm[-len("SHA_256") :]]
        if len(digest) != hash_algorithm.digest_size:
            message = f"Digest is invalid length for algorithm {algorithm}."
            raise AWSError("ValidationException", message)
        private, prehashed = _private_key(key), Prehashed(hash_algorithm)
        if isinstance(private, rsa.RSAPrivateKey):
            signature = private.sign(digest, padding.PKCS1v15(), prehashed)
        else:
            signature = private.sign(digest, ec.ECDSA(prehashed))
        return json.dumps(
            {
                "KeyId": key.arn,
                "Signature": base64.b64encode(signature).decode(),
                "SigningAlgorithm": algorithm,
            }
        )


def _private_key(key: Key) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    made = key.private_key
    assert isinstance(made, RSAPrivateKey | ECDSAPrivateKey)
    return made.private_key


class KmsBackend(ServedBackend, MotoKmsBackend):
    """moto's KMS backend."""

    operations = KmsOperations


def install() -> None:
    """Make moto use this module's KMS."""
    kms_backends.backend = KmsBackend
