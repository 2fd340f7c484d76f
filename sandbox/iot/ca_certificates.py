"""What AWS IoT Core does with CA certificates: the rules, independent of moto and of HTTP.

Sources, named where a rule is enforced:
  blog      AWS IoT blog on multi-account registration (the two modes across accounts and regions)
  guide     AWS IoT developer guide, "Register your CA certificate"
  model     botocore's ``iot`` model and the API reference made from it (shapes, limits, errors)
  seen      a message or an effect that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import base64
import binascii
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from sandbox.errors import AWSError
from sandbox.iot.certificates import (
    CERTIFICATE_ID,
    certificate_id_of,
    check_is_ca,
    check_strength,
    check_validity,
    check_verification,
    load_certificate,
    pem_of,
    subject_der,
)
from sandbox.iot.refusals import already_exists, check_member, invalid_request, not_found

MODES = ("DEFAULT", "SNI_ONLY")
STATUSES = ("ACTIVE", "INACTIVE")
AUTO_REGISTRATION = ("ENABLE", "DISABLE")
MOST_WITH_SAME_SUBJECT = 10


@dataclass(frozen=True)
class RegistrationConfig:
    """What provisions the devices of a CA: a template by name, or a body with a role."""

    template_name: str | None = None
    template_body: str | None = None
    role_arn: str | None = None


@dataclass(frozen=True)
class CaRegistration:
    """What a RegisterCACertificate call asks for."""

    ca_certificate: str
    verification_certificate: str | None = None
    mode: str = "DEFAULT"
    set_as_active: bool = False
    allow_auto_registration: bool = False
    config: RegistrationConfig | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CaUpdate:
    """What an UpdateCACertificate call asks for."""

    status: str | None = None
    auto_registration_status: str | None = None
    config: RegistrationConfig | None = None
    remove_auto_registration: bool = False


@dataclass
class CACertificate:
    """One CA certificate as one account has registered it in one region."""

    certificate_id: str
    arn: str
    pem: str
    subject: bytes
    mode: str
    status: str
    auto_registration_status: str
    config: RegistrationConfig | None
    owned_by: str
    creation_date: datetime
    last_modified_date: datetime
    not_before: datetime
    not_after: datetime
    sequence: int
    generation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    customer_version: int = 1
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class CaStore:
    """The CA certificates and the registration code of one account in one region."""

    account: str
    region: str
    partition: str
    certificates: dict[str, CACertificate] = field(default_factory=dict)
    code: str | None = None
    last_sequence: int = 0

    def arn_of(self, certificate_id: str) -> str:
        """Return the ARN that a CA certificate has here."""
        return f"arn:{self.partition}:iot:{self.region}:{self.account}:cacert/{certificate_id}"


# --- the registration code


def registration_code(store: CaStore) -> str:
    """Return the account's code in this region.

    Made on first use and kept until deleted (API ref.).
    """
    store.code = store.code or secrets.token_hex(32)
    return store.code


def delete_registration_code(store: CaStore) -> None:
    """Delete the code; ResourceNotFoundException without one (model)."""
    if store.code is None:
        raise not_found("No registration code exists")
    store.code = None


# --- register, describe, update, delete, list


def register(
    wanted: CaRegistration, store: CaStore, region: Iterable[CaStore], now: datetime
) -> CACertificate:
    """Register a CA certificate in ``store``; ``region`` holds every account's store there.

    The caller has checked ``wanted.config`` against the templates and holds the lock over all of
    ``region``: the uniqueness of DEFAULT mode spans accounts. The order in which AWS checks isn't
    known; here what is wrong with the request comes before what is wrong with the world.
    """
    certificate = _checked_certificate(wanted, store, now)
    certificate_id = certificate_id_of(certificate)
    subject = subject_der(certificate)
    _check_registrable(certificate_id, subject, wanted.mode, store, region)
    store.last_sequence += 1
    registered = CACertificate(
        certificate_id=certificate_id,
        arn=store.arn_of(certificate_id),
        pem=pem_of(certificate),
        subject=subject,
        mode=wanted.mode,
        status="ACTIVE" if wanted.set_as_active else "INACTIVE",
        auto_registration_status="ENABLE" if wanted.allow_auto_registration else "DISABLE",
        config=wanted.config,
        owned_by=store.account,
        creation_date=now,
        last_modified_date=now,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sequence=store.last_sequence,
        tags=dict(wanted.tags),
    )
    store.certificates[certificate_id] = registered
    return registered


def _checked_certificate(wanted: CaRegistration, store: CaStore, now: datetime) -> x509.Certificate:
    """Return the certificate that is to be registered, if the request is right in itself."""
    check_member("certificateMode", wanted.mode, MODES)
    if wanted.mode == "DEFAULT" and not wanted.verification_certificate:
        raise invalid_request(  # seen
            "Need to provide verification certificate for registering CA Certificates in "
            "DEFAULT mode"
        )
    if wanted.mode == "SNI_ONLY" and wanted.verification_certificate:
        raise invalid_request(  # blog; the wording is ours
            "Verification certificate must not be provided for registering CA Certificates in "
            "SNI_ONLY mode"
        )
    certificate = load_certificate(wanted.ca_certificate, "CA certificate")
    check_validity(certificate, "CA certificate", now)
    check_strength(certificate, "CA certificate")
    check_is_ca(certificate)
    if wanted.verification_certificate:
        verification = load_certificate(wanted.verification_certificate, "verification certificate")
        check_verification(verification, certificate, store.code, now)
    return certificate


def _check_registrable(
    certificate_id: str, subject: bytes, mode: str, store: CaStore, region: Iterable[CaStore]
) -> None:
    """Refuse a CA certificate that is registered, in DEFAULT mode anywhere, or above the quota."""
    if certificate_id in store.certificates:
        # blog: one account has a CA in one mode only, so another mode does not help
        message = "The CA certificate is already registered"
        raise already_exists(message, certificate_id, store.arn_of(certificate_id))
    if mode == "DEFAULT" and any(
        held.mode == "DEFAULT"
        for other in region
        if (held := other.certificates.get(certificate_id))
    ):
        raise invalid_request("Cannot accept this CACertificate")  # blog; message seen
    same_subject = sum(held.subject == subject for held in store.certificates.values())
    if same_subject >= MOST_WITH_SAME_SUBJECT:
        raise AWSError(  # API reference; message seen
            "LimitExceededException",
            "Limit reached for number of CA Certificates with same subject",
            410,
        )


def find(store: CaStore, certificate_id: str) -> CACertificate:
    """Return the CA certificate with this ID.

    InvalidRequest for no ID at all, else ResourceNotFound.
    """
    if not CERTIFICATE_ID.fullmatch(certificate_id):
        raise invalid_request(
            f"1 validation error detected: Value '{certificate_id}' at 'certificateId' failed to "
            "satisfy constraint: Member must have length 64 and satisfy regular expression "
            "pattern: (0x)?[a-fA-F0-9]+"
        )
    try:
        return store.certificates[certificate_id]
    except KeyError:
        raise not_found(f"No CA certificate exists with the ID {certificate_id}") from None


def update(certificate: CACertificate, wanted: CaUpdate, now: datetime) -> None:
    """Update ``certificate`` in place; its mode can't be updated (blog).

    Stricter, since AWS doesn't document it: ``removeAutoRegistration`` clears the registration
    config, sets the auto-registration status to DISABLE whatever the same call says about it, and
    excludes a new registration config; a call that asks for nothing is refused.
    """
    if wanted == CaUpdate():
        raise invalid_request("Nothing to update")
    if wanted.remove_auto_registration and wanted.config:
        raise invalid_request(
            "registrationConfig can't be given together with removeAutoRegistration"
        )
    if wanted.status is not None:
        check_member("newStatus", wanted.status, STATUSES)
    if wanted.auto_registration_status is not None:
        check_member(
            "newAutoRegistrationStatus", wanted.auto_registration_status, AUTO_REGISTRATION
        )
    if wanted.status is not None:
        certificate.status = wanted.status
    if wanted.remove_auto_registration:
        certificate.config = None
        certificate.auto_registration_status = "DISABLE"
    else:
        certificate.config = wanted.config or certificate.config
        certificate.auto_registration_status = (
            wanted.auto_registration_status or certificate.auto_registration_status
        )
    certificate.customer_version += 1
    certificate.last_modified_date = now


def delete(store: CaStore, certificate_id: str) -> None:
    """Delete a CA certificate; CertificateStateException while it is ACTIVE (API reference)."""
    certificate = find(store, certificate_id)
    if certificate.status == "ACTIVE":
        raise AWSError(
            "CertificateStateException",
            "CA certificate must be deactivated (not ACTIVE) before deletion. "
            f"Id: {certificate_id}",
            406,
        )
    del store.certificates[certificate_id]


@dataclass(frozen=True)
class Page:
    """One page of a listing; ``marker`` is None on the last."""

    certificates: list[CACertificate]
    marker: str | None


def list_page(
    store: CaStore,
    page_size: int = 25,
    marker: str | None = None,
    ascending: bool = False,
    template_name: str | None = None,
) -> Page:
    """Return a page of the CA certificates, newest first unless ``ascending``.

    At most 250 a page (model). The marker is opaque and survives deletions between pages.
    """
    if not 1 <= page_size <= 250:
        raise invalid_request("pageSize must be between 1 and 250")
    matching = sorted(
        (
            certificate
            for certificate in store.certificates.values()
            if template_name is None
            or (certificate.config and certificate.config.template_name == template_name)
        ),
        key=lambda certificate: certificate.sequence,
        reverse=not ascending,
    )
    if marker is not None:
        last = _sequence_in(marker)
        matching = [c for c in matching if (c.sequence > last if ascending else c.sequence < last)]
    page = matching[:page_size]
    more = len(matching) > page_size
    return Page(page, _marker(page[-1].sequence) if more else None)


def _marker(sequence: int) -> str:
    return base64.b64encode(f"after {sequence}".encode()).decode()


def _sequence_in(marker: str) -> int:
    try:
        text = base64.b64decode(marker, validate=True).decode()
        return int(text.removeprefix("after "))
    except (binascii.Error, ValueError):
        raise invalid_request("The marker is not valid") from None


def check_config_shape(config: RegistrationConfig) -> None:
    """Raise InvalidRequestException unless it is a template name, or a body with a role.


    The two forms: guide, "Just-in-time provisioning". Refusing a mixture is stricter.
    """
    by_name = config.template_name is not None
    by_body = config.template_body is not None and config.role_arn is not None
    partial = config.template_body is not None or config.role_arn is not None
    if by_name and partial:
        raise invalid_request(
            "registrationConfig can't have both a templateName and a templateBody or roleArn"
        )
    if not by_name and not by_body:
        raise invalid_request(
            "registrationConfig needs a templateName, or a templateBody and a roleArn"
        )
