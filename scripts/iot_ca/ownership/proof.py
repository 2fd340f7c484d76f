"""The interface of all ways to prove ownership of a CA, and what those ways have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.model import Verification

if TYPE_CHECKING:
    from cryptography import x509

# PEM, base64 of PEM, or what remains of PEM without its first and last line: base64 or hexadecimal
# of DER, also with spaces or line ends in it. DER of a key begins with a SEQUENCE of 32 bytes or
# more, and so its base64 with MC to MI: a path may begin with any other M.
_LIKE_A_KEY = re.compile(
    r"-----|\A\s*(?:M[C-I]|LS0t)[0-9A-Za-z+/=\s]{60,}\Z|\A[0-9A-Fa-f:\s]{100,}\Z"
)
# What no path, ARN or key ID has; a key in JSON has quotation marks.
_UNLIKE_A_LOCATION = re.compile(r'[\x00-\x1f\x7f"]')
_MAX_LENGTH = 1024


class Claim(ABC):
    """The claim to own a CA in one account and Region, and how it is proved to AWS IoT."""

    @abstractmethod
    def check(self) -> list[str]:
        """Check that the proof, or the means to make one, belong to the CA.

        Returns what could not be checked, as warnings. Nothing is signed or issued: a plan calls
        this. Raises Failure for what cannot work.
        """

    @abstractmethod
    def issue(self) -> str:
        """Return a verification certificate for the CA as PEM.

        Raises Failure if there is none, or if it does not belong to the CA, or to the registration
        code of the account and Region.
        """


# No repr: what stands in `verification` can be a private key that was pasted there by mistake.
@dataclass(frozen=True, repr=False)
class Proof(Claim):
    """One way to prove ownership; a subclass is chosen by its attribute of `verification`.

    Attributes:
        attribute: the attribute of `verification` that chooses this way.
        noun: what its value is, with an article.
        verification: how the user wants ownership to be proved.
        authority: the CA's certificate.
        account: the account and Region that the CA is registered in, and its clients.
    """

    attribute: ClassVar[str]
    noun: ClassVar[str]

    verification: Verification
    authority: x509.Certificate
    account: Account

    @property
    def value(self) -> str:
        """The value of the attribute, such as a path or an ARN."""
        return str(getattr(self.verification, self.attribute))

    @property
    def location(self) -> str:
        """The attribute and its value for messages.

        Raises Failure, without quoting the value, if it is a key itself, or not what it should be.
        """
        if _LIKE_A_KEY.search(self.value):
            raise Failure(
                f"verification.{self.attribute} holds a key instead of the place where it is; "
                "treat the key as exposed if this configuration was planned, stored or logged"
            )
        reason = None
        if len(self.value) > _MAX_LENGTH:
            reason = f"{len(self.value)} characters"
        elif _UNLIKE_A_LOCATION.search(self.value):
            reason = "a line break, a quotation mark or a control character"
        if reason is not None:
            raise Failure(
                f"verification.{self.attribute} is not {self.noun}: it has {reason}; set it to "
                f"{self.noun}"
            )
        return f"verification.{self.attribute} {self.value}"

    @property
    def region(self) -> str | None:
        """The Region in the value if it is an ARN, else None: the Region of the CA."""
        parts = self.value.split(":")
        return parts[3] if len(parts) > 5 and parts[0] == "arn" else None
