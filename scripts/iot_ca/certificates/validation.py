"""Whether AWS IoT Core accepts a certificate as a CA certificate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from iot_ca import utc
from iot_ca.certificates import fields, pem
from iot_ca.errors import Failure

if TYPE_CHECKING:
    from cryptography import x509

_SIGNATURE_HASHES = ("sha256", "sha384", "sha512")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_CURVE_NAMES = ", ".join(_CURVES.values())
_MIN_RSA_BITS = 2048


def check(certificate: x509.Certificate, now: datetime) -> None:
    """Raise Failure for a certificate that AWS IoT Core would refuse to register.

    A new rule is a function of its own, called here. The first rule that is broken is reported.
    Format, validity, key and signature are AWS's own checks (developer guide, "Manage your CA
    certificates"). X.509 v3 and CA:TRUE are not documented as hard rules; without them no standard
    TLS implementation accepts the certificate as a CA's.

    Args:
        certificate: the CA's certificate.
        now: the time of the registration, timezone-aware.
    """
    _check_version(certificate)
    _check_is_ca(certificate)
    _check_validity(certificate, now)
    check_algorithms(certificate)


def warnings(certificate: x509.Certificate) -> list[str]:
    """Return what AWS IoT Core accepts in a CA's certificate and other software does not.

    A key usage without keyCertSign is one: the acceptance tests of the aws provider register such a
    CA (`aws_iot_ca_certificate`).
    """
    if fields.may_sign_certificates(certificate):
        return []
    return [
        "the certificate's key usage lacks keyCertSign: AWS IoT registers such a CA, but other "
        "software refuses the device certificates that it signs"
    ]


def _check_version(certificate: x509.Certificate) -> None:
    from cryptography import x509

    if certificate.version is not x509.Version.v3:
        raise Failure("the certificate is X.509 v1; AWS IoT needs a v3 certificate with CA:TRUE")


def _check_is_ca(certificate: x509.Certificate) -> None:
    if not fields.is_ca(certificate):
        raise Failure(
            "the certificate is not a CA's (basicConstraints lacks CA:TRUE); give the certificate "
            "that signs the devices' certificates, not a device's"
        )


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    not_before, not_after = pem.validity(certificate)
    if now < not_before:
        raise Failure(f"the certificate is not valid before {utc.rfc3339(not_before)}")
    if now > not_after:
        raise Failure(
            f"the certificate expired at {utc.rfc3339(not_after)}; AWS IoT does not register an "
            "expired CA: renew it, or remove it from the map"
        )


def check_algorithms(certificate: x509.Certificate) -> None:
    """Raise Failure for a key or signature that AWS IoT does not take, of a CA or a device."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = certificate.public_key()
        digest = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        raise Failure(
            "the certificate's key or signature algorithm is not supported; AWS IoT takes RSA of "
            f"{_MIN_RSA_BITS} bits or more and EC {_CURVE_NAMES}"
        ) from None
    _check_key(key)
    if digest is None or digest.name not in _SIGNATURE_HASHES:
        name = "unknown" if digest is None else digest.name.upper()
        raise Failure(f"the certificate's signature uses {name}; AWS IoT needs SHA-256 or better")


def _check_key(key: object) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _MIN_RSA_BITS:
            raise Failure(
                f"the certificate's RSA key has {key.key_size} bits; AWS IoT needs "
                f"{_MIN_RSA_BITS} or more"
            )
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise Failure(
                f"the certificate's curve is {key.curve.name}; AWS IoT takes {_CURVE_NAMES}"
            )
    else:
        raise Failure(
            f"the certificate's key is neither RSA ({_MIN_RSA_BITS} bits or more) nor EC "
            f"({_CURVE_NAMES})"
        )
