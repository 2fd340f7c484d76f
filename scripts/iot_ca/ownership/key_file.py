"""`ca_private_key_file`: the CA's private key is in a file on the machine that runs Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca.errors import Failure
from iot_ca.ownership.private_key import PrivateKey

if TYPE_CHECKING:
    from iot_ca.ownership.verification_certificate import Key


class KeyFile(PrivateKey):
    """Signs with the key in a file, which is PEM or DER and may be encrypted."""

    attribute = "ca_private_key_file"

    def key(self) -> Key:
        """Return the key in the file; raises Failure if it can't be read or is not the CA's."""
        location = self.location
        try:
            data = Path(self.value).expanduser().read_bytes()
        except OSError as error:
            raise Failure(f"{location} can't be read: {error.strerror}") from None
        except (RuntimeError, ValueError):
            raise Failure(f"{location} can't be read: no such path") from None
        return self.load(data)
