"""CAs that are registered in an account and that the files do not name. Read-only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from iot_ca.certificates import pem
from iot_ca.errors import Failure
from iot_ca.provisioning.facts import DeviceCertificates, Unreadable
from iot_ca.provisioning.observe.cas import count_devices
from iot_ca.provisioning.observe.reading import Reader

_MARKER = ("marker", "nextMarker")
_PAGE_SIZE = 250


@dataclass(frozen=True)
class UnlistedCa:
    """A registered CA that the files do not name.

    Attributes:
        certificate_id, status: as ListCACertificates answers them.
        subject, mode, not_after: of its certificate and registration; None if not readable.
        devices: the certificates of its devices that are registered.
        unreadable: why the rest could not be read; None if it could.
    """

    certificate_id: str
    status: str
    subject: str | None = None
    mode: str | None = None
    not_after: datetime | None = None
    devices: DeviceCertificates | Unreadable | None = None
    unreadable: str | None = None


def observe_unlisted(
    reader: Reader, listed: Collection[str]
) -> tuple[UnlistedCa, ...] | Unreadable:
    """Return the registered CAs except those with the certificate IDs `listed`."""
    items = reader.read_pages(
        "iot", "list_ca_certificates", "certificates", _MARKER, pageSize=_PAGE_SIZE
    )
    if isinstance(items, Unreadable):
        return items
    unlisted = [item for item in items or () if item["certificateId"] not in listed]
    cas = reader.each(partial(_unlisted_ca, reader), unlisted)
    return tuple(ca for ca in cas if ca is not None)


def _unlisted_ca(reader: Reader, item: Any) -> UnlistedCa | None:
    """Return one CA; None if it was deleted meanwhile."""
    ca_id = item["certificateId"]
    answer = reader.read("iot", "describe_ca_certificate", certificateId=ca_id)
    if answer is None:
        return None
    devices = count_devices(reader, ca_id)
    if isinstance(answer, Unreadable):
        return UnlistedCa(ca_id, item["status"], devices=devices, unreadable=answer.reason)
    description = answer["certificateDescription"]
    subject, not_after = _certificate(description)
    return UnlistedCa(
        ca_id,
        description["status"],
        subject,
        # Registrations older than the modes carry none and behave as in DEFAULT mode.
        description.get("certificateMode") or "DEFAULT",
        not_after,
        devices,
    )


def _certificate(description: Any) -> tuple[str | None, datetime | None]:
    """Return subject and end of validity; None for what this program can't read."""
    try:
        parsed = pem.parse(pem.read(description["certificatePem"]))
        not_after = pem.validity(parsed)[1]
    except Failure:
        return None, None
    try:
        return parsed.subject.rfc4514_string(), not_after
    except (ValueError, TypeError, KeyError):  # a name that cryptography refuses
        return None, not_after
