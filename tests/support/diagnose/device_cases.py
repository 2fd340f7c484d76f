"""The device's certificate, and how it is registered."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import DAY, NOW
from tests.support.diagnose.refusal import (
    Act,
    Refusal,
    after_jitp,
    good_certificate,
)
from tests.support.diagnose.scene import Scene
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import THREE

DEVICE = {
    "expired": Refusal(
        after_jitp(start=NOW - 9 * DAY, end=NOW - DAY),
        "validity", "expired at", "issued again", good_certificate,
    ),
    "not yet valid": Refusal(
        after_jitp(start=NOW + DAY, end=NOW + 9 * DAY),
        "validity", "is not valid before", "issued again", good_certificate,
    ),
    "curve": Refusal(
        after_jitp(key=ec.generate_private_key(ec.SECP256K1())),
        "key and signature", "curve is secp256k1", "issued again", good_certificate,
    ),
    "signature": Refusal(
        after_jitp(digest=hashes.SHA224()),
        "key and signature", "uses SHA224", "issued again", good_certificate,
    ),
    "certificate of a CA": Refusal(
        after_jitp(is_ca=True),
        "client certificate", "CA:TRUE", "without CA:TRUE", good_certificate,
    ),
}  # fmt: skip


def known(status: str) -> Act:
    """A device that was let in, and whose certificate has another status since."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        assert scene.visit().accepted, scene.why()
        scene.iot.update_certificate(certificateId=scene.device_id, newStatus=status)

    return arrange


def in_transfer(scene: Scene) -> None:
    scene.jitp()
    scene.create_policy()
    pem = Path(scene.device.certificate).read_text(encoding="ascii")
    scene.iot.register_certificate(
        certificatePem=pem, caCertificatePem=scene.ca.pem, status="INACTIVE"
    )
    scene.iot.transfer_certificate(certificateId=scene.device_id, targetAwsAccount=THREE)


def waiting_without_provisioning(scene: Scene) -> None:
    """It came before the CA had a template."""
    fleet.register(scene.aws, scene.ca, scene.account)
    assert not scene.visit().accepted
    config = fleet.jitp(scene.aws, scene.account)
    scene.iot.update_ca_certificate(certificateId=scene.ca.id, registrationConfig=config)


REGISTRATION = {
    "certificate inactive": Refusal(
        known("INACTIVE"), "registration", "is INACTIVE", "--new-status ACTIVE", while_new=False,
    ),
    "certificate revoked": Refusal(
        known("REVOKED"), "registration", "is REVOKED", "--new-status ACTIVE", while_new=False,
    ),
    "certificate in transfer": Refusal(
        in_transfer, "registration", "PENDING_TRANSFER", "cancel-certificate-transfer",
        then=("permission to connect", "permission to connect"), while_new=False,
    ),
    "certificate waits, for it came before its template": Refusal(
        waiting_without_provisioning, "registration", "PENDING_ACTIVATION", "delete-certificate",
        while_new=False,
    ),
}  # fmt: skip
