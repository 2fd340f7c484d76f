"""No `verification`: how to prove ownership of a CA is what the failure says."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.model import Target
from iot_ca.ownership.proof import Claim


@dataclass(frozen=True)
class Missing(Claim):
    """A claim without a proof. SNI_ONLY mode needs none.

    Attributes:
        account: the account and Region that the CA is registered in.
        key_attributes: the attributes of `verification` that say where the CA's key is.
    """

    account: Account
    key_attributes: Sequence[str]

    def check(self) -> list[str]:
        """Raise Failure with the ways to prove ownership."""
        self._fail()

    def issue(self) -> str:
        """Raise Failure with the ways to prove ownership."""
        self._fail()

    def _fail(self) -> NoReturn:
        *names, last = self.key_attributes
        raise Failure(
            "DEFAULT mode needs a proof of ownership: set verification to where the CA's key is "
            f"({', '.join(names)} or {last}), or have the CA's owner sign the request that "
            f"`{_csr_command(self.account.target)}` makes"
        )


def _csr_command(target: Target) -> str:
    """Return the command that makes the request, with the credentials of the target."""
    options = {
        "account-id": target.account_id,
        "region": target.region,
        "profile": target.credentials.profile,
        "role-arn": target.credentials.role_arn,
        "external-id": target.credentials.external_id,
    }
    words = ["python3", _program(), "csr"]
    for name, value in options.items():
        words += [f"--{name}", value] if value else []
    return shlex.join(words)


def _program() -> str:
    """Return the path of the program, relative to the working directory if that is shorter."""
    folder = Path(__file__).resolve().parents[1]
    return min(os.path.relpath(folder), str(folder), key=len)
