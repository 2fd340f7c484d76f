"""PEM text to a certificate and its ID, without cryptography if that is enough."""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from iot_ca.errors import Failure

if TYPE_CHECKING:
    from cryptography import x509

# The end of a message about a text that may be a path: Terraform takes a text, not a file.
FILE_HINT = '; if it names a file, read it with file("PATH")'
_PEM_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True)
class Certificate:
    """The first certificate of a PEM text.

    Attributes:
        der: its DER encoding.
        certificate_id: AWS IoT's certificateId: the lowercase hex SHA-256 of the DER. AWS's own ID
            is compared when a CA is observed or registered.
        pem: the certificate alone, without leading text, with standard line lengths and ends.
        certificates_after: the number of certificates that follow in the text.
    """

    der: bytes
    certificate_id: str
    pem: str
    certificates_after: int


def holds_private_key(text: str) -> bool:
    """Return whether there is a private key in a PEM text."""
    return "PRIVATE KEY-----" in text


def read(text: str) -> Certificate:
    """Return the first certificate in a PEM text.

    There may be other text before it, CRLF line ends, and a chain after it. `validation` checks
    whether AWS IoT accepts the certificate as a CA's.

    Raises Failure, without quoting the text, if there is a private key in it or if its first block
    is not a certificate.
    """
    if holds_private_key(text):
        raise Failure(
            "certificate_pem holds a private key; give the CA's certificate alone, and treat the "
            "key as exposed if this configuration was stored or logged"
        )
    blocks = list(_PEM_BLOCK.finditer(text))
    if not blocks:
        raise Failure(_reason_for_no_block(text))
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
        pem=from_der(der),
        certificates_after=sum(block.group(1) == "CERTIFICATE" for block in blocks[1:]),
    )


def read_all(text: str) -> list[Certificate]:
    """Return every certificate in a PEM text, in order; raise Failure as `read` does."""
    first = read(text)
    blocks = [block for block in _PEM_BLOCK.finditer(text) if block.group(1) == "CERTIFICATE"]
    return [first, *(read(block.group(0)) for block in blocks[1:])]


def _reason_for_no_block(text: str) -> str:
    """Return what a text without any PEM block probably is, and a remedy."""
    if "-----BEGIN" in text:
        return "certificate_pem is truncated: it has a BEGIN line and no matching END line"
    body = re.sub(r"\s+", "", text)
    if re.fullmatch(r"MI[A-Za-z0-9+/]{100,}=*", body):
        return (
            "certificate_pem is base64 without PEM's BEGIN and END lines, as of a DER file; "
            "convert it with `openssl x509 -inform der -in FILE`"
        )
    return f"certificate_pem holds no PEM certificate (-----BEGIN CERTIFICATE-----){FILE_HINT}"


def from_der(der: bytes) -> str:
    """Return the PEM text of a certificate's DER."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def parse(certificate: Certificate) -> x509.Certificate:
    """Return the certificate as cryptography's object; raises Failure if the DER is damaged."""
    from cryptography import x509

    try:
        with warnings.catch_warnings():
            # cryptography warns of serial numbers that violate RFC 5280; stderr is for failures.
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(certificate.der)
    except (ValueError, x509.InvalidVersion):
        raise Failure(
            "certificate_pem is damaged or truncated: it is not an X.509 certificate"
        ) from None


def validity(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    """Return the start and the end of the certificate's validity, timezone-aware.

    Raises Failure for the year 0, which X.509 can write and Python can't.
    """
    try:
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except ValueError:
        raise Failure(
            "the certificate's validity has a time that is not one; have it issued again"
        ) from None
