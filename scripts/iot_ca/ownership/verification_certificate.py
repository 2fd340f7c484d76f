"""Proof that whoever registers a CA in DEFAULT mode holds its private key.

AWS IoT asks for a verification certificate: its subject's common name is the registration code
of the account and region, and the CA's key has signed it (developer guide, "Register a CA
certificate in DEFAULT mode"). Here is what it looks like and what is checked of one; who signs it,
and where the CA's private key is, is for `signers` to know.
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
    """The verification certificate in `text`, as PEM, if AWS IoT would take it.

    `code` is the registration code of the account and region. Raises Failure where the
    certificate does not belong to this CA, to this code or to this moment.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import NameOID

    try:
        certificate = pem.read(text)
        proof = pem.parse(certificate)
    except Failure as failure:
        raise Failure(
            str(failure).replace("certificate_pem", "verification.certificate_pem")
        ) from None
    names = [str(each.value) for each in proof.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [code]:
        raise Failure(
            "the verification certificate's common name is not the registration code of this "
            f"account and region, {code}; have it issued again with that common name"
        )
    try:
        proof.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        raise Failure(
            "the verification certificate is not signed by this CA; have it issued by the CA's key"
        ) from None
    if not proof.not_valid_before_utc <= now <= proof.not_valid_after_utc:
        raise Failure(
            "the verification certificate is not valid now (from "
            f"{utc.rfc3339(proof.not_valid_before_utc)} to "
            f"{utc.rfc3339(proof.not_valid_after_utc)}); have it issued again"
        )
    return certificate.pem


def expiry(authority: x509.Certificate, now: datetime) -> datetime:
    """Until when a verification certificate that is made now is valid: minutes, not years."""
    return min(now + _LIFETIME, authority.not_valid_after_utc)


def sign(key: Key, authority: x509.Certificate, code: str, now: datetime) -> str:
    """A new verification certificate as PEM, signed by `key`, the CA's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # Any key pair will do and its private key is not needed afterwards: it ends with this call.
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
    """A certificate signing request as PEM for a verification certificate.

    Its key pair is made for it and forgotten: nobody will need it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(code))
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _digest_for(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The hash to sign with: SHA-256 for RSA, and for EC that of the curve's strength.

    AWS IoT takes SHA-256 or better, and AWS KMS knows no other hash for a curve (API reference of
    Sign, SigningAlgorithm).
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
