"""An attribute of a CA is read, compared, repaired and remembered: none is forgotten on the way.

Each test goes through the fields of the model, so that a new one fails it until it has its place.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.certificates.pem import Certificate
from iot_ca.model import DesiredCa, ObservedCa, Snapshot, Verification
from iot_ca.ownership.ways import WAYS
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import NOT_IN_DIGEST, encode, is_drift, new_revision
from iot_ca.reconcile.steps import snapshot_of
from tests.support.program.aws_calls import registration
from tests.support.program.reconciliation import reconciled

BEFORE = DesiredCa("PEM")
# Each attribute that AWS IoT has, with another value than in BEFORE.
OTHER: dict[str, Any] = {
    "certificate_mode": "DEFAULT",
    "status": "INACTIVE",
    "auto_registration": True,
    "template_name": "template",
    "tags": {"a": "1"},
}
# Of ObservedCa alone: what a snapshot need not save, for registering the CA again restores it.
NOT_SAVED = {"validity", "tags_are_known"}


def names(kind: type[Any]) -> set[str]:
    """Return the names of a dataclass's fields."""
    return {field.name for field in fields(kind)}


def test_an_attribute_is_either_in_aws_or_says_how_to_reconcile() -> None:
    assert names(DesiredCa) == NOT_IN_DIGEST | set(OTHER)
    assert not NOT_IN_DIGEST & set(OTHER)


@pytest.mark.parametrize("name", OTHER)
def test_a_changed_attribute_is_compared_repaired_and_no_drift(name: str) -> None:
    after, _ = reconciled(BEFORE, None, encode(new_revision(BEFORE, None, "00000000")))
    desired = replace(BEFORE, **{name: OTHER[name]})
    assert differences(desired, after)
    # By the digest, which must be another one.
    assert not is_drift(desired, after)
    again, _ = reconciled(desired, after, encode(new_revision(desired, after, "00000001")))
    assert differences(desired, again) == []


def test_every_attribute_of_a_registered_ca_is_read(
    ca_certificates: CaCertificates, certificate: Certificate
) -> None:
    ca_certificates.register(registration(certificate))
    observed = ca_certificates.observe_one(certificate.certificate_id)
    assert observed is not None
    unread = set()
    for field in fields(ObservedCa):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default == getattr(observed, field.name):
            unread.add(field.name)
    assert unread == {"tags_are_known"}


def test_every_attribute_of_a_registered_ca_is_in_its_snapshot() -> None:
    assert names(ObservedCa) - NOT_SAVED == names(Snapshot)
    after, _ = reconciled(replace(BEFORE, **OTHER), None, "register 1")
    snapshot = snapshot_of(after, None)
    for name in names(Snapshot):
        assert getattr(snapshot, name) == getattr(after, name), name


def test_every_attribute_of_verification_has_one_way() -> None:
    # The passphrase belongs to the key in a file or a secret.
    attributes = sorted(names(Verification) - {"ca_private_key_passphrase_env"})
    assert sorted(way.attribute for way in WAYS) == attributes
