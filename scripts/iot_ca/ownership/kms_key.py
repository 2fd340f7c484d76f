"""A key in AWS KMS in the shape of a private key that cryptography's certificate builder takes.

Nothing of the private key is here: it signs in KMS, by the function that is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

# Signs data with the key: the data, its hash, and the algorithm family in the words of KMS.
Sign = Callable[[bytes, hashes.HashAlgorithm, str], bytes]


def rsa_key(public: rsa.RSAPublicKey, sign: Sign) -> rsa.RSAPrivateKey:
    """The private key that belongs to an RSA public key, as far as it can sign."""

    class Key(rsa.RSAPrivateKey):
        key_size = public.key_size

        def public_key(self) -> rsa.RSAPublicKey:
            return public

        def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
            del padding  # PKCS #1 v1.5, the builder's default
            return sign(data, algorithm, "RSASSA_PKCS1_V1_5")

        decrypt = private_numbers = private_bytes = __copy__ = __deepcopy__ = _not_here

    return Key()


def ec_key(public: ec.EllipticCurvePublicKey, sign: Sign) -> ec.EllipticCurvePrivateKey:
    """The private key that belongs to an EC public key, as far as it can sign."""

    class Key(ec.EllipticCurvePrivateKey):
        curve = public.curve
        key_size = public.curve.key_size

        def public_key(self) -> ec.EllipticCurvePublicKey:
            return public

        def sign(self, data: Any, signature_algorithm: Any) -> bytes:
            return sign(data, signature_algorithm.algorithm, "ECDSA")

        exchange = private_numbers = private_bytes = __copy__ = __deepcopy__ = _not_here

    return Key()


def _not_here(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("the private key is in AWS KMS")
