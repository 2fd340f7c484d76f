"""The CA's private key: as read from a file or a secret, or as an object that signs elsewhere."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from iot_ca import utc
from iot_ca.certificates import fields
from iot_ca.errors import Failure
from iot_ca.ownership import verification_certificate
from iot_ca.ownership.proof import Proof

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from iot_ca.ownership.verification_certificate import Key


class PrivateKey(Proof):
    """A proof that the program makes itself, since it can sign with the CA's private key."""

    @abstractmethod
    def key(self) -> Key:
        """Return the CA's private key, or an object that signs with it; raises Failure."""

    def check(self) -> list[str]:
        """Check that the key is the CA's; nothing is signed."""
        self._require_writable_subject()
        self.key()
        return []

    def issue(self) -> str:
        """Return a verification certificate that was signed with the key just now."""
        self._require_writable_subject()
        key = self.key()
        code = self.account.registration_code
        return verification_certificate.sign(key, self.authority, code, utc.now())

    def require_match(self, public_key: PublicKeyTypes | None) -> None:
        """Raise Failure if a public key is not that of the CA's certificate."""
        if public_key != self.authority.public_key():
            raise Failure(
                f"{self.location} is not the key of this CA's certificate; name the CA's own"
            )

    def _require_writable_subject(self) -> None:
        """Raise Failure for a CA that no verification certificate can name as its issuer."""
        if not fields.can_write_subject(self.authority):
            raise Failure(
                "the CA's subject is not encoded as X.509 asks, so the program can't sign a proof: "
                "have the CA's owner sign the request that `iot_ca csr` makes, and set "
                "verification.certificate_pem"
            )

    def load(self, data: bytes) -> Key:
        """Return the CA's private key from PEM or DER; raises Failure, without quoting it."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import (
            load_der_private_key,
            load_pem_private_key,
        )

        load = load_pem_private_key if b"-----BEGIN " in data else load_der_private_key
        passphrase = _passphrase(self.verification.ca_private_key_passphrase_env)
        try:
            key = _load_with(load, data, passphrase)
        except TypeError:
            raise Failure(
                f"{self.location} is encrypted; set verification.ca_private_key_passphrase_env to "
                "the name of an environment variable that holds its passphrase"
            ) from None
        except UnsupportedAlgorithm:
            raise Failure(
                f"{self.location} holds a private key of a kind that is not supported"
            ) from None
        except ValueError:
            wrong = "" if passphrase is None else ", or its passphrase is another one"
            raise Failure(f"{self.location} holds no PEM or PKCS#8 private key{wrong}") from None
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
            raise Failure(f"{self.location} holds neither an RSA nor an EC key; name the CA's own")
        self.require_match(key.public_key())
        return key


def _passphrase(variable: str | None) -> bytes | None:
    """Return the value of an environment variable, as the bytes that the environment holds."""
    if variable is None:
        return None
    passphrase = os.fsencode(os.environ.get(variable, ""))
    if not passphrase:
        raise Failure(
            # The name is not quoted: it could be the passphrase itself.
            "verification.ca_private_key_passphrase_env names an environment variable that is "
            "not set, or empty, where Terraform runs; set it there"
        )
    return passphrase


def _load_with(load: Callable[..., Any], data: bytes, passphrase: bytes | None) -> Any:
    try:
        return load(data, password=passphrase)
    except TypeError:
        if passphrase is None:
            raise
        # The key is not encrypted: a passphrase too many does no harm.
        return load(data, password=None)
