"""The verification certificate: proof that the holder of a CA's private key wants it registered.

Its subject's common name is the registration code of the account and Region, and the CA's key has
signed it (AWS IoT developer guide, "Register a CA certificate in DEFAULT mode"). This module makes
and checks one; the other modules of this package know where the CA's private key is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_ca import utc
from iot_ca.certificates import pem
from iot_ca.errors import Failure

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Key = RSAPrivateKey | EllipticCurvePrivateKey

# AWS checks the certificate once, at registration; clocks may differ a little.
_LIFETIME = timedelta(minutes=30)
_CLOCK_SKEW = timedelta(minutes=5)


def check(text: str, authority: x509.Certificate, code: str, now: datetime) -> str:
    """Return the verification certificate in a PEM text, as PEM, if AWS IoT would accept it.

    Args:
        text: may have other text before the certificate, and a chain after it.
        authority: the CA's certificate.
        code: the registration code of the account and Region.
        now: the time at which the certificate must be valid, timezone-aware.

    Raises Failure if the certificate does not belong to this CA or this code, or is not valid now.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate = pem.read(text)
        proof = pem.parse(certificate)
        not_before, not_after = pem.validity(proof)
    except Failure as failure:
        raise Failure(_about_the_proof(str(failure))) from None
    if _common_names(proof) != [code]:
        raise Failure(
            "the verification certificate's common name is not the registration code of this "
            f"account and region, {code}; have it issued again with that common name"
        )
    try:
        proof.verify_directly_issued_by(authority)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        raise Failure(
            "the verification certificate is not signed by this CA; have it issued by the CA's key"
        ) from None
    if not not_before <= now <= not_after:
        raise Failure(
            "the verification certificate is not valid now (from "
            f"{utc.rfc3339(not_before)} to {utc.rfc3339(not_after)}); have it issued again"
        )
    return certificate.pem


def _about_the_proof(message: str) -> str:
    """Return a message about a CA's certificate as one about a verification certificate."""
    message = message.replace("certificate_pem", "verification.certificate_pem")
    return message.replace("the certificate's", "the verification certificate's")


def _common_names(certificate: x509.Certificate) -> list[str] | None:
    """Return the common names of the subject; None if it can't be read."""
    from cryptography.x509.oid import NameOID

    try:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    return [str(name.value) for name in names]


def expiry(authority: x509.Certificate, now: datetime) -> datetime:
    """Return when a verification certificate that is made now expires: after minutes, not years."""
    return min(now + _LIFETIME, authority.not_valid_after_utc)


def sign(key: Key, authority: x509.Certificate, code: str, now: datetime) -> str:
    """Return a new verification certificate as PEM, signed with `key`, the CA's private key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # AWS IoT accepts any key pair. Its private key is not needed afterwards.
    subject_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(code))
        .issuer_name(authority.subject)
        .public_key(subject_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _CLOCK_SKEW, authority.not_valid_before_utc))
        .not_valid_after(expiry(authority, now))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    proof = builder.sign(key, _digest_for(key))
    return proof.public_bytes(serialization.Encoding.PEM).decode("ascii")


def request(code: str) -> str:
    """Return a certificate signing request as PEM for a verification certificate.

    Its key pair is new, and the private key is discarded: AWS IoT does not need it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(code))
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _digest_for(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the hash to sign with: SHA-256 for RSA, for EC the one of the curve's strength.

    AWS IoT accepts SHA-256 or better. AWS KMS has no other hash for a curve (API reference of Sign,
    SigningAlgorithm).
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name == "secp384r1":
            return hashes.SHA384()
        if key.curve.name == "secp521r1":
            return hashes.SHA512()
    return hashes.SHA256()


def _subject(code: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, code)])
