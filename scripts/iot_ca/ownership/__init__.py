"""Proof of ownership: registering a CA in DEFAULT mode needs a verification certificate.

A new way to prove ownership is a subclass of `proof.Proof` in a file of its own, a line in `_WAYS`,
and the attribute that chooses it in `model.Verification` and in the modules' variables. Private
keys stay in the memory of this process, and out of messages and reprs.
"""

from __future__ import annotations

from iot_ca import utc
from iot_ca.aws.session import Account
from iot_ca.certificates import pem, validation
from iot_ca.certificates.pem import Certificate
from iot_ca.model import DesiredCa
from iot_ca.ownership.handed_over import HandedOver
from iot_ca.ownership.key_file import KeyFile
from iot_ca.ownership.kms import KmsKey
from iot_ca.ownership.missing import Missing
from iot_ca.ownership.private_ca import PrivateCa
from iot_ca.ownership.proof import Claim, Proof
from iot_ca.ownership.secret import Secret

__all__ = ["Claim", "claim"]

_WAYS: tuple[type[Proof], ...] = (
    HandedOver,
    KeyFile,
    Secret,
    KmsKey,
    PrivateCa,
)


def claim(desired: DesiredCa, certificate: Certificate, account: Account) -> Claim:
    """Return the claim to own a CA, to be proved as its `verification` says.

    Raises Failure for a certificate that AWS IoT would not register in any mode.
    """
    authority = pem.parse(certificate)
    validation.check(authority, utc.now())
    verification = desired.verification
    if verification is None:
        return Missing(account, [way.attribute for way in _WAYS if way is not HandedOver])
    way = next(way for way in _WAYS if getattr(verification, way.attribute) is not None)
    return way(verification, authority, account)
