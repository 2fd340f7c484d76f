"""A private CA: its key, its request, and the certificates that it issues.

Sources are named as in ``private_ca``.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from moto.acmpca.models import CertificateAuthority

from sandbox.errors import AWSError
from sandbox.keys.json_operations import validation

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_ALGORITHMS: dict[str, Callable[[], Key]] = {
    "RSA_2048": lambda: rsa.generate_private_key(65537, 2048),
    "EC_prime256v1": lambda: ec.generate_private_key(ec.SECP256R1()),
}
SIGNING_ALGORITHMS = ("SHA256WITHECDSA", "SHA256WITHRSA")
SUBJECT = {
    "Country": NameOID.COUNTRY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "CommonName": NameOID.COMMON_NAME,
}
ROOT_TEMPLATE = "RootCACertificate/V1"
DEFAULT_TEMPLATE = "EndEntityCertificate/V1"


@dataclass
class IssuedCertificate:
    """A certificate that a CA has issued. ``ready``: whether it has been asked for before."""

    certificate: x509.Certificate
    chain: str
    ready: bool = False


def invalid_arguments(message: str) -> AWSError:
    """Return an InvalidArgsException."""
    return AWSError("InvalidArgsException", message)


def wrong_state(arn: str, status: str) -> AWSError:
    """Return an InvalidStateException."""
    message = f"The certificate authority {arn} is in state {status}, which doesn't allow this"
    return AWSError("InvalidStateException", message)


def pem_of(certificate: x509.Certificate) -> str:
    """Return ``certificate`` as Private CA sends it, without a line break at the end."""
    return certificate.public_bytes(Encoding.PEM).decode().strip()


def load_csr(encoded: Any) -> x509.CertificateSigningRequest:
    """Return the request of a ``Csr`` member.

    MalformedCSRException unless it is signed by its own key and has a subject.
    """
    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(str(encoded), validate=True))
        if not csr.is_signature_valid:
            raise ValueError
    except (ValueError, binascii.Error):
        raise AWSError("MalformedCSRException", "The CSR is not valid.") from None
    if not csr.subject.rdns:  # API ref.; stricter: a SAN would do
        raise AWSError("MalformedCSRException", "The CSR has no subject.")
    return csr


def end_of_validity(validity: Any, now: datetime) -> datetime:
    """Return the moment that a ``Validity`` names (model); ValidationException without one.

    ABSOLUTE is in seconds since 1970. Stricter: a year has 365 days, and END_DATE and MONTHS are
    refused.
    """
    members = validity if isinstance(validity, dict) else {}
    kind, value = members.get("Type"), members.get("Value")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise validation(
            f"Value '{value}' at 'validity.value' failed to satisfy constraint: Member must have "
            "value greater than or equal to 1"
        )
    try:
        match kind:
            case "ABSOLUTE":
                return datetime.fromtimestamp(value, timezone.utc)
            case "DAYS":
                return now + timedelta(days=value)
            case "YEARS":
                return now + timedelta(days=365 * value)
    except (ValueError, OverflowError, OSError):
        raise invalid_arguments(f"The validity {kind} {value} names no date") from None
    raise validation(
        f"Value '{kind}' at 'validity.type' failed to satisfy constraint: Member must satisfy enum "
        "value set: [ABSOLUTE, DAYS, YEARS]"
    )


def template_name_of(arn: str | None) -> str:
    """Return the name of a certificate template; InvalidArgsException for one that isn't here."""
    name = re.sub(r"^arn:aws[a-z-]*:acm-pca:::template/", "", arn or DEFAULT_TEMPLATE)
    if (arn and name == arn) or name not in {ROOT_TEMPLATE, DEFAULT_TEMPLATE}:
        raise invalid_arguments(f"The certificate template {arn} is unknown to the sandbox")
    return name


