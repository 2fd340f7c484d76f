"""KMS: keys that sign, what doesn't fit, key states, key policies, other accounts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sandbox.control import Sandbox
from tests.support.sandbox.clients import ONE, REGION, THREE, TWO, Clients
from tests.support.sandbox.kms_keys import HASHES, kms_ca
from tests.support.sandbox.refusals import refused

ROOT = f"arn:aws:iam::{ONE}:root"


@pytest.fixture
def kms(aws: Clients) -> Any:
    return aws.kept("kms", ONE)


def policy(*statements: dict[str, Any]) -> str:
    """A key policy with ``statements`` in addition to the one for the account itself."""
    own = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]})


def lets(account: str, *actions: str, **members: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": [f"kms:{action}" for action in actions],
        "Resource": "*",
        **members,
    }


def new_key(kms: Any, spec: str = "ECC_NIST_P256", **members: Any) -> str:
    """The ARN of a new key that signs."""
    members = {"KeyUsage": "SIGN_VERIFY", "KeySpec": spec, **members}
    return str(kms.create_key(**members)["KeyMetadata"]["Arn"])


def sign(kms: Any, key: str, **members: Any) -> Any:
    digest = {"Message": hashlib.sha256(b"message").digest(), "MessageType": "DIGEST"}
    return kms.sign(**{"KeyId": key, "SigningAlgorithm": "ECDSA_SHA_256", **digest, **members})


@pytest.mark.parametrize(
    ("spec", "bits"),
    [("RSA_2048", 256), ("ECC_NIST_P256", 256), ("ECC_NIST_P384", 384), ("ECC_NIST_P521", 512)],
)
def test_signature_verifies_with_the_public_key(kms: Any, spec: str, bits: int) -> None:
    key = new_key(kms, spec)
    answer = kms.get_public_key(KeyId=key.rpartition("/")[2])
    assert (answer["KeyId"], answer["KeySpec"], answer["KeyUsage"]) == (key, spec, "SIGN_VERIFY")
    assert "EncryptionAlgorithms" not in answer
    public: Any = load_der_public_key(answer["PublicKey"])
    hash_algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[bits]
    scheme = "ECDSA" if spec.startswith("ECC") else "RSASSA_PKCS1_V1_5"
    algorithm = f"{scheme}_SHA_{bits}"
    assert algorithm in answer["SigningAlgorithms"]
    digest = hashlib.new(f"sha{bits}", b"message").digest()
    signed = sign(kms, key, SigningAlgorithm=algorithm, Message=digest)
    assert (signed["KeyId"], signed["SigningAlgorithm"]) == (key, algorithm)
    if scheme == "ECDSA":
        public.verify(signed["Signature"], b"message", ec.ECDSA(hash_algorithm))
    else:
        public.verify(signed["Signature"], b"message", padding.PKCS1v15(), hash_algorithm)


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"])
def test_ca_with_a_key_in_kms(aws: Clients, kms: Any, spec: str) -> None:
    _, ca = kms_ca(kms, spec)
    iot = aws.iot()
    code = iot.get_registration_code()["registrationCode"]
    hash_algorithm = HASHES.get(spec)
    answer = iot.register_ca_certificate(
        caCertificate=ca.pem,
        verificationCertificate=ca.verification(code, digest=hash_algorithm),
    )
    assert answer["certificateId"] == ca.id


def test_signing_algorithm_must_fit_the_key(kms: Any) -> None:
    p256, rsa = new_key(kms), new_key(kms, "RSA_2048")
    for key, algorithm in (
        (p256, "ECDSA_SHA_384"),
        (p256, "RSASSA_PKCS1_V1_5_SHA_256"),
        (rsa, "ECDSA_SHA_256"),
    ):
        with refused("InvalidKeyUsageException", "incompatible", 400):
            sign(kms, key, SigningAlgorithm=algorithm)
    for unknown in ("SHA256", None):
        with refused("ValidationException", "signingAlgorithm"):
            sign(kms, p256, SigningAlgorithm=unknown)
    for digest in (b"message", bytes(48)):
        with refused("ValidationException", "Digest is invalid length"):
            sign(kms, p256, Message=digest)
    for message in (b"", bytes(4097)):
        with refused("ValidationException", "message"):
            sign(kms, p256, Message=message)


def test_other_operations_are_refused(kms: Any) -> None:
    key = new_key(kms)
    for call in (
        lambda: sign(kms, key, MessageType="RAW"),
        lambda: sign(kms, key, DryRun=True),
        lambda: kms.encrypt(KeyId=key, Plaintext=b"x"),
        lambda: kms.cancel_key_deletion(KeyId=key),
        lambda: new_key(kms, MultiRegion=True),
    ):
        with refused("NotImplemented", status=501):
            call()


def test_key_usage_must_be_signing(kms: Any) -> None:
    for members in ({}, {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"}):
        key = kms.create_key(**members)["KeyMetadata"]
        assert key["KeyUsage"] == "ENCRYPT_DECRYPT"
        with refused("InvalidKeyUsageException", "ENCRYPT_DECRYPT which is not valid for Sign"):
            sign(kms, key["Arn"], SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")
    symmetric = kms.create_key()["KeyMetadata"]["KeyId"]
    with refused("UnsupportedOperationException"):
        kms.get_public_key(KeyId=symmetric)
    for spec, usage in (
        ("ECC_NIST_P256", None),
        ("RSA_2048", None),
        ("ECC_NIST_P256", "ENCRYPT_DECRYPT"),
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
        ("RSA_1024", "SIGN_VERIFY"),
    ):
        with refused("ValidationException"):
            kms.create_key(KeySpec=spec, **({"KeyUsage": usage} if usage else {}))


def test_key_states(kms: Any) -> None:
    key = new_key(kms)
    kms.disable_key(KeyId=key)
    with refused("DisabledException", f"{key} is disabled", 400):
        sign(kms, key)
    with refused("DisabledException"):
        kms.get_public_key(KeyId=key)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key)
    sign(kms, key)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with refused("KMSInvalidStateException", f"{key} is pending deletion"):
        sign(kms, key)
    with refused("KMSInvalidStateException"):
        kms.get_public_key(KeyId=key)
    with refused("ValidationException", "origin"):
        new_key(kms, Origin="EXTERNAL")


def test_key_by_id_arn_and_alias(kms: Any, aws: Clients) -> None:
    key = new_key(kms)
    kms.create_alias(AliasName="alias/ca", TargetKeyId=key)
    alias = f"arn:aws:kms:{REGION}:{ONE}:alias/ca"
    for name in (key, key.rpartition("/")[2], "alias/ca", alias):
        assert sign(kms, name)["KeyId"] == key
        assert kms.get_public_key(KeyId=name)["KeyId"] == key
    missing = "00000000-0000-4000-8000-000000000000"
    for name in (missing, "alias/none", key.replace(key[-36:], missing)):
        with refused("NotFoundException", status=400):
            sign(kms, name)
    other_region = aws.kept("kms", ONE, "us-east-1")
    with refused("NotFoundException", f"Invalid arn {REGION}"):
        sign(other_region, key)
    with refused("NotFoundException"):
        sign(other_region, key.rpartition("/")[2])


def test_key_of_another_account(kms: Any, aws: Clients) -> None:
    key = new_key(kms, Policy=policy(lets(TWO, "Sign", "GetPublicKey", "DescribeKey")))
    kms.create_alias(AliasName="alias/ca", TargetKeyId=key)
    two = aws.kept("kms", TWO)
    for name in (key, f"arn:aws:kms:{REGION}:{ONE}:alias/ca"):
        assert sign(two, name)["KeyId"] == key
        assert two.get_public_key(KeyId=name)["KeyId"] == key
        assert two.describe_key(KeyId=name)["KeyMetadata"]["AWSAccountId"] == ONE
    with refused("NotFoundException"):
        sign(two, key.rpartition("/")[2])
    with refused("AccessDeniedException", "kms:GetKeyRotationStatus", 400):
        two.get_key_rotation_status(KeyId=key)
    with refused("AccessDeniedException", "is not authorized to perform: kms:Sign"):
        sign(aws.kept("kms", THREE), key)
    with refused("AccessDeniedException", "does not exist in this Region"):
        sign(two, key.replace(key[-36:], "00000000-0000-4000-8000-000000000000"))
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy(lets(TWO, "*")))
    with refused("AccessDeniedException", "kms:DisableKey"):  # never across accounts
        two.disable_key(KeyId=key)
    kms.disable_key(KeyId=key)
    with refused("DisabledException"):
        sign(two, key)


def test_key_policies(kms: Any, aws: Clients) -> None:
    role = aws.role(TWO, "signer")
    only = {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_384", "kms:MessageType": "DIGEST"}}
    for statement, holds in (
        (lets(TWO, "*"), True),
        (lets(TWO, "Sign", Condition=only), False),
        (lets(TWO, "Sign", Condition={"StringEquals": {"kms:CallerAccount": TWO}}), True),
        (lets(TWO, "Sign", Condition={"StringEquals": {"kms:CallerAccount": THREE}}), False),
        (lets(TWO, "Sign", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), False),
        (lets(TWO, "Sign", Principal={"AWS": role}), False),
        (lets(TWO, "Sign", Principal={"AWS": "*"}), True),
        (lets(TWO, "GetPublicKey"), False),
        (lets(TWO, "Sign", Resource="arn:aws:kms:eu-west-1:111111111111:key/other"), False),
    ):
        key = new_key(kms, Policy=policy(statement))
        if holds:
            sign(aws.kept("kms", TWO), key)
        else:
            with refused("AccessDeniedException"):
                sign(aws.kept("kms", TWO), key)
    both = policy(lets(TWO, "Sign"), {**lets(TWO, "Sign", Condition=only), "Effect": "Deny"})
    key = new_key(kms, Policy=both)
    sign(aws.kept("kms", TWO), key)
    with refused("AccessDeniedException", "explicit deny"):
        sign(aws.kept("kms", TWO), key, SigningAlgorithm="ECDSA_SHA_384", Message=bytes(48))


def test_own_account_needs_the_key_policy(kms: Any) -> None:
    admin = lets(ONE, "PutKeyPolicy", "DescribeKey")
    only_admin = json.dumps({"Version": "2012-10-17", "Statement": [admin]})
    key = new_key(kms, Policy=only_admin)
    with refused("AccessDeniedException", "no resource-based policy allows the kms:Sign"):
        sign(kms, key)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy())
    sign(kms, key)
    nobody = json.dumps({"Version": "2012-10-17", "Statement": [lets(TWO, "*")]})
    for document in ("{", "{}", nobody):
        with refused("MalformedPolicyDocumentException"):
            new_key(kms, Policy=document)
        with refused("MalformedPolicyDocumentException"):
            kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document)
    new_key(kms, Policy=nobody, BypassPolicyLockoutSafetyCheck=True)


def test_calls_and_faults(kms: Any, sandbox: Sandbox) -> None:
    key = new_key(kms)
    sandbox.fault("throttling", service="kms", operation="Sign")
    with refused("ThrottlingException", status=400):
        sign(kms, key)
    sandbox.fault("error", code="AccessDeniedException", service="kms")
    with refused("AccessDeniedException", status=400):
        sign(kms, key)
    sign(kms, key)
    calls = sandbox.calls(operation="Sign", write=False)
    assert [call.status for call in calls] == [400, 400, 200]
    assert calls[2].parameters == {
        "KeyId": key,
        "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    }
    assert [call.write for call in sandbox.calls(operation="CreateKey")] == [True]
