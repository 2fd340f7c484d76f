"""moto's KMS with key policies, key states, and signatures as KMS makes them.

Sources, named where a rule is enforced:
  API ref.  KMS API reference, and botocore's ``kms`` model made with it
  guide     KMS developer guide, "Key states", "Key policies", "Asymmetric key specs"
  seen      a message that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.common_types import TYPE_RESPONSE
from moto.kms.models import Key, KmsBackend, kms_backends
from moto.kms.responses import KmsResponse
from moto.kms.utils import ECDSAPrivateKey, RSAPrivateKey

from sandbox.errors import AWSError
from sandbox.identity.policies import is_policy, verdict_of
from sandbox.identity.principals import Principal
from sandbox.keys.json_services import (
    ARN,
    JsonResponse,
    access_denied,
    explicit_deny,
    policy_silent,
)

# API ref., CreateKey: what each kind of key can be for.
ENCRYPT, SIGN, MAC, AGREE = "ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"
USAGES = {
    "SYMMETRIC_DEFAULT": (ENCRYPT,),
    **{f"RSA_{bits}": (ENCRYPT, SIGN) for bits in (2048, 3072, 4096)},
    **{f"ECC_NIST_P{bits}": (SIGN, AGREE) for bits in (256, 384, 521)},
    "ECC_SECG_P256K1": (SIGN,),
    **{f"HMAC_{bits}": (MAC,) for bits in (224, 256, 384, 512)},
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}
SIGNING_ALGORITHMS = tuple(
    f"{scheme}_{name}" for scheme in ("RSASSA_PSS", "RSASSA_PKCS1_V1_5", "ECDSA") for name in HASHES
)

# API ref.: the operations whose "Cross-account use" is "Yes".
ACROSS_ACCOUNTS = frozenset(
    {
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GetKeyRotationStatus",
        "GetPublicKey",
        "ListGrants",
        "RevokeGrant",
        "Sign",
        "Verify",
        "VerifyMac",
    }
)
# guide, "Key states": what needs an enabled key. GetPublicKey is a stricter guess.
NEEDS_ENABLED_KEY = frozenset(
    {
        "CreateGrant",
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "GetPublicKey",
        "Sign",
        "Verify",
        "VerifyMac",
    }
)
# API ref., InvalidKeyUsageException: what the key of an operation must be for.
NEEDS_USAGE = {
    "Decrypt": ENCRYPT,
    "Encrypt": ENCRYPT,
    "GenerateDataKey": ENCRYPT,
    "GenerateDataKeyWithoutPlaintext": ENCRYPT,
    "GenerateMac": MAC,
    "Sign": SIGN,
    "Verify": SIGN,
    "VerifyMac": MAC,
}
# Operations with a KeyId that key policies don't decide about (guide, "Permissions reference").
WITHOUT_KEY_POLICY = frozenset({"ListAliases", "RetireGrant"})


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedPolicyDocumentException", message)


class Backend(KmsBackend):
    """moto's KMS backend, answered for by this module's Response."""

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {"/$": Response.dispatch}


# --- keys


def account_of(reference: str, account: str, region: str) -> tuple[str, str]:
    """The account that a key ID, alias or ARN points into, and the ID or alias alone.

    ``account`` is the caller's and counts for everything but ARNs (API ref.). NotFoundException
    for an ARN of another region (seen).
    """
    found = ARN.fullmatch(reference)
    if not found:
        return account, reference
    if found[2] != "kms" or found[3] != region:
        raise AWSError("NotFoundException", f"Invalid arn {found[3]}")
    return found[4], found[5].removeprefix("key/")


def find_key(reference: str, account: str, region: str) -> Key | None:
    """The key that a key ID, alias or ARN points to, as seen from ``account``; None without one."""
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
    """Refuses a key that isn't enabled (guide, "Key states"; messages from there)."""
    if key.key_state == "Disabled":
        raise AWSError("DisabledException", f"{key.arn} is disabled.")
    if key.key_state == "PendingDeletion":
        raise AWSError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if key.key_state == "PendingImport":
        raise AWSError("KMSInvalidStateException", f"{key.arn} is pending import.")


def allows(
    key: Key, caller: Principal, action: str, context: Mapping[str, str | None] | None = None
) -> bool | None:
    """What the policy of ``key`` says; an own account needs its permission too (guide)."""
    known = {"kms:CallerAccount": caller.account, "kms:ViaService": None, **(context or {})}
    return verdict_of(key.policy or "", caller, action, key.arn, known)


