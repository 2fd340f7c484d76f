"""A device that was let in: what its policies allow, and whether its certificate still counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from sandbox.devices import policies
from sandbox.devices.provisioning import find_thing
from sandbox.iot.backend import backend_of


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
        """Return whether the device's policies allow ``action`` on a client, topic or filter.

        They are attached to its certificate, or to a group of the thing whose name is its client
        ID.
        """
        backend = backend_of(self.account, self.region)
        thing = find_thing(backend, client_id)
        if thing is not None and (self.certificate.arn, client_id) not in backend.principal_things:
            thing = None
        targets = {self.certificate.arn}
        if thing is not None:
            targets |= {g.arn for g in backend.thing_groups.values() if thing.arn in g.things}
        documents = [
            policy.document if isinstance(policy.document, str) else json.dumps(policy.document)
            for (target, _), (_, policy) in backend.principal_policies.items()
            if target in targets
        ]
        variables = policies.variables_of(
            client_id,
            self.subject,
            None if thing is None else client_id,
            None if thing is None else thing.attributes,
            thing.thing_type.thing_type_name if thing is not None and thing.thing_type else None,
        )
        return policies.allows(documents, action, backend.arn_of(kind, name), variables)

    def status(self, now: datetime) -> str:
        """Return the status of the certificate, or why it doesn't count any more."""
        backend = backend_of(self.account, self.region)
        held = backend.certificates.get(self.certificate.certificate_id)
        if held is None:
            return "deleted"
        certificate = x509.load_pem_x509_certificate(held.certificate_pem.encode())
        return str(held.status) if now <= certificate.not_valid_after_utc else "expired"
