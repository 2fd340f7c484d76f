"""`kms_key_id`: the CA's private key is in AWS KMS and never leaves it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from iot_ca.errors import Failure
from iot_ca.ownership.private_key import PrivateKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes

    from iot_ca.ownership.kms_key import Sign
    from iot_ca.ownership.verification_certificate import Key


class KmsKey(PrivateKey):
    """Signs with an asymmetric key in AWS KMS, by its ID, its ARN or an alias."""

    attribute = "kms_key_id"
    noun = "the ID, the ARN or an alias of a KMS key"

    def key(self) -> Key:
        """Return an object that signs in KMS; raises Failure if the key is not the CA's."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, rsa
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        from iot_ca.ownership import kms_key

        location = self.location
        client = self.account.client("kms", self.region)
        with self.account.failures("kms"):
            answer = client.get_public_key(KeyId=self.value)
            encoded, usage = answer["PublicKey"], answer["KeyUsage"]
        if usage != "SIGN_VERIFY":
            raise Failure(f"{location} is a key for {usage}; the CA's key is one for SIGN_VERIFY")
        public_key: Any = None
        with suppress(ValueError, UnsupportedAlgorithm):  # of a kind that no CA here can have
            public_key = load_der_public_key(encoded)
        self.require_match(public_key)
        if isinstance(public_key, rsa.RSAPublicKey):
            return kms_key.rsa_key(public_key, self._sign_with(client))
        # The CA's key is RSA or EC: certificates.validation.
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        return kms_key.ec_key(public_key, self._sign_with(client))

    def _sign_with(self, client: Any) -> Sign:
        def sign(data: bytes, digest: hashes.HashAlgorithm, family: str) -> bytes:
            with self.account.failures("kms"):
                answer = client.sign(
                    KeyId=self.value,
                    # A digest, since a certificate can be longer than what KMS signs.
                    Message=hashlib.new(digest.name, data).digest(),
                    MessageType="DIGEST",
                    SigningAlgorithm=f"{family}_SHA_{digest.digest_size * 8}",
                )
                return bytes(answer["Signature"])

        return sign
