"""The device's certificate as the account has registered it. Pure.

Sources: AWS IoT API reference, "UpdateCertificate" (statuses), "DeleteCertificate" and
"CancelCertificateTransfer"; developer guide, "Reserved topics": the registration event is published
again whenever a client presents a certificate that is PENDING_ACTIVATION.
"""

from __future__ import annotations

from iot_ca.diagnosis.facts import Device, Observation, RegisteredCa, RegisteredDevice
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Unreadable
from iot_ca.provisioning.remedies import aws_command, in_order

_NAME = "registration"


def is_active(seen: Observation) -> bool:
    """Return whether the device's certificate is registered and ACTIVE."""
    return isinstance(seen.registered, RegisteredDevice) and seen.registered.status == "ACTIVE"


def is_pending(seen: Observation) -> bool:
    """Return whether the certificate is registered and waits for its activation."""
    return (
        isinstance(seen.registered, RegisteredDevice)
        and seen.registered.status == "PENDING_ACTIVATION"
    )


def is_provisioned_again(seen: Observation, signer: RegisteredCa | None) -> bool:
    """Return whether the certificate's next connection publishes its registration event."""
    registered = seen.registered
    if not isinstance(registered, RegisteredDevice) or not is_pending(seen) or signer is None:
        return False
    return registered.ca_id == signer.certificate_id and not signer.registration_config


def check(device: Device, seen: Observation, signer: RegisteredCa | None) -> Check:
    """Say whether the certificate is registered, and with which status."""
    registered = seen.registered
    if isinstance(registered, Unreadable):
        return Check(_NAME, None, registered.reason)
    if registered is None:
        return Check(_NAME, True, "the device's certificate is not registered yet: it is new here")
    certificate_id = device.certificate.certificate_id
    update = _command(seen, "update-certificate", certificate_id, "--new-status", "ACTIVE")
    delete = _command(seen, "delete-certificate", certificate_id)
    match registered.status:
        case "ACTIVE":
            return Check(_NAME, True, _active(registered, signer))
        case "PENDING_ACTIVATION":
            return _pending(seen, registered, signer, delete)
        case "PENDING_TRANSFER":
            cancel = _command(seen, "cancel-certificate-transfer", certificate_id)
            finding = "the device's certificate is PENDING_TRANSFER to another account"
            return Check(_NAME, False, finding, in_order(cancel, update))
        case "REVOKED":
            finding = (
                "the device's certificate is REVOKED; find out why before it is activated again"
            )
            return Check(_NAME, False, finding, update)
    finding = f"the device's certificate is {registered.status}"
    return Check(_NAME, False, finding, update)


def _active(registered: RegisteredDevice, signer: RegisteredCa | None) -> str:
    finding = f"the device's certificate is registered and ACTIVE, in {registered.mode} mode"
    if registered.ca_id is None:
        return f"{finding}, without a CA"
    if signer is not None and registered.ca_id != signer.certificate_id:
        return f"{finding}, for another CA ({registered.ca_id})"
    return finding


def _pending(
    seen: Observation, registered: RegisteredDevice, signer: RegisteredCa | None, delete: str
) -> Check:
    if is_provisioned_again(seen, signer):
        return Check(
            _NAME,
            True,
            "the device's certificate is PENDING_ACTIVATION: its registration event is published "
            "again when the device connects",
        )
    if signer is not None and signer.registration_config:
        why = (
            "it was registered, but not provisioned, and AWS's documents do not say that AWS IoT "
            "executes a template again for it"
        )
    elif registered.ca_id is None:
        why = "it was registered without a CA, so no registration event is published"
    else:
        why = f"it was registered for another CA ({registered.ca_id})"
    finding = f"the device's certificate is PENDING_ACTIVATION: {why}"
    return Check(_NAME, False, finding, delete)


def _command(seen: Observation, operation: str, certificate_id: str, *arguments: str) -> str:
    return aws_command(
        seen.target, "iot", operation, "--certificate-id", certificate_id, *arguments
    )