class PrivateCa(CertificateAuthority):
    """A root CA with the key and the subject that were asked for."""

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self.usage_mode = "GENERAL_PURPOSE"
        configuration = self.certificate_authority_configuration
        self.own_key = KEY_ALGORITHMS[configuration["KeyAlgorithm"]]()
        self.issued: dict[str, IssuedCertificate] = {}
        self.by_token: dict[str, tuple[datetime, str, str]] = {}

    @property
    def key(self) -> Key:  # type: ignore[override]
        """The private key."""
        return self.own_key

    @property
    def issuer(self) -> x509.Name:
        """The name of the CA: its certificate's, or the one it was created with."""
        if self.certificate is not None:
            return self.certificate.subject
        return x509.Name(
            [
                x509.NameAttribute(oid, self.subject[member])
                for member, oid in SUBJECT.items()
                if member in self.subject
            ]
        )

    @functools.cached_property
    def csr(self) -> bytes:
        """The CA's own request, signed once."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(self.issuer)
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def to_json(self) -> dict[str, Any]:
        """Return moto's description with the serial number of the certificate."""
        document: dict[str, Any] = super().to_json()
        if self.certificate is not None:
            serial = self.certificate.serial_number
            document["Serial"] = serial.to_bytes(20, "big").lstrip(b"\0").hex(":")
        return document

    def is_own(self, public_key: Any) -> bool:
        """Return whether ``public_key`` is the CA's."""
        return _der(public_key) == _der(self.key.public_key())

    def check_signs_with(self, algorithm: str) -> None:
        """Raise InvalidArgsException unless the algorithm is one for the CA's key (API ref.)."""
        family = "ECDSA" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "RSA"
        if not algorithm.endswith(family):
            raise invalid_arguments(f"The CA's key can't sign with {algorithm}")

    def check_can_issue(
        self, csr: x509.CertificateSigningRequest, template: str, ends: datetime
    ) -> None:
        """Refuse what the state, the key or the validity of the CA doesn't allow (API ref.)."""
        if template == ROOT_TEMPLATE:
            if not self.is_own(csr.public_key()):
                raise AWSError("MalformedCSRException", "The CSR is not the root CA's own.")
            if self.status not in {"PENDING_CERTIFICATE", "ACTIVE"}:
                raise wrong_state(self.arn, self.status)
        else:
            if self.status != "ACTIVE" or self.certificate is None:
                raise wrong_state(self.arn, self.status)
            if ends > self.certificate.not_valid_after_utc:  # API ref.; the wording is ours
                raise AWSError(
                    "ValidationException",
                    "The certificate validity specified exceeds the certificate authority validity",
                )

    def issued_for(self, token: str | None, asked: str, now: datetime) -> str | None:
        """Return the ARN that the same request with this idempotency token got before."""
        earlier = self.by_token.get(token or "")
        if earlier and now - earlier[0] < timedelta(minutes=5) and earlier[1] == asked:
            return earlier[2]
        return None

    def issue(
        self, csr: x509.CertificateSigningRequest, template: str, now: datetime, ends: datetime
    ) -> str:
        """Issue a certificate and return its ARN. It is valid from an hour before ``now``."""
        certificate = self._signed(csr, template, now - timedelta(hours=1), ends)
        chain = "" if template == ROOT_TEMPLATE else self.certificate_bytes.decode()
        arn = f"{self.arn}/certificate/{certificate.serial_number:032x}"
        self.issued[arn] = IssuedCertificate(certificate, chain)
        return arn

    def _signed(
        self, csr: x509.CertificateSigningRequest, template: str, starts: datetime, ends: datetime
    ) -> x509.Certificate:
        """Return a certificate with the request's subject and key, and the template's extensions.

        guide, "Certificate templates".
        """
        public_key, is_root = csr.public_key(), template == ROOT_TEMPLATE
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(csr.subject if is_root else self.issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(is_root, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(_key_usage(is_root), True)
        )
        if not is_root:
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(own, False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), False)
        return builder.sign(self.key, hashes.SHA256())


def _key_usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not is_ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _der(public_key: Any) -> bytes:
    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded
