"""What AWS IoT Core accepts as a certificate, of a CA or a device: X.509 rules.

Sources are named as in ``ca_certificates``.
"""

from __future__ import annotations

import re
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox.errors import AWSError
from sandbox.iot.refusals import invalid_certificate

CERTIFICATE_ID = re.compile(r"[0-9a-fA-F]{64}")
# The extension 2.5.29.19, critical or not, that begins with CA:TRUE.
CA_TRUE = re.compile(rb"\x06\x03\x55\x1d\x13(\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)
# The name in a template and in a policy variable, by the attribute of the certificate's subject.
SUBJECT = {
    NameOID.COUNTRY_NAME: "Country",
    NameOID.ORGANIZATION_NAME: "Organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OrganizationalUnit",
    NameOID.DN_QUALIFIER: "DistinguishedNameQualifier",
    NameOID.STATE_OR_PROVINCE_NAME: "StateName",
    NameOID.COMMON_NAME: "CommonName",
    NameOID.SERIAL_NUMBER: "SerialNumber",
}
FIRST_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def pem_of(certificate: x509.Certificate) -> str:
    """Return ``certificate`` as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def load_certificate(text: str, what: str) -> x509.Certificate:
    """Return the first certificate in ``text``, whatever precedes or follows it.

    CertificateValidationException if there is none. Only the first counts and only its DER is
    hashed: seen, the same certificate with a chain or text around it has the same ID.
    """
    pem_block = FIRST_CERTIFICATE.search(text)
    if not 1 <= len(text) <= 65536 or not pem_block:
        raise invalid_certificate(f"The {what} is not a PEM-encoded certificate")
    try:
        return x509.load_pem_x509_certificate(pem_block[0].encode())
    except ValueError:
        raise invalid_certificate(f"The {what} is not a valid X.509 certificate") from None


def certificate_id_of(certificate: x509.Certificate) -> str:
    """Return the ID AWS IoT gives a certificate.

    Hex SHA-256 of its DER (seen, confirmed by support).
    """
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_validity(certificate: x509.Certificate, what: str, now: datetime) -> None:
    """Raise CertificateValidationException outside the certificate's validity period (guide)."""
    if now < certificate.not_valid_before_utc:
        raise invalid_certificate(f"The {what} is not yet valid")
    if now > certificate.not_valid_after_utc:
        raise invalid_certificate(f"The {what} has expired")


def check_strength(certificate: x509.Certificate, what: str) -> None:
    """Raise CertificateValidationException for a key or signature that the guide doesn't list."""
    try:
        key = certificate.public_key()
        hash_algorithm = certificate.signature_hash_algorithm
    except Exception:  # whatever cryptography can't read, AWS's list doesn't have
        raise invalid_certificate(f"The {what} uses an unsupported algorithm") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise invalid_certificate(f"The {what} must have an RSA key of at least 2048 bits")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1
    ):
        raise invalid_certificate(
            f"The {what} must have an RSA key or an EC key on P-256, P-384 or P-521"
        )
    if not isinstance(hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise invalid_certificate(f"The {what} must be signed with SHA-256 or better")


def subject_der(certificate: x509.Certificate) -> bytes:
    """Return the subject's DER, also of one that cryptography can't read, such as Latin-1 text."""
    try:
        return certificate.subject.public_bytes()
    except ValueError:
        from OpenSSL.crypto import X509

        return X509.from_cryptography(certificate).get_subject().der()


def issuer_der(certificate: x509.Certificate) -> bytes:
    """Return the issuer's DER, as ``subject_der`` does."""
    try:
        return certificate.issuer.public_bytes()
    except ValueError:
        from OpenSSL.crypto import X509

        return X509.from_cryptography(certificate).get_issuer().der()


def subject_of(certificate: x509.Certificate) -> dict[str, str]:
    """Return what a certificate's subject says, by AWS's names; of several values the first."""
    values: dict[str, str] = {}
    for attribute in certificate.subject:
        name = SUBJECT.get(attribute.oid)
        if name and isinstance(attribute.value, str):
            values.setdefault(name, attribute.value)
    return values


def check_is_ca(certificate: x509.Certificate) -> None:
    """Raise CertificateValidationException unless it is an X.509 v3 CA.

    The message is seen. A key usage without keyCertSign is accepted: the acceptance tests of the
    aws provider register such a CA. cryptography reads all extensions or none, so basicConstraints
    is found by its encoding where another extension is one that cryptography refuses.
    """
    message = "The CA certificate does not have the basicConstraints extension as true"
    if certificate.version is not x509.Version.v3:
        raise invalid_certificate(message)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_ca = constraints.ca
    except x509.ExtensionNotFound:
        is_ca = False
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType):
        is_ca = bool(CA_TRUE.search(certificate.tbs_certificate_bytes))
    except x509.DuplicateExtension:
        raise invalid_certificate("The CA certificate has an extension twice") from None
    if not is_ca:
        raise invalid_certificate(message)


def check_is_no_ca(certificate: x509.Certificate) -> None:
    """Raise CertificateValidationException for a device certificate that is a CA's."""
    try:
        check_is_ca(certificate)
    except AWSError:
        return
    raise invalid_certificate("The device certificate is a CA certificate")


def check_verification(
    verification: x509.Certificate, ca: x509.Certificate, code: str | None, now: datetime
) -> None:
    """Refuse a verification certificate that doesn't prove possession of the CA's key (guide).

    RegistrationCodeValidationException: its common name isn't the account's registration code in
    this region. CertificateValidationException: the CA's key hasn't signed it, or it isn't valid
    now (the latter, and comparing the issuer's name, is stricter).
    """
    names = [
        name.value
        for name in verification.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if isinstance(name.value, str)
    ]
    if names != [code]:  # also when no code has been asked for yet
        raise AWSError(
            "RegistrationCodeValidationException",
            "The registration code in the verification certificate is not valid for this account",
        )
    check_validity(verification, "verification certificate", now)
    try:
        verification.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        message = "The verification certificate was not signed by the CA certificate's private key"
        raise invalid_certificate(message) from None
