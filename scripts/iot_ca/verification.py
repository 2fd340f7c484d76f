"""Proof that whoever registers a CA in DEFAULT mode holds its private key.

AWS IoT asks for a verification certificate: its subject's common name is the registration code
of the account and region, and the CA's key has signed it (developer guide, "Register a CA
certificate in DEFAULT mode"). The CA's private key is read from where the user keeps it, in this
process only, and is never part of a message.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca import certificate as certificates
from iot_ca.failure import Failure
from iot_ca.protocol import Verification

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# AWS checks the certificate once, at registration; clocks may differ a little.
_LIFETIME = timedelta(minutes=30)
_CLOCK_SKEW = timedelta(minutes=5)


def certificate_pem(
    verification: Verification | None, authority: x509.Certificate, code: str, now: datetime
) -> str:
    """The verification certificate as PEM: the one given, or one made with the CA's key.

    `code` is the registration code of the account and region. Raises Failure where there is no
    proof or where it does not belong to this CA or to this code.
    """
    if verification is not None and verification.certificate_pem is not None:
        _check_certificate(verification.certificate_pem, authority, code, now)
        return certificates.read(verification.certificate_pem).pem
    if verification is not None and verification.ca_private_key_file is not None:
        return _sign(_load_key(verification.ca_private_key_file, authority), authority, code, now)
    raise Failure(
        "DEFAULT mode needs a proof of ownership: set verification.certificate_pem to a "
        f"certificate signed by this CA with the common name {code} (the registration code of "
        "this account and region), or verification.ca_private_key_file to the path of the CA's "
        "key; SNI_ONLY mode needs none"
    )


def _check_certificate(text: str, authority: x509.Certificate, code: str, now: datetime) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import NameOID

    try:
        proof = certificates.parse(certificates.read(text))
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
            f"{certificates.rfc3339(proof.not_valid_before_utc)} to "
            f"{certificates.rfc3339(proof.not_valid_after_utc)}); have it issued again"
        )


def _load_key(path: str, authority: x509.Certificate) -> RSAPrivateKey | EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "-----" in path:
        raise Failure(
            "verification.ca_private_key_file holds a key instead of the path of its file; treat "
            "the key as exposed if this configuration was planned, stored or logged"
        )
    where = f"verification.ca_private_key_file {path}"
    try:
        data = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise Failure(f"{where} can't be read: {error.strerror}") from None
    except (RuntimeError, ValueError):
        raise Failure(f"{where} can't be read: no such path") from None
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise Failure(
            f"{where} is encrypted; give a decrypted copy or a verification certificate instead"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Failure(f"{where} holds no PEM private key") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise Failure(f"{where} holds neither an RSA nor an EC key")
    if key.public_key() != authority.public_key():
        raise Failure(f"{where} is not the key of this CA's certificate")
    return key


def _sign(
    key: RSAPrivateKey | EllipticCurvePrivateKey,
    authority: x509.Certificate,
    code: str,
    now: datetime,
) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    # Any key pair will do and its private key is not needed afterwards: it ends with this call.
    subject_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, code)]))
        .issuer_name(authority.subject)
        .public_key(subject_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _CLOCK_SKEW, authority.not_valid_before_utc))
        .not_valid_after(min(now + _LIFETIME, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    proof = builder.sign(key, hashes.SHA256())
    return proof.public_bytes(serialization.Encoding.PEM).decode("ascii")
