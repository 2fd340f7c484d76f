"""What the reconciliation needs of AWS, and of the proof of ownership.

These are protocols, so that nothing in this package imports an SDK, or a module that does.
"""

from __future__ import annotations

from typing import Protocol

from iot_ca.model import ObservedCa, Snapshot
from iot_ca.reconcile.steps import Register, Update


class CaCertificateApi(Protocol):
    """The CA certificates of one account and Region. Methods raise Failure only."""

    def observe_one(self, certificate_id: str) -> ObservedCa | None:
        """Return a CA; None if it is not registered."""

    def register(self, registration: Register) -> bool:
        """Register a CA; return False if it is registered already."""

    def update(self, certificate_id: str, update: Update) -> None:
        """Change settings."""

    def tag(self, certificate_id: str, tags: dict[str, str]) -> None:
        """Write tags."""

    def untag(self, certificate_id: str, keys: tuple[str, ...]) -> None:
        """Remove tags."""

    def delete(self, certificate_id: str) -> None:
        """Delete an INACTIVE CA, if it is registered."""

    def probe_register(self, registration: Register) -> None:
        """Raise Failure if AWS IoT would refuse to register a CA that is registered now."""

    def probe_delete(self, certificate_id: str) -> None:
        """Raise Failure if AWS IoT would refuse to delete a CA that is ACTIVE now."""

    def count_device_certificates(self, certificate_id: str) -> tuple[int, bool]:
        """Return how many device certificates a CA has at least, and whether it has more."""


class SnapshotStore(Protocol):
    """The snapshots of unfinished mode changes. Methods raise Failure only."""

    def load(self, certificate_id: str) -> Snapshot | None:
        """Return the snapshot of a CA; None if there is none."""

    def save(self, certificate_id: str, snapshot: Snapshot) -> None:
        """Save the snapshot of a CA, in place of an earlier one."""

    def delete(self, certificate_id: str) -> None:
        """Delete the snapshot of a CA, if there is one."""


class OwnershipClaim(Protocol):
    """The claim to own a CA, as `verification` of the configuration supports it."""

    def check(self) -> list[str]:
        """Return warnings; raise Failure if ownership can't be proved. Issues nothing."""

    def issue(self) -> str:
        """Return a verification certificate as PEM."""
