"""`ca_private_key_secret_arn`: the CA's private key is a secret in AWS Secrets Manager."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from iot_ca.errors import Denied
from iot_ca.ownership.private_key import PrivateKey

if TYPE_CHECKING:
    from iot_ca.ownership.verification_certificate import Key

# A PEM block on one line. Blocks of another label, such as the parameters of a curve, can precede
# the key's.
_ONE_LINE_BLOCK = re.compile(r" *-----BEGIN ([A-Z0-9 ]+)----- *(.*?) *-----END \1-----")


class Secret(PrivateKey):
    """Signs with the key in a secret, which may be in another account and Region than the CA."""

    attribute = "ca_private_key_secret_arn"
    noun = "the ARN of a secret"

    def check(self) -> list[str]:
        """Check that the key is the CA's if the caller may read the secret, else return a warning.

        Permission to plan should not require permission to read a CA's private key.
        """
        try:
            return super().check()
        except Denied as denied:
            return [f"whether the secret holds this CA's key is not checked before apply: {denied}"]

    def key(self) -> Key:
        """Return the key in the secret; raises Failure if it can't be read or is not the CA's."""
        _ = self.location  # Raises Failure for a key in place of the ARN, which is not sent then.
        return self.load(self._read())

    def _read(self) -> bytes:
        with self.account.failures("secretsmanager"):
            client = self.account.client("secretsmanager", self.region)
            answer = client.get_secret_value(SecretId=self.value)
        if "SecretString" not in answer:
            return bytes(answer.get("SecretBinary", b""))
        return _key_text(str(answer["SecretString"])).encode()


def _key_text(secret: str) -> str:
    """Return the only value of a JSON object that holds a private key, or else the whole secret."""
    try:
        document = json.loads(secret)
    except ValueError:
        return secret
    values = document.values() if isinstance(document, dict) else ()
    keys = [value for value in values if isinstance(value, str) and "PRIVATE KEY-----" in value]
    return _with_line_ends(keys[0]) if len(keys) == 1 else secret


def _with_line_ends(pem: str) -> str:
    """Return PEM text with line ends around its body.

    The key/value form of AWS's console replaces line ends by spaces, or drops them.
    """
    if "\n" in pem.strip():
        return pem
    return _ONE_LINE_BLOCK.sub(r"\n-----BEGIN \1-----\n\2\n-----END \1-----\n", pem)
