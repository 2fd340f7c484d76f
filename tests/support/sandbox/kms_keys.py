"""Private keys that live in KMS, for ``cryptography``: every signature is a call of kms:Sign."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.support.certificates import CA, Hash, new_ca

# The only hash that KMS signs with; SHA-256 is the tests' default.
HASHES: dict[str, Hash] = {
    "ECC_NIST_P384": hashes.SHA384(),
    "ECC_NIST_P521": hashes.SHA512(),
}


class _KMSKey:
    def __init__(self, kms: Any, key_id: str) -> None:
        self.kms, self.key_id = kms, key_id
        self.public: Any = load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])

    def public_key(self) -> Any:
        return self.public

    @property
    def key_size(self) -> int:
        return int(self.public.key_size)

    def _sign(self, data: bytes, algorithm: str) -> bytes:
        hash_algorithm = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
        digest = hashes.Hash(hash_algorithm[algorithm[-3:]])
        digest.update(data)
        answer = self.kms.sign(
            KeyId=self.key_id,
            Message=digest.finalize(),
            MessageType="DIGEST",
            SigningAlgorithm=algorithm,
        )
        assert answer["SigningAlgorithm"] == algorithm
        return bytes(answer["Signature"])

    def exchange(self, *_: Any) -> bytes:
        raise NotImplementedError

    decrypt = private_numbers = private_bytes = exchange

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _: Any) -> Any:
        return self


class KMSECKey(_KMSKey, ec.EllipticCurvePrivateKey):  # type: ignore[misc]
    """An EC key in KMS."""

    @property
    def curve(self) -> ec.EllipticCurve:
        return self.public.curve  # type: ignore[no-any-return]

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        return self._sign(data, f"ECDSA_SHA_{signature_algorithm.algorithm.digest_size * 8}")


class KMSRSAKey(_KMSKey, rsa.RSAPrivateKey):  # type: ignore[misc]
    """An RSA key in KMS."""

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        assert padding.name == "EMSA-PKCS1-v1_5"
        return self._sign(data, f"RSASSA_PKCS1_V1_5_SHA_{algorithm.digest_size * 8}")


def kms_ca(kms: Any, spec: str, **policy: str) -> tuple[str, CA]:
    """A new KMS key's ARN, and a CA certificate that KMS has signed with it."""
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY", **policy)["KeyMetadata"]["Arn"]
    key = KMSRSAKey(kms, made) if spec.startswith("RSA") else KMSECKey(kms, made)
    return made, new_ca(f"CA in KMS, {spec}", key=key, digest=HASHES.get(spec))
