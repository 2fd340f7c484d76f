"""What AWS IoT Core does when a device certificate is registered, and how it lists certificates.

Sources are named as in ``ca_certificates``; API ref. is RegisterCertificate's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sandbox.errors import AWSError
from sandbox.iot.ca_certificates import CACertificate
from sandbox.iot.certificates import certificate_id_of, check_strength, issuer_der, load_certificate
from sandbox.iot.refusals import invalid_certificate, invalid_request

# API ref.: the statuses that a caller can use.
STATUSES = ("ACTIVE", "INACTIVE", "REVOKED")

Item = TypeVar("Item")


def load(pem: str) -> x509.Certificate:
    """Return the certificate to be registered; CertificateValidationException for one AWS refuses.

    The key sizes and hashes are those of CA certificates (guide, "X.509 client certificates").
    """
    certificate = load_certificate(pem, "certificate")
    check_strength(certificate, "certificate")
    return certificate


def issuer_of(
    certificate: x509.Certificate, ca_pem: str | None, registered: Iterable[CACertificate]
) -> CACertificate:
    """Return the registered CA certificate that signed ``certificate``.

    ca_pem: which one that is. Without it the subject must lead to exactly one, else
        CertificateConflictException (API ref.).

    CertificateValidationException if it isn't registered or hasn't signed the certificate,
    CertificateStateException if it isn't ACTIVE. The codes are in the API reference, which code
    for what is stricter guess, and the wordings are ours.
    """
    if ca_pem is not None:
        wanted = certificate_id_of(load_certificate(ca_pem, "CA certificate"))
        candidates = [held for held in registered if held.certificate_id == wanted]
    else:
        subject = issuer_der(certificate)
        candidates = [held for held in registered if held.subject == subject]
    if not candidates:
        raise invalid_certificate("The CA certificate of the certificate is not registered")
    if len(candidates) > 1:
        raise AWSError(
            "CertificateConflictException",
            "Several CA certificates with this subject are registered. Provide the CA certificate",
            409,
        )
    try:
        signed_by = x509.load_pem_x509_certificate(candidates[0].pem.encode())
        certificate.verify_directly_issued_by(signed_by)
    except (InvalidSignature, ValueError, TypeError):
        message = "The certificate was not signed by the CA certificate's private key"
        raise invalid_certificate(message) from None
    if candidates[0].status != "ACTIVE":
        raise AWSError(
            "CertificateStateException",
            f"The CA certificate is not ACTIVE. Id: {candidates[0].certificate_id}",
            406,
        )
    return candidates[0]


def page(
    items: Sequence[tuple[str, Item]], size: int, marker: str | None, ascending: bool
) -> tuple[list[Item], str | None]:
    """Return a page of ``items`` (ID and item, oldest first), and the marker of the next.

    The marker is None on the last page.

    At most 250 a page, newest first unless ``ascending`` (model). The marker names the item before
    the page; InvalidRequestException for one that names none, also if it has gone since.
    """
    if not 1 <= size <= 250:
        raise invalid_request("pageSize must be between 1 and 250")
    ordered = list(items) if ascending else list(reversed(items))
    start = 0
    if marker is not None:
        ids = [item_id for item_id, _ in ordered]
        last = _id_in(marker)
        if last not in ids:
            raise invalid_request("The marker is not valid")
        start = ids.index(last) + 1
    selected = ordered[start : start + size]
    more = start + size < len(ordered)
    return [item for _, item in selected], _marker(selected[-1][0]) if more else None


def _marker(item_id: str) -> str:
    return base64.b64encode(item_id.encode()).decode()


def _id_in(marker: str) -> str:
    try:
        return base64.b64decode(marker, validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_request("The marker is not valid") from None
