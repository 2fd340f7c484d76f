"""From PEM text to a CA certificate that AWS IoT Core will accept."""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from iot_ca.failure import Failure

if TYPE_CHECKING:
    from cryptography import x509

_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_SIGNATURE_HASHES = ("sha256", "sha384", "sha512")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_BITS = 2048


@dataclass(frozen=True)
class Certificate:
    """The first certificate of a PEM text.

    Attributes:
        der: its DER encoding.
        certificate_id: lowercase hex SHA-256 of the DER, which is AWS IoT's certificateId
            (checked against a registered CA; line ends, leading text and a chain don't count).
        pem: the certificate alone, written the standard way.
        followers: how many certificates come behind it in the text.
    """

    der: bytes
    certificate_id: str
    pem: str
    followers: int


def read(text: str) -> Certificate:
    """The first certificate in a PEM text, which may have leading text, CRLF or a chain behind it.

    Raises Failure, without quoting the text, where there is a private key in it or its first
    block is no certificate. Whether it is a CA that AWS accepts is for `check` to say.
    """
    if "PRIVATE KEY-----" in text:
        raise Failure(
            "certificate_pem holds a private key; give the CA's certificate alone, and treat the "
            "key as exposed if this configuration was stored or logged"
        )
    blocks = list(_PEM_BLOCK.finditer(text))
    if not blocks:
        raise Failure(_why_no_block(text))
    label = blocks[0].group(1)
    if label in ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"):
        raise Failure("certificate_pem is a certificate signing request; give the certificate")
    if label != "CERTIFICATE":
        raise Failure(f"certificate_pem is a PEM block of type {label}; give a CERTIFICATE")
    try:
        der = base64.b64decode(re.sub(r"\s+", "", blocks[0].group(2)), validate=True)
    except ValueError:  # binascii.Error is one; a character beyond ASCII gives another
        raise Failure("certificate_pem is damaged: its body is not base64") from None
    return Certificate(
        der=der,
        certificate_id=hashlib.sha256(der).hexdigest(),
        pem=_pem(der),
        followers=sum(block.group(1) == "CERTIFICATE" for block in blocks[1:]),
    )


def _why_no_block(text: str) -> str:
    if "-----BEGIN" in text:
        return "certificate_pem is truncated: it has a BEGIN line and no matching END line"
    body = re.sub(r"\s+", "", text)
    if re.fullmatch(r"MI[A-Za-z0-9+/]{100,}=*", body):
        return (
            "certificate_pem is base64 without PEM's BEGIN and END lines, as of a DER file; "
            "convert it with `openssl x509 -inform der -in FILE`"
        )
    return (
        "certificate_pem holds no PEM certificate (-----BEGIN CERTIFICATE-----); if it names a "
        'file, read it with file("PATH")'
    )


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def parse(certificate: Certificate) -> x509.Certificate:
    """The certificate as cryptography knows it; raises Failure if the DER is damaged."""
    from cryptography import x509

    try:
        with warnings.catch_warnings():
            # Of a serial number that breaks RFC 5280: stderr is for failures.
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(certificate.der)
    except (ValueError, x509.InvalidVersion):
        raise Failure(
            "certificate_pem is damaged or truncated: it is no X.509 certificate"
        ) from None


def check(certificate: x509.Certificate, now: datetime) -> None:
    """Refuse what AWS IoT Core would refuse to register, before it is asked.

    Format, validity, key and signature are AWS's own checks (developer guide, "Manage your CA
    certificates"). X.509 v3, CA:TRUE and, where there is a key usage, keyCertSign are not
    documented as hard rules; without them no standard TLS stack takes it for a CA's.

    Raises Failure for the first rule that is broken. `now` must be timezone-aware.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if certificate.version is not x509.Version.v3:
        raise Failure("the certificate is X.509 v1; AWS IoT needs a v3 certificate with CA:TRUE")
    try:
        extensions = certificate.extensions
        is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise Failure("the certificate's extensions can't be read") from None
    if not is_authority:
        raise Failure(
            "the certificate is not a CA's (basicConstraints lacks CA:TRUE); give the certificate "
            "that signs the devices' certificates, not a device's"
        )
    with suppress(x509.ExtensionNotFound):
        if not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise Failure("the certificate's key usage lacks keyCertSign: it may not sign others")
    if now < certificate.not_valid_before_utc:
        raise Failure(
            f"the certificate is not valid before {rfc3339(certificate.not_valid_before_utc)}"
        )
    if now > certificate.not_valid_after_utc:
        raise Failure(
            f"the certificate expired at {rfc3339(certificate.not_valid_after_utc)}; AWS IoT does "
            "not register an expired CA: renew it, or remove it from the map"
        )
    try:
        key = certificate.public_key()
        digest = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        raise Failure(
            "the certificate's key or signature algorithm is not supported; AWS IoT takes RSA of "
            f"{_RSA_BITS} bits or more and EC {', '.join(_CURVES.values())}"
        ) from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _RSA_BITS:
            raise Failure(
                f"the certificate's RSA key has {key.key_size} bits; AWS IoT needs {_RSA_BITS} or "
                "more"
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise Failure(
                f"the certificate's curve is {key.curve.name}; AWS IoT takes "
                f"{', '.join(_CURVES.values())}"
            )
    else:
        raise Failure(
            f"the certificate's key is neither RSA ({_RSA_BITS} bits or more) nor EC "
            f"({', '.join(_CURVES.values())})"
        )
    if digest is None or digest.name not in _SIGNATURE_HASHES:
        name = "unknown" if digest is None else digest.name.upper()
        raise Failure(f"the certificate's signature uses {name}; AWS IoT needs SHA-256 or better")


def now() -> datetime:
    """This moment, timezone-aware."""
    return datetime.now(timezone.utc)


def validity(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    """From when and to when the certificate is valid, timezone-aware."""
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def rfc3339(moment: datetime) -> str:
    """A UTC moment as RFC 3339 text to the second, as Terraform's time functions take it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
