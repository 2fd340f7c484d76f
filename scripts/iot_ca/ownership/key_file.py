"""`ca_private_key_file`: the CA's private key is in a file on the machine that runs Terraform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca.errors import Failure
from iot_ca.ownership.private_key import PrivateKey

if TYPE_CHECKING:
    from iot_ca.ownership.verification_certificate import Key

# No key is longer; what has no end, such as /dev/zero, must not be read to it.
_MAX_BYTES = 1 << 20


class KeyFile(PrivateKey):
    """Signs with the key in a file, which is PEM or DER and may be encrypted."""

    attribute = "ca_private_key_file"
    noun = "a path"

    def key(self) -> Key:
        """Return the key in the file; raises Failure if it can't be read or is not the CA's."""
        location = self.location
        try:
            with Path(self.value).expanduser().open("rb") as file:
                data = file.read(_MAX_BYTES)
        except OSError as error:
            raise Failure(f"{location} can't be read: {error.strerror}") from None
        except (RuntimeError, ValueError):
            raise Failure(f"{location} can't be read: no such path") from None
        return self.load(data)
