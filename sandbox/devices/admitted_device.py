"""A device that was let in: what its policies allow, and whether its certificate still counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from sandbox.iot.backend import backend_of
from sandbox.iot.device_permissions import permissions_of


@dataclass(frozen=True)
class AdmittedDevice:
    """A device and the account that let it in. Callers of its methods hold the lock.

    certificate: moto's. subject: what the subject of the certificate says, by AWS's names.
    """

    account: str
    region: str
    certificate: Any
    subject: Mapping[str, str]

    def allows(self, client_id: str, action: str, kind: str, name: str) -> bool:
        """Return whether the device's policies allow ``action`` on a client, topic or filter."""
        backend = backend_of(self.account, self.region)
        permissions = permissions_of(backend, self.certificate.arn, client_id, self.subject)
        return permissions.allow(action, backend.arn_of(kind, name))

    def status(self, now: datetime) -> str:
        """Return the status of the certificate, or why it doesn't count any more."""
        backend = backend_of(self.account, self.region)
        held = backend.certificates.get(self.certificate.certificate_id)
        if held is None:
            return "deleted"
        certificate = x509.load_pem_x509_certificate(held.certificate_pem.encode())
        return str(held.status) if now <= certificate.not_valid_after_utc else "expired"
