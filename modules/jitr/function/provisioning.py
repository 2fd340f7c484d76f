"""From a device certificate that waits for activation to a device that may connect.

Activation comes last: whatever goes wrong before it, and however often a run is repeated or meets
another one, no device connects without its thing and its policy, and the next run completes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import PermanentFailure, UnknownInput
from .hook import Answer
from .settings import Settings
from .subject import Subject, serial_number_of, subject_of
from .things import attributes_of, missing_attributes, thing_name_of

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

# Somebody has decided about these already: an operator, an earlier refusal, a transfer under way.
DECIDED = {"INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE"}
# AWS IoT answers ten DescribeCertificate a second in an account and Region (quotas of AWS IoT
# Core), so asking twice for each device would halve how many are provisioned. A run that takes
# longer than this, because of the hook or of throttling, asks again before it sets the status.
DESCRIPTION_VALID_SECONDS = 5.0
KEEP = "KEEP"

Read = TypeVar("Read")

Ask = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        outcome: `activated`; `completed`, of a certificate that was active already; `refused`, for
            good; `left alone`, because of its status; `gone`, when it is not registered.
        status: the certificate's status now; None if it is gone or was not described.
        thing_name: the device's thing, where it has come to that.
        cause: of a refusal: `hook`, or the cause of a PermanentFailure.
        reason: of a refusal: what the hook said, or the message of a PermanentFailure.
        subject: of a refusal: the fields of the certificate's subject, where they can be read.
        serial_number: of a refusal: the certificate's, where it can be read.
    """

    outcome: str
    status: str | None = None
    thing_name: str | None = None
    cause: str | None = None
    reason: str | None = None
    subject: Subject | None = None
    serial_number: str | None = None


@dataclass(frozen=True)
class Described:
    """A certificate as AWS IoT described it, and when, in seconds of `time.monotonic`."""

    certificate: CertificateDescriptionTypeDef
    at: float

    @property
    def status(self) -> str:
        """The certificate's status at that time."""
        return self.certificate["status"]

    @property
    def decided(self) -> bool:
        """Whether the status is one that the function leaves as it is."""
        return self.status in DECIDED


def provision(event: Mapping[str, Any], settings: Settings, iot: IoTClient, ask: Ask) -> Outcome:
    """Provision the device whose certificate `event` is about, or refuse it for good.

    `ask` is the hook. Raises UnknownInput, HookFailed and boto3's errors: Lambda then tries
    again and keeps the event as a dead letter in the end.
    """
    try:
        _check_event(event, settings)
    except PermanentFailure as failure:
        return Outcome("refused", cause=failure.cause, reason=str(failure))
    try:
        return _provision(event, settings, iot, ask)
    except iot.exceptions.ResourceNotFoundException:
        # Deleted meanwhile; or else the policy or the thing's type is missing, which is an error.
        if _describe(iot, event["certificateId"]) is None:
            return Outcome("gone")
        raise


def _provision(event: Mapping[str, Any], settings: Settings, iot: IoTClient, ask: Ask) -> Outcome:
    described = _describe(iot, event["certificateId"])
    if described is None:
        return Outcome("gone")
    if described.decided:
        return Outcome("left alone", described.status)
    certificate = described.certificate
    try:
        _check_ca(certificate, settings)
        subject = _subject_of(certificate)
        thing_name = thing_name_of(subject)
    except PermanentFailure as failure:
        status = KEEP if failure.keep_status else settings.on_permanent_failure
        return _refuse(iot, described, status, failure.cause, str(failure))

    answer = ask(_question(event, certificate, subject, settings))
    if not answer.allowed:
        return _refuse(iot, described, settings.on_refusal, "hook", answer.reason)

    _ensure_thing(iot, thing_name, attributes_of(subject, settings), settings.thing_type_name)
    # Each of these succeeds as well if it is attached already.
    iot.attach_policy(policyName=settings.policy_name, target=certificate["certificateArn"])
    iot.attach_thing_principal(thingName=thing_name, principal=certificate["certificateArn"])
    return _set_status(iot, described, "ACTIVE", Outcome("activated", thing_name=thing_name))


