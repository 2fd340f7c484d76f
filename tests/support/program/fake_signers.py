"""What holds keys and signs with them in memory: Secrets Manager, KMS and Private CA."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tests.support.certificates import NOW, Key, pem
from tests.support.program.refused import Refused


@dataclass
class Issuer:
    """A CA in AWS Private CA: `delay` is how often it answers that it is still at it."""

    key: Key
    certificate: x509.Certificate
    delay: int = 1
    issued: dict[str, str] = field(default_factory=dict)


class FakeSigners:
    """The operations of those services: a method for each.

    Attributes:
        secrets: answers of Secrets Manager, by ARN.
        keys: the private keys in KMS and what they are for, by any name that they are asked by.
        issuers: the private CAs, by ARN.
    """

    def __init__(self) -> None:
        self.secrets: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[Key, str]] = {}
        self.issuers: dict[str, Issuer] = {}

    def _GetSecretValue(self, *, SecretId: str) -> dict[str, Any]:
        if SecretId not in self.secrets:
            raise Refused("ResourceNotFoundException", "can't find the specified secret.")
        return self.secrets[SecretId]

    def _GetPublicKey(self, *, KeyId: str) -> dict[str, Any]:
        key, usage = self._key(KeyId)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"KeyId": KeyId, "PublicKey": public, "KeyUsage": usage}

    def _Sign(
        self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str
    ) -> dict[str, bytes]:
        assert MessageType == "DIGEST"
        key, _ = self._key(KeyId)
        # The algorithms that AWS KMS has for each sort of key (API reference of Sign).
        known: dict[str, hashes.HashAlgorithm] = {"RSASSA_PKCS1_V1_5_SHA_256": hashes.SHA256()}
        if isinstance(key, ec.EllipticCurvePrivateKey):
            digests = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384()}
            digest = digests.get(key.curve.name, hashes.SHA512())
            known = {f"ECDSA_SHA_{digest.digest_size * 8}": digest}
        if SigningAlgorithm not in known:
            raise Refused("InvalidKeyUsageException", f"{SigningAlgorithm} is not for this key.")
        prehashed = utils.Prehashed(known[SigningAlgorithm])
        if isinstance(key, rsa.RSAPrivateKey):
            return {"Signature": key.sign(Message, padding.PKCS1v15(), prehashed)}
        return {"Signature": key.sign(Message, ec.ECDSA(prehashed))}

    def _key(self, key_id: str) -> tuple[Key, str]:
        if key_id not in self.keys:
            raise Refused("NotFoundException", "Invalid keyId")
        return self.keys[key_id]

    def _issuer(self, arn: str) -> Issuer:
        if arn not in self.issuers:
            raise Refused("ResourceNotFoundException", "Could not find that CA.")
        return self.issuers[arn]

    def _GetCertificateAuthorityCertificate(
        self, *, CertificateAuthorityArn: str
    ) -> dict[str, str]:
        return {"Certificate": pem(self._issuer(CertificateAuthorityArn).certificate)}

    def _IssueCertificate(
        self,
        *,
        CertificateAuthorityArn: str,
        Csr: bytes,
        SigningAlgorithm: str,
        Validity: dict[str, Any],
        IdempotencyToken: str,
        TemplateArn: str,
    ) -> dict[str, str]:
        issuer = self._issuer(CertificateAuthorityArn)
        assert re.fullmatch(r"[\x21-\x7e]{1,36}", IdempotencyToken)
        partition = CertificateAuthorityArn.split(":")[1]
        template = "template/EndEntityCertificate/V1"
        assert TemplateArn == f"arn:{partition}:acm-pca:::{template}"
        family = "RSA" if isinstance(issuer.key, rsa.RSAPrivateKey) else "ECDSA"
        if not SigningAlgorithm.endswith(f"WITH{family}"):
            raise Refused("InvalidArgsException", "That is not the CA's key family.")
        assert Validity["Type"] == "ABSOLUTE"
        request = x509.load_pem_x509_csr(Csr)
        assert request.is_signature_valid
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(issuer.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(hours=1))
            .not_valid_after(datetime.fromtimestamp(Validity["Value"], timezone.utc))
            .sign(issuer.key, hashes.SHA256())
        )
        arn = f"{CertificateAuthorityArn}/certificate/{len(issuer.issued)}"
        issuer.issued[arn] = pem(certificate)
        return {"CertificateArn": arn}

    def _GetCertificate(
        self, *, CertificateAuthorityArn: str, CertificateArn: str
    ) -> dict[str, str]:
        issuer = self._issuer(CertificateAuthorityArn)
        if issuer.delay > 0:
            issuer.delay -= 1
            raise Refused("RequestInProgressException", "The request is in progress.")
        return {
            "Certificate": issuer.issued[CertificateArn],
            "CertificateChain": pem(issuer.certificate),
        }
