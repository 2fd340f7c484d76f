"""The proof of ownership of one CA, as one run needs it."""

from __future__ import annotations

from collections.abc import Callable

from iot_ca.reconcile.interfaces import OwnershipClaim


class Ownership:
    """The claim to one CA in one run: made once, and proved once, since issuers charge for each.

    Claim and proof are made when they are first needed; a failure is not remembered.
    """

    def __init__(self, make_claim: Callable[[], OwnershipClaim]) -> None:
        self._make_claim = make_claim
        self._claim: OwnershipClaim | None = None
        self._proof: str | None = None

    def claim(self) -> OwnershipClaim:
        """Return the claim; raise Failure if AWS IoT would not register the certificate."""
        self._claim = self._claim or self._make_claim()
        return self._claim

    def prove(self) -> str:
        """Return the verification certificate as PEM; raise Failure if there is none."""
        self._proof = self._proof or self.claim().issue()
        return self._proof
