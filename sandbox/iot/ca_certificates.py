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
import re
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox.errors import AWSError

MODES = ("DEFAULT", "SNI_ONLY")
STATUSES = ("ACTIVE", "INACTIVE")
AUTO_REGISTRATION = ("ENABLE", "DISABLE")
MOST_WITH_SAME_SUBJECT = 10
CERTIFICATE_ID = re.compile(r"[0-9a-fA-F]{64}")
FIRST_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class RegistrationConfig:
    """What provisions the devices of a CA: a template by name, or a body with a role."""

    template_name: str | None = None
    template_body: str | None = None
    role_arn: str | None = None


@dataclass(frozen=True)
class Registration:
    """What a RegisterCACertificate call asks for."""

    ca_certificate: str
    verification_certificate: str | None = None
    mode: str = "DEFAULT"
    set_as_active: bool = False
    allow_auto_registration: bool = False
    config: RegistrationConfig | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Update:
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
class Registry:
    """The CA certificates and the registration code of one account in one region."""

    account: str
    region: str
    partition: str
    certificates: dict[str, CACertificate] = field(default_factory=dict)
    code: str | None = None
    last_sequence: int = 0

    def arn_of(self, certificate_id: str) -> str:
        """The ARN that a CA certificate has here."""
        return f"arn:{self.partition}:iot:{self.region}:{self.account}:cacert/{certificate_id}"


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidRequestException", message)


def _not_valid(message: str) -> AWSError:
    return AWSError("CertificateValidationException", message)


def check_member(name: str, value: str, allowed: Sequence[str]) -> str:
    """``value`` if the model's enumeration ``allowed`` has it; else InvalidRequestException."""
    if value not in allowed:
        raise _invalid(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(allowed)}]"
        )
    return value


# --- the certificate itself


def load_certificate(text: str, what: str) -> x509.Certificate:
    """The first certificate in ``text``, whatever precedes or follows it.

    CertificateValidationException if there is none. Only the first counts and only its DER is
    hashed: seen, the same certificate with a chain or text around it has the same ID.
    """
    found = FIRST_CERTIFICATE.search(text)
    if not 1 <= len(text) <= 65536 or not found:
        raise _not_valid(f"The {what} is not a PEM-encoded certificate")
    try:
        return x509.load_pem_x509_certificate(found[0].encode())
    except ValueError:
        raise _not_valid(f"The {what} is not a valid X.509 certificate") from None


def certificate_id_of(certificate: x509.Certificate) -> str:
    """The ID AWS IoT gives a certificate: hex SHA-256 of its DER (seen, confirmed by support)."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_validity(certificate: x509.Certificate, what: str, now: datetime) -> None:
    """CertificateValidationException outside the certificate's validity period (guide)."""
    if now < certificate.not_valid_before_utc:
        raise _not_valid(f"The {what} is not yet valid")
    if now > certificate.not_valid_after_utc:
        raise _not_valid(f"The {what} has expired")


