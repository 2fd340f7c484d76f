"""Proof of ownership: registering a CA in DEFAULT mode needs a verification certificate.

A new way to prove ownership is a subclass of `proof.Proof` in a file of its own, a line in
`ways.WAYS`, and the attribute that chooses it, in `model.Verification` and in the modules'
variables. Private keys stay in the memory of this process, and out of messages and reprs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from iot_ca import utc
from iot_ca.aws.session import Account
from iot_ca.certificates import pem, validation
from iot_ca.certificates.pem import Certificate
from iot_ca.model import DesiredCa

if TYPE_CHECKING:
    from iot_ca.ownership.proof import Claim


def claim(desired: DesiredCa, certificate: Certificate, account: Account) -> Claim:
    """Return the claim to own a CA, to be proved as its `verification` says.

    Raises Failure for a certificate that AWS IoT would not register in any mode.
    """
    # Imported here, since a plan of registered CAs makes no claim.
    from iot_ca.ownership.missing import Missing
    from iot_ca.ownership.ways import WAYS

    authority = pem.parse(certificate)
    validation.check(authority, utc.now())
    verification = desired.verification
    if verification is None:
        attributes = [way.attribute for way in WAYS]
        return Missing(account, [name for name in attributes if name != "certificate_pem"])
    way = next(way for way in WAYS if getattr(verification, way.attribute) is not None)
    return way(verification, authority, account)
