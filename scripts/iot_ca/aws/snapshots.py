"""Where a mode change saves what a CA was: in the attributes of a thing group.

A thing group outlives the CA, has a name that is known beforehand, holds all of a snapshot, and is
created and read by one call each.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from iot_ca.aws.session import Account
from iot_ca.errors import Denied, Failure
from iot_ca.model import Snapshot

# A thing group's attributes: how many, and the characters of each (quotas of AWS IoT).
_MAX_ATTRIBUTES = 50
_MAX_ATTRIBUTE_LENGTH = 800
_PARALLEL_CALLS = 10


class Snapshots:
    """The snapshots of unfinished mode changes in one account and Region.

    Methods raise Failure only.
    """

    def __init__(self, account: Account) -> None:
        self.account = account

    @property
    def _iot(self) -> Any:
        return self.account.client("iot")

    def load(self, certificate_id: str) -> Snapshot | None:
        """DescribeThingGroup: return what an unfinished mode change of the CA has saved, if any."""
        name = _group_name(certificate_id)
        with self.account.failures():
            try:
                group = self._iot.describe_thing_group(thingGroupName=name)
            except self._iot.exceptions.ResourceNotFoundException:
                return None
        payload = group.get("thingGroupProperties", {}).get("attributePayload", {})
        try:
            return _from_attributes(payload.get("attributes", {}))
        except (ValueError, TypeError, zlib.error):
            raise Failure(
                f"the thing group {name}, in which a change of this CA's mode has saved what it "
                "was, has been altered; delete it, and check the tags of the CA afterwards"
            ) from None

    def save(self, certificate_id: str, snapshot: Snapshot) -> None:
        """CreateThingGroup; replace an existing group that holds anything else."""
        name = _group_name(certificate_id)
        request = {
            "thingGroupName": name,
            "thingGroupProperties": {
                "thingGroupDescription": "What a CA certificate was before a change of its mode. "
                "The next run of terraform-aws-iot-ca removes it.",
                "attributePayload": {"attributes": _to_attributes(snapshot)},
            },
        }
        with self.account.failures():
            try:
                self._iot.create_thing_group(**request)
                return
            except self._iot.exceptions.ResourceAlreadyExistsException:
                pass
        # What can't be read may be replaced: the CA is still registered, so nothing is lost.
        with suppress(Failure):
            if self.load(certificate_id) == snapshot:
                return
        with self.account.failures():
            self._iot.delete_thing_group(thingGroupName=name)
            self._iot.create_thing_group(**request)

    def delete(self, certificate_id: str) -> None:
        """DeleteThingGroup; do nothing if there is no snapshot."""
        with self.account.failures():
            try:
                self._iot.delete_thing_group(thingGroupName=_group_name(certificate_id))
            except self._iot.exceptions.ResourceNotFoundException:
                return


def load_all(account: Account, certificate_ids: Iterable[str]) -> dict[str, Snapshot | Failure]:
    """Return the snapshots that these CAs have, by certificate ID, or why one can't be read.

    One that the credentials may not read is left out: a plan needs it for a hint alone.
    """
    from concurrent.futures import ThreadPoolExecutor

    ids = sorted(set(certificate_ids))
    if not ids:
        return {}
    snapshots = Snapshots(account)
    _ = account.client("iot")  # here, so that missing credentials are one failure, not many

    def load(certificate_id: str) -> Snapshot | Failure | None:
        try:
            return snapshots.load(certificate_id)
        except Denied:
            return None
        except Failure as failure:
            return failure

    with ThreadPoolExecutor(min(_PARALLEL_CALLS, len(ids))) as pool:
        loaded = zip(ids, pool.map(load, ids), strict=True)
        return {key: snapshot for key, snapshot in loaded if snapshot is not None}


def _group_name(certificate_id: str) -> str:
    return f"iot-ca-mode-change-{certificate_id}"


def _to_attributes(snapshot: Snapshot) -> dict[str, str]:
    """Return a snapshot as attributes of a thing group, which take letters, digits and `_.,@/:#-`.

    Raises Failure for one that is too large, which takes dozens of tags of the greatest length.
    """
    text = json.dumps(asdict(snapshot), sort_keys=True)
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode())).decode().rstrip("=")
    starts = range(0, len(packed), _MAX_ATTRIBUTE_LENGTH)
    if len(starts) > _MAX_ATTRIBUTES:
        raise Failure(
            "its tags and template body are more than can be kept while the mode is changed; "
            "shorten its tags"
        )
    return {f"{start:05}": packed[start : start + _MAX_ATTRIBUTE_LENGTH] for start in starts}


def _from_attributes(attributes: Mapping[str, str]) -> Snapshot:
    packed = "".join(attributes[name] for name in sorted(attributes))
    text = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return Snapshot(**json.loads(text))
