"""Whether AWS IoT Core accepts a certificate as a CA's."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from iot_ca import utc
from iot_ca.errors import Failure

if TYPE_CHECKING:
    from cryptography import x509

_SIGNATURE_HASHES = ("sha256", "sha384", "sha512")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_RSA_BITS = 2048


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
            f"the certificate is not valid before {utc.rfc3339(certificate.not_valid_before_utc)}"
        )
    if now > certificate.not_valid_after_utc:
        raise Failure(
            f"the certificate expired at {utc.rfc3339(certificate.not_valid_after_utc)}; AWS IoT "
            "does not register an expired CA: renew it, or remove it from the map"
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
