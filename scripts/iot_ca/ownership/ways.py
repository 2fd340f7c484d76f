"""The ways to prove ownership of a CA. `iot_ca.ownership.claim` chooses one."""

from __future__ import annotations

from iot_ca.ownership.handed_over import HandedOver
from iot_ca.ownership.key_file import KeyFile
from iot_ca.ownership.kms import KmsKey
from iot_ca.ownership.private_ca import PrivateCa
from iot_ca.ownership.proof import Proof
from iot_ca.ownership.secret import Secret

WAYS: tuple[type[Proof], ...] = (
    HandedOver,
    KeyFile,
    Secret,
    KmsKey,
    PrivateCa,
)