class Response(JsonResponse, KmsResponse):
    """The KMS operations that differ from moto's, and what every operation has to pass."""

    backends = kms_backends

    def authorize(self, operation: str) -> None:
        """Lets pass what the key's policy allows; then a key of another account is as good as own.

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
        """Refuses what the policy, the state and the usage of ``key`` don't allow, in this order.

        KMS's own order isn't known.
        """
        action = f"kms:{operation}"
        verdict = allows(key, self.principal, action, context)
        if verdict is not True:
            why = explicit_deny() if verdict is False else policy_silent(action)
            raise access_denied(self.principal, action, key.arn, why)
        if operation in NEEDS_ENABLED_KEY:
            check_state(key)
        if key.key_usage != NEEDS_USAGE.get(operation, key.key_usage):
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
        """``policy``, unless it is none, or locks the caller out for ever (API ref.)."""
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
        """PutKeyPolicy: moto's, with a look at the policy."""
        self._checked_policy(self.needed("Policy"))
        return super().put_key_policy()

    # --- keys

    def create_key(self) -> str:
        """CreateKey: a key can be for what its spec allows (API ref.).

        A key of origin EXTERNAL waits for its material, which the sandbox can't import.
        """
        named = "KeySpec" if "KeySpec" in self.document else "CustomerMasterKeySpec"
        spec = self.choice(named, tuple(USAGES), "SYMMETRIC_DEFAULT")
        usage = self.choice(
            "KeyUsage",
            (SIGN, ENCRYPT, MAC, AGREE),
            ENCRYPT if spec == "SYMMETRIC_DEFAULT" else None,
        )
        if usage not in USAGES[spec]:
            message = f"KeyUsage {usage} is not compatible with KeySpec {spec}"
            raise AWSError("ValidationException", message)
        origin = self.choice("Origin", ("AWS_KMS", "EXTERNAL"), "AWS_KMS")
        key = self.here().create_key(
            self._checked_policy(self.text("Policy")),
            usage,
            spec,
            self.text("Description") or "",
            self.document.get("Tags"),
            self.document.get("MultiRegion") is True,
            origin,
        )
        if origin == "EXTERNAL":
            key.enabled, key.key_state = False, "PendingImport"
        return json.dumps(key.to_dict())

    def get_public_key(self) -> str:
        """GetPublicKey: the key's ARN, whatever it was asked for by (API ref.)."""
        key = self._key()
        if key.key_spec == "SYMMETRIC_DEFAULT" or key.key_usage == MAC:
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
        elif key.key_usage == ENCRYPT:
            answer["EncryptionAlgorithms"] = key.encryption_algorithms
        return json.dumps(answer)

    def schedule_key_deletion(self) -> str:
        """ScheduleKeyDeletion: moto's, answered with the key's ARN and state (API ref.)."""
        answer = json.loads(super().schedule_key_deletion())
        key = self._key()
        return json.dumps({**answer, "KeyId": key.arn, "KeyState": key.key_state})

    def cancel_key_deletion(self) -> str:
        """CancelKeyDeletion: moto's, answered with the key's ARN (API ref.)."""
        super().cancel_key_deletion()
        return json.dumps({"KeyId": self._key().arn})

    # --- what isn't about signatures

    def decrypt(self) -> str:
        """Decrypt: moto's; the key that the ciphertext names is asked, too."""
        answer = super().decrypt()
        key = find_key(json.loads(answer)["KeyId"], self.current_account, self.region)
        if key is not None:
            self._check(key, "Decrypt", {})
        return answer

    def re_encrypt(self) -> str:
        """Not here: moto's asks no key."""
        raise AWSError("NotImplemented", "The sandbox has no such operation: ReEncrypt", 501)

    # --- signatures

    def sign(self) -> str:
        """Sign."""
        key, algorithm, hash_algorithm, message = self._to_be_signed()
        private = _private_key(key)
        if isinstance(private, rsa.RSAPrivateKey):
            signature = private.sign(message, _padding(algorithm), hash_algorithm)
        else:
            signature = private.sign(message, ec.ECDSA(hash_algorithm))
        return json.dumps(
            {
                "KeyId": key.arn,
                "Signature": base64.b64encode(signature).decode(),
                "SigningAlgorithm": algorithm,
            }
        )

    def verify(self) -> str:
        """Verify: KMSInvalidSignatureException for a signature that isn't the key's (API ref.)."""
        signature = self.blob("Signature", 6144)
        key, algorithm, hash_algorithm, message = self._to_be_signed()
        public = _private_key(key).public_key()
        try:
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(signature, message, _padding(algorithm), hash_algorithm)
            else:
                public.verify(signature, message, ec.ECDSA(hash_algorithm))
        except InvalidSignature:
            raise AWSError("KMSInvalidSignatureException", "") from None
        return json.dumps({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})

    def _to_be_signed(self) -> tuple[Key, str, hashes.HashAlgorithm | Prehashed, bytes]:
        """Key, algorithm, hash and message of Sign and Verify, checked against each other.

        InvalidKeyUsageException for an algorithm that doesn't fit, ValidationException for a digest
        of the wrong length (API ref.).
        """
        message = self.blob("Message", 4096)
        message_type = self.choice("MessageType", ("RAW", "DIGEST", "EXTERNAL_MU"), "RAW")
        algorithm = self.choice("SigningAlgorithm", SIGNING_ALGORITHMS)
        key = self._key()
        if algorithm not in key.signing_algorithms:
            raise AWSError(
                "InvalidKeyUsageException",
                f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}.",
            )
        if self.document.get("DryRun") is True:
            message_text = "The request would have succeeded, but the DryRun option is set."
            raise AWSError("DryRunOperationException", message_text)
        hash_algorithm = HASHES[algorithm[-len("SHA_256") :]]
        if message_type == "RAW":
            return key, algorithm, hash_algorithm, message
        if message_type != "DIGEST" or len(message) != hash_algorithm.digest_size:
            text = f"Digest is invalid length for algorithm {algorithm}."
            raise AWSError("ValidationException", text)
        return key, algorithm, Prehashed(hash_algorithm), message


def _private_key(key: Key) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    made = key.private_key
    assert isinstance(made, RSAPrivateKey | ECDSAPrivateKey)
    return made.private_key


def _padding(algorithm: str) -> padding.AsymmetricPadding:
    """The padding of an RSA signature; with PSS the salt is as long as the hash (guide)."""
    if algorithm.startswith("RSASSA_PSS"):
        mask = padding.MGF1(HASHES[algorithm[-len("SHA_256") :]])
        return padding.PSS(mask, padding.PSS.DIGEST_LENGTH)
    return padding.PKCS1v15()


def install() -> None:
    """Makes moto use this module's KMS."""
    kms_backends.backend = Backend
