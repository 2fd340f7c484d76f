"""From a device certificate that waits for activation to a device that may connect.

Activation comes last: whatever goes wrong before it, and however often a run is repeated or meets
another one, no device connects without its thing and its policy, and the next run completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .event import NotProvisionable
from .hook import Answer
from .settings import Settings
from .subject import Subject, subject_of
from .things import attributes_of, missing_attributes, thing_name_of

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

# Somebody has decided about these already: an operator, an earlier refusal, a transfer under way.
DECIDED = {"INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE"}

Ask = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        outcome: `activated`; `completed`, of a certificate that was active already; `refused`, by
            the hook; `left alone`, because of its status; `gone`, when it is not registered.
        status: the certificate's status now; None if it is gone.
        thing_name: the device's thing, where it has come to that.
        reason: what the hook said.
    """

    outcome: str
    status: str | None = None
    thing_name: str | None = None
    reason: str | None = None


def provision(event: Mapping[str, Any], settings: Settings, iot: IoTClient, ask: Ask) -> Outcome:
    """Provision the device whose certificate `event` is about.

    `ask` is the hook. Raises NotProvisionable, HookFailed and boto3's errors: Lambda then tries
    again and keeps the event as a dead letter in the end.
    """
    certificate_id = event["certificateId"]
    try:
        return _provision(event, settings, iot, ask)
    except iot.exceptions.ResourceNotFoundException:
        # Deleted meanwhile; or else the policy or the thing's type is missing, which is an error.
        if _describe(iot, certificate_id) is None:
            return Outcome("gone")
        raise


def _provision(event: Mapping[str, Any], settings: Settings, iot: IoTClient, ask: Ask) -> Outcome:
    certificate = _describe(iot, event["certificateId"])
    if certificate is None:
        return Outcome("gone")
    _check_ca(event, certificate, settings)
    if _decided(certificate):
        return Outcome("left alone", certificate["status"])

    subject = _subject_of(certificate)
    thing_name = thing_name_of(subject)
    answer = ask(_question(event, certificate, subject, settings))
    if not answer.allowed:
        return _finish(iot, event, settings.on_refusal, "refused", reason=answer.reason)

    _ensure_thing(iot, thing_name, attributes_of(subject, settings), settings.thing_type_name)
    # Each of these succeeds as well if it is attached already.
    iot.attach_policy(policyName=settings.policy_name, target=certificate["certificateArn"])
    iot.attach_thing_principal(thingName=thing_name, principal=certificate["certificateArn"])
    return _finish(iot, event, "ACTIVE", "activated", thing_name)


def _finish(
    iot: IoTClient,
    event: Mapping[str, Any],
    status: str,
    outcome: str,
    thing_name: str | None = None,
    reason: str | None = None,
) -> Outcome:
    """Set the certificate's status, unless somebody else has set it since it was looked at.

    There is no conditional update: a revocation in the moment between the two calls is lost.
    """
    certificate = _describe(iot, event["certificateId"])
    if certificate is None:
        return Outcome("gone", None, thing_name)
    if _decided(certificate):
        return Outcome("left alone", certificate["status"], thing_name)
    if certificate["status"] == "ACTIVE":
        # A device at work is not thrown out because an event came twice.
        done = "completed" if status == "ACTIVE" else outcome
        return Outcome(done, "ACTIVE", thing_name, reason)
    iot.update_certificate(certificateId=event["certificateId"], newStatus=status)  # type: ignore[arg-type]
    return Outcome(outcome, status, thing_name, reason)


def _describe(iot: IoTClient, certificate_id: str) -> CertificateDescriptionTypeDef | None:
    try:
        return iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    except iot.exceptions.ResourceNotFoundException:
        return None


def _decided(certificate: CertificateDescriptionTypeDef) -> bool:
    status = certificate["status"]
    if status not in {"PENDING_ACTIVATION", "ACTIVE", *DECIDED}:
        raise NotProvisionable(f"the certificate has a status that is not known here: {status}")
    return status in DECIDED


def _check_ca(
    event: Mapping[str, Any], certificate: CertificateDescriptionTypeDef, settings: Settings
) -> None:
    # The event says it, and what AWS IoT knows of the certificate must not say otherwise.
    wanted = settings.ca_certificate_id
    for ca in (event["caCertificateId"], certificate.get("caCertificateId") or wanted):
        if ca != wanted:
            raise NotProvisionable(f"the certificate was signed by CA {ca}, not by {wanted}")


def _subject_of(certificate: CertificateDescriptionTypeDef) -> Subject:
    try:
        return subject_of(certificate["certificatePem"])
    except ValueError as error:
        raise NotProvisionable(str(error)) from None


def _question(
    event: Mapping[str, Any],
    certificate: CertificateDescriptionTypeDef,
    subject: Subject,
    settings: Settings,
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "certificateId": certificate["certificateId"],
        "certificateArn": certificate["certificateArn"],
        "status": certificate["status"],
        "caCertificateId": settings.ca_certificate_id,
        "caCertificateMode": settings.ca_certificate_mode,
        "thingName": thing_name_of(subject),
        "subject": subject,
    }
    validity = certificate.get("validity") or {}
    facts |= {
        name: time.isoformat() for name, time in validity.items() if hasattr(time, "isoformat")
    }
    return {"event": dict(event), "certificate": facts}


def _ensure_thing(
    iot: IoTClient, name: str, attributes: dict[str, str], type_name: str | None
) -> None:
    typed: dict[str, Any] = {"thingTypeName": type_name} if type_name else {}
    try:
        present = iot.describe_thing(thingName=name)
    except iot.exceptions.ResourceNotFoundException:
        # A new thing with more than it has room for would be refused, and its device kept out.
        fitting = missing_attributes({}, attributes, bool(type_name))
        try:
            iot.create_thing(thingName=name, attributePayload={"attributes": fitting}, **typed)
            return
        except iot.exceptions.ResourceAlreadyExistsException:
            # Another run, or another certificate of this device, was faster.
            present = iot.describe_thing(thingName=name)
    missing = missing_attributes(
        present.get("attributes", {}), attributes, bool(present.get("thingTypeName"))
    )
    if missing:
        iot.update_thing(thingName=name, attributePayload={"attributes": missing, "merge": True})