def _refuse(iot: IoTClient, described: Described, status: str, cause: str, reason: str) -> Outcome:
    """Give the certificate the status of a refused one, unless that is KEEP."""
    pem = described.certificate["certificatePem"]
    outcome = Outcome(
        "refused",
        cause=cause,
        reason=reason,
        subject=_readable(subject_of, pem),
        serial_number=_readable(serial_number_of, pem),
    )
    if status == KEEP:
        return replace(outcome, status=described.status)
    return _set_status(iot, described, status, outcome)


def _readable(read: Callable[[str], Read], pem: str) -> Read | None:
    try:
        return read(pem)
    except ValueError:
        return None


def _set_status(iot: IoTClient, described: Described, status: str, outcome: Outcome) -> Outcome:
    """Set the certificate's status, unless somebody else has set it since it was described.

    There is no conditional update: a revocation within the last DESCRIPTION_VALID_SECONDS is lost.
    """
    certificate_id = described.certificate["certificateId"]
    latest: Described | None = described
    if time.monotonic() - described.at > DESCRIPTION_VALID_SECONDS:
        latest = _describe(iot, certificate_id)
    if latest is None:
        return Outcome("gone", thing_name=outcome.thing_name)
    if latest.decided:
        return Outcome("left alone", latest.status, outcome.thing_name)
    if latest.status == "ACTIVE":
        # A device at work is not thrown out because an event came twice.
        done = "completed" if status == "ACTIVE" else outcome.outcome
        return replace(outcome, outcome=done, status="ACTIVE")
    iot.update_certificate(certificateId=certificate_id, newStatus=status)  # type: ignore[arg-type]
    return replace(outcome, status=status)


def _describe(iot: IoTClient, certificate_id: str) -> Described | None:
    """The certificate; None if it is not registered. Raises UnknownInput for an unknown status."""
    try:
        answer = iot.describe_certificate(certificateId=certificate_id)
    except iot.exceptions.ResourceNotFoundException:
        return None
    certificate = answer["certificateDescription"]
    status = certificate["status"]
    if status not in {"PENDING_ACTIVATION", "ACTIVE", *DECIDED}:
        raise UnknownInput(f"the certificate has a status that is not known here: {status}")
    return Described(certificate, time.monotonic())


def _check_event(event: Mapping[str, Any], settings: Settings) -> None:
    """Raise PermanentFailure for an event of another account or CA, before anything is asked.

    One that was sent by hand may lack the account.
    """
    account, ca = event.get("awsAccountId"), event["caCertificateId"]
    if account is not None and str(account) != settings.account_id:
        message = f"the event is of account {account!s:.64}, not of {settings.account_id}"
        raise PermanentFailure("account", message, keep_status=True)
    if ca != settings.ca_certificate_id:
        raise _of_another_ca(ca, settings)


def _check_ca(certificate: CertificateDescriptionTypeDef, settings: Settings) -> None:
    """Raise PermanentFailure unless AWS IoT itself names the CA of `settings`.

    The event alone is not a proof: everyone who may invoke the function can send one, for a
    certificate without a CA too, which would then get the policy of this CA's devices.
    """
    ca = certificate.get("caCertificateId")
    if not ca:
        message = "AWS IoT names no CA for the certificate"
        raise PermanentFailure("CA", message, keep_status=True)
    if ca != settings.ca_certificate_id:
        raise _of_another_ca(ca, settings)


def _of_another_ca(ca: str, settings: Settings) -> PermanentFailure:
    message = f"the certificate was signed by CA {ca}, not by {settings.ca_certificate_id}"
    return PermanentFailure("CA", message, keep_status=True)


def _subject_of(certificate: CertificateDescriptionTypeDef) -> Subject:
    try:
        return subject_of(certificate["certificatePem"])
    except ValueError as error:
        raise PermanentFailure("subject", str(error)) from None


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
