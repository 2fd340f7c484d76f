"""The policies that count for one device, and what their variables stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.iot import policy_evaluation
from sandbox.iot.backend import IoTBackend


@dataclass(frozen=True)
class DevicePermissions:
    """Documents of policies by name, and the values of policy variables in one connection."""

    documents: Mapping[str, str]
    variables: Mapping[str, str]

    def allow(self, action: str, resource: str) -> bool:
        """Return whether the policies together allow ``action`` on the ARN ``resource``."""
        documents = self.documents.values()
        return policy_evaluation.allows(documents, action, resource, self.variables)


def find_thing(backend: IoTBackend, name: str) -> Any | None:
    """Return moto's thing of this name; None without one."""
    return next((t for t in backend.things.values() if t.thing_name == name), None)


def permissions_of(
    backend: IoTBackend, certificate_arn: str, client_id: str, subject: Mapping[str, str]
) -> DevicePermissions:
    """Return the policies of a device that connects with ``client_id``.

    They are attached to its certificate, or to a group of the thing whose name is its client ID and
    that its certificate is attached to.
    """
    thing = find_thing(backend, client_id)
    if thing is not None and (certificate_arn, client_id) not in backend.principal_things:
        thing = None
    targets = {certificate_arn}
    if thing is not None:
        targets |= {g.arn for g in backend.thing_groups.values() if thing.arn in g.things}
    documents = {
        name: policy.document if isinstance(policy.document, str) else json.dumps(policy.document)
        for (target, name), (_, policy) in backend.principal_policies.items()
        if target in targets
    }
    variables = policy_evaluation.variables_of(
        client_id,
        subject,
        None if thing is None else client_id,
        None if thing is None else thing.attributes,
        thing.thing_type.thing_type_name if thing is not None and thing.thing_type else None,
    )
    return DevicePermissions(documents, variables)
