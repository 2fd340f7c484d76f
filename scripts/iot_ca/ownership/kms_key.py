"""Adapters that let cryptography's certificate builder sign with a key in AWS KMS.

They hold the public key only. The private key signs in KMS, through the function that is passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

# Signs with the key, given the data, the hash to use, and KMS's name of the algorithm family.
Sign = Callable[[bytes, hashes.HashAlgorithm, str], bytes]


def rsa_key(public: rsa.RSAPublicKey, sign: Sign) -> rsa.RSAPrivateKey:
    """Return an RSA private key that can sign, and nothing else, for this public key."""

    class Key(rsa.RSAPrivateKey):
        key_size = public.key_size

        def public_key(self) -> rsa.RSAPublicKey:
            return public

        def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
            del padding  # PKCS #1 v1.5, the builder's default
            return sign(data, algorithm, "RSASSA_PKCS1_V1_5")

        decrypt = private_numbers = private_bytes = __copy__ = __deepcopy__ = _unavailable

    return Key()


def ec_key(public: ec.EllipticCurvePublicKey, sign: Sign) -> ec.EllipticCurvePrivateKey:
    """Return an EC private key that can sign, and nothing else, for this public key."""

    class Key(ec.EllipticCurvePrivateKey):
        curve = public.curve
        key_size = public.curve.key_size

        def public_key(self) -> ec.EllipticCurvePublicKey:
            return public

        def sign(self, data: Any, signature_algorithm: Any) -> bytes:
            return sign(data, signature_algorithm.algorithm, "ECDSA")

        exchange = private_numbers = private_bytes = __copy__ = __deepcopy__ = _unavailable

    return Key()


def _unavailable(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("the private key is in AWS KMS")