def check_strength(certificate: x509.Certificate, what: str) -> None:
    """CertificateValidationException for a key or signature that the guide doesn't list."""
    try:
        key = certificate.public_key()
        hash_algorithm = certificate.signature_hash_algorithm
    except Exception:  # whatever cryptography can't read, AWS's list doesn't have
        raise _not_valid(f"The {what} uses an unsupported algorithm") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise _not_valid(f"The {what} must have an RSA key of at least 2048 bits")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1
    ):
        raise _not_valid(f"The {what} must have an RSA key or an EC key on P-256, P-384 or P-521")
    if not isinstance(hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        raise _not_valid(f"The {what} must be signed with SHA-256 or better")


def check_is_ca(certificate: x509.Certificate) -> None:
    """CertificateValidationException unless it is an X.509 v3 CA.

    The basicConstraints message is seen; refusing a key usage without keyCertSign is stricter.
    """
    message = "The CA certificate does not have the basicConstraints extension as true"
    if certificate.version is not x509.Version.v3:
        raise _not_valid(message)
    try:
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise _not_valid(message) from None
    except ValueError:
        raise _not_valid("The CA certificate has extensions that can't be read") from None
    if not constraints.ca:
        raise _not_valid(message)
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise _not_valid("The CA certificate's key usage does not include keyCertSign")


def check_verification(
    verification: x509.Certificate, ca: x509.Certificate, code: str | None, now: datetime
) -> None:
    """Refuses a verification certificate that doesn't prove possession of the CA's key (guide).

    RegistrationCodeValidationException: its common name isn't the account's registration code in
    this region. CertificateValidationException: the CA's key hasn't signed it, or it isn't valid
    now (the latter, and comparing the issuer's name, is stricter).
    """
    names = [
        name.value
        for name in verification.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if isinstance(name.value, str)
    ]
    if names != [code]:  # also when no code has been asked for yet
        raise AWSError(
            "RegistrationCodeValidationException",
            "The registration code in the verification certificate is not valid for this account",
        )
    check_validity(verification, "verification certificate", now)
    try:
        verification.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        message = "The verification certificate was not signed by the CA certificate's private key"
        raise _not_valid(message) from None


# --- the registration code


def registration_code(registry: Registry) -> str:
    """The account's code in this region, made on first use and kept until deleted (API ref.)."""
    registry.code = registry.code or secrets.token_hex(32)
    return registry.code


def delete_registration_code(registry: Registry) -> None:
    """Deletes the code; ResourceNotFoundException without one (model)."""
    if registry.code is None:
        raise AWSError("ResourceNotFoundException", "No registration code exists", 404)
    registry.code = None


# --- register, describe, update, delete, list


def register(
    wanted: Registration, here: Registry, region: Iterable[Registry], now: datetime
) -> CACertificate:
    """Registers a CA certificate in ``here``; ``region`` holds every account's registry there.

    The caller has checked ``wanted.config`` against the templates and holds the lock over all of
    ``region``: the uniqueness of DEFAULT mode spans accounts. The order in which AWS checks isn't
    known; here what is wrong with the request comes before what is wrong with the world.
    """
    check_member("certificateMode", wanted.mode, MODES)
    if wanted.mode == "DEFAULT" and not wanted.verification_certificate:
        raise _invalid(  # seen
            "Need to provide verification certificate for registering CA Certificates in "
            "DEFAULT mode"
        )
    if wanted.mode == "SNI_ONLY" and wanted.verification_certificate:
        raise _invalid(  # blog; the wording is ours
            "Verification certificate must not be provided for registering CA Certificates in "
            "SNI_ONLY mode"
        )
    certificate = load_certificate(wanted.ca_certificate, "CA certificate")
    check_validity(certificate, "CA certificate", now)
    check_strength(certificate, "CA certificate")
    check_is_ca(certificate)
    if wanted.verification_certificate:
        verification = load_certificate(wanted.verification_certificate, "verification certificate")
        check_verification(verification, certificate, here.code, now)

    certificate_id = certificate_id_of(certificate)
    if certificate_id in here.certificates:
        # blog: one account has a CA in one mode only, so another mode is no way round this
        raise AWSError(
            "ResourceAlreadyExistsException",
            "The CA certificate is already registered",
            409,
            {"resourceId": certificate_id, "resourceArn": here.arn_of(certificate_id)},
        )
    if wanted.mode == "DEFAULT" and any(
        held.mode == "DEFAULT"
        for other in region
        if (held := other.certificates.get(certificate_id))
    ):
        raise _invalid("Cannot accept this CACertificate")  # blog; message seen
    subject = certificate.subject.public_bytes()
    same_subject = sum(held.subject == subject for held in here.certificates.values())
    if same_subject >= MOST_WITH_SAME_SUBJECT:
        raise AWSError(  # API reference; message seen
            "LimitExceededException",
            "Limit reached for number of CA Certificates with same subject",
            410,
        )

    here.last_sequence += 1
    registered = CACertificate(
        certificate_id=certificate_id,
        arn=here.arn_of(certificate_id),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        subject=subject,
        mode=wanted.mode,
        status="ACTIVE" if wanted.set_as_active else "INACTIVE",
        auto_registration_status="ENABLE" if wanted.allow_auto_registration else "DISABLE",
        config=wanted.config,
        owned_by=here.account,
        creation_date=now,
        last_modified_date=now,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sequence=here.last_sequence,
        tags=dict(wanted.tags),
    )
    here.certificates[certificate_id] = registered
    return registered


def find(registry: Registry, certificate_id: str) -> CACertificate:
    """The CA certificate with this ID. InvalidRequest for no ID at all, else ResourceNotFound."""
    if not CERTIFICATE_ID.fullmatch(certificate_id):
        raise _invalid(
            f"1 validation error detected: Value '{certificate_id}' at 'certificateId' failed to "
            "satisfy constraint: Member must have length 64 and satisfy regular expression "
            "pattern: (0x)?[a-fA-F0-9]+"
        )
    try:
        return registry.certificates[certificate_id]
    except KeyError:
        message = f"No CA certificate exists with the ID {certificate_id}"
        raise AWSError("ResourceNotFoundException", message, 404) from None


def update(certificate: CACertificate, wanted: Update, now: datetime) -> None:
    """Updates ``certificate`` in place; its mode can't be updated (blog).

    Stricter, since AWS doesn't document it: ``removeAutoRegistration`` clears the registration
    config, sets the auto-registration status to DISABLE whatever the same call says about it, and
    excludes a new registration config; a call that asks for nothing is refused.
    """
    if wanted == Update():
        raise _invalid("Nothing to update")
    if wanted.remove_auto_registration and wanted.config:
        raise _invalid("registrationConfig can't be given together with removeAutoRegistration")
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


def delete(registry: Registry, certificate_id: str) -> None:
    """Deletes a CA certificate; CertificateStateException while it is ACTIVE (API reference)."""
    certificate = find(registry, certificate_id)
    if certificate.status == "ACTIVE":
        raise AWSError(
            "CertificateStateException",
            "CA certificate must be deactivated (not ACTIVE) before deletion. "
            f"Id: {certificate_id}",
            406,
        )
    del registry.certificates[certificate_id]


@dataclass(frozen=True)
class Page:
    """One page of a listing; ``marker`` is None on the last."""

    certificates: list[CACertificate]
    marker: str | None


def list_page(
    registry: Registry,
    page_size: int = 25,
    marker: str | None = None,
    ascending: bool = False,
    template_name: str | None = None,
) -> Page:
    """A page of the CA certificates, newest first unless ``ascending``.

    At most 250 a page (model). The marker is opaque and survives deletions between pages.
    """
    if not 1 <= page_size <= 250:
        raise _invalid("pageSize must be between 1 and 250")
    matching = sorted(
        (
            certificate
            for certificate in registry.certificates.values()
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
        raise _invalid("The marker is not valid") from None


def check_config_shape(config: RegistrationConfig) -> None:
    """InvalidRequestException unless it is a template name, or a body with a role; never both.

    The two forms: guide, "Just-in-time provisioning". Refusing a mixture is stricter.
    """
    by_name = config.template_name is not None
    by_body = config.template_body is not None and config.role_arn is not None
    partial = config.template_body is not None or config.role_arn is not None
    if by_name and partial:
        raise _invalid(
            "registrationConfig can't have both a templateName and a templateBody or roleArn"
        )
    if not by_name and not by_body:
        raise _invalid("registrationConfig needs a templateName, or a templateBody and a roleArn")
