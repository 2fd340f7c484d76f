"""Which account lets a device in, and what its first contact does: pure rules.

Sources, named where a rule is enforced:
  blog      AWS IoT blog on multi-account registration (the two modes)
  reserved  AWS IoT developer guide, "Reserved topics", of the events of certificates: AWS IoT
            publishes one when it has registered a certificate automatically, and whenever a client
            presents a certificate with the status PENDING_ACTIVATION
  jitr      AWS IoT blog "Just-in-Time Registration of Device Certificates on AWS IoT"
  guide     AWS IoT developer guide: "Just-in-time provisioning", "Register a client certificate
            when the client connects", "Activate or deactivate a client certificate", "Deactivate a
            CA certificate", "Transport security"
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sandbox.errors import AWSError
from sandbox.iot import ca_certificates as ca
from sandbox.iot.certificates import (
    certificate_id_of,
    check_is_no_ca,
    check_strength,
    check_validity,
    issuer_der,
)
from sandbox.iot.endpoints import account_at


@dataclass(frozen=True)
class Presented:
    """What a device shows of itself in the TLS handshake.

    certificate: its own; it has proved that it holds the key.
    chain: what else it sent, in any order, as it may send its CA's certificate or not.
    server_name: the host name it asked for (SNI), or None.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    server_name: str | None = None

    @property
    def certificate_id(self) -> str:
        """The ID that AWS IoT gives the device's certificate."""
        return certificate_id_of(self.certificate)


@dataclass(frozen=True)
class KnownDevice:
    """A device certificate as one account has registered it, and when.

    ca_id: None for a certificate without a CA.
    """

    status: str
    mode: str
    ca_id: str | None = None
    registered: datetime | None = None


@dataclass(frozen=True)
class Holding:
    """What one account has in the region: its CAs and, if it knows it, the device's certificate."""

    account: str
    cas: Sequence[ca.CACertificate] = ()
    device: KnownDevice | None = None


@dataclass(frozen=True)
class Admission:
    """Whose device it is. With ``ca`` it is its first contact, and that CA has signed it."""

    account: str
    ca: ca.CACertificate | None = None


@dataclass
class Refused(Exception):
    """The device is turned away. It hears nothing of ``reason``; the log does."""

    reason: str
    account: str | None = None

    def __str__(self) -> str:
        return self.reason


@dataclass
class RefusedPending(Refused):
    """A PENDING_ACTIVATION certificate was presented: its event is published again (reserved).

    Whatever state the certificate's CA is in, and whether or not it has a template: the guide makes
    no exception. A certificate without a CA has no topic, and so no event.
    """

    device: KnownDevice = field(kw_only=True)


def admit(
    presented: Presented, region: str, holdings: Sequence[Holding], now: datetime
) -> Admission:
    """Decide on a connection in ``region``; ``holdings`` has every account's. Raises Refused."""
    try:
        check_validity(presented.certificate, "device certificate", now)
        check_strength(presented.certificate, "device certificate")
        # Stricter: the guide says what a client certificate is, not what becomes of a CA's.
        check_is_no_ca(presented.certificate)
    except AWSError as error:
        raise Refused(error.message) from None
    if presented.server_name is None:
        return _admit_without_name(presented, region, holdings, now)
    return _admit_by_name(presented, presented.server_name, region, holdings, now)


def _admit_by_name(
    presented: Presented,
    server_name: str,
    region: str,
    holdings: Sequence[Holding],
    now: datetime,
) -> Admission:
    """With SNI the named account decides, in either mode (blog; guide).

    Stricter: users report that AWS sends a certificate of a DEFAULT CA on to the account of that CA
    whatever name it came with. Here the name counts.
    """
    account = account_at(server_name, region, (holding.account for holding in holdings))
    holding = next((h for h in holdings if h.account == account), None)
    if holding is None:
        raise Refused(f"no account has the endpoint {server_name} in {region}")
    if holding.device is not None:
        return _known(holding.account, holding.device)
    return Admission(holding.account, _signer(presented, holding.account, holding.cas, now))


def _admit_without_name(
    presented: Presented, region: str, holdings: Sequence[Holding], now: datetime
) -> Admission:
    """Without SNI only DEFAULT counts: one account at most holds a CA so in a region (blog).

    On first contact the device must send its CA's certificate too; sending it is optional only for
    devices that send SNI (guide, both pages on just-in-time provisioning and registration).
    """
    for holding in holdings:
        if holding.device is not None and holding.device.mode == "DEFAULT":
            return _known(holding.account, holding.device)
    signers = [
        (holding.account, held)
        for holding in holdings
        for held in holding.cas
        if has_signed(held, presented.certificate)
    ]
    in_default = [(account, held) for account, held in signers if held.mode == "DEFAULT"]
    if not in_default and (signers or any(holding.device for holding in holdings)):
        raise Refused(
            "the device sent no server name (SNI), and no account of the region has its CA in "
            "DEFAULT mode, only in SNI_ONLY"
        )
    if not in_default:
        raise Refused(f"no CA certificate registered in {region} has signed the device certificate")
    sent = {certificate_id_of(certificate) for certificate in presented.chain}
    shown = [(account, held) for account, held in in_default if held.certificate_id in sent]
    if not shown:
        raise Refused(
            "the device sent no server name (SNI): on first contact it must send its CA's "
            "certificate together with its own",
            in_default[0][0],
        )
    account = shown[0][0]
    return Admission(account, _usable(account, [held for _, held in shown], now))


def _known(account: str, device: KnownDevice) -> Admission:
    """Require an ACTIVE certificate; the status of its CA no longer matters (guide)."""
    if device.status == "PENDING_ACTIVATION":
        reason = "the device certificate is PENDING_ACTIVATION"
        raise RefusedPending(reason, account, device=device)
    if device.status != "ACTIVE":
        raise Refused(f"the device certificate is {device.status}", account)
    return Admission(account)


def has_signed(held: ca.CACertificate, certificate: x509.Certificate) -> bool:
    """Return whether a registered CA has signed ``certificate``: issuer's name and signature."""
    if held.subject != issuer_der(certificate):
        return False
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(held.pem.encode()))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _signer(
    presented: Presented, account: str, cas: Iterable[ca.CACertificate], now: datetime
) -> ca.CACertificate:
    """Return the CA of ``account`` that has signed the certificate and takes new devices.

    It must be the signing CA itself, none above it (guide). Of several with one name and key, the
    one that the device sent, else the newest that takes devices.
    """
    signers = [held for held in cas if has_signed(held, presented.certificate)]
    if not signers:
        message = f"no CA certificate registered in account {account} has signed the device's"
        raise Refused(message, account)
    sent = {certificate_id_of(certificate) for certificate in presented.chain}
    shown = [held for held in signers if held.certificate_id in sent]
    return _usable(account, shown or signers, now)


def _usable(account: str, cas: Sequence[ca.CACertificate], now: datetime) -> ca.CACertificate:
    """Return the newest of ``cas`` that registers new devices; else Refused, with the last hurdle.

    ACTIVE and auto-registration: guide. Within its validity period: stricter.
    """
    hurdles: list[tuple[str, Callable[[ca.CACertificate], bool]]] = [
        ("is not within its validity period", lambda c: c.not_before <= now <= c.not_after),
        ("is INACTIVE", lambda c: c.status == "ACTIVE"),
        ("has auto-registration disabled", lambda c: c.auto_registration_status == "ENABLE"),
    ]
    left = list(cas)
    for reason, passes in hurdles:
        passing = [held for held in left if passes(held)]
        if not passing:
            raise Refused(f"CA certificate {left[0].certificate_id} {reason}", account)
        left = passing
    return max(left, key=lambda held: held.sequence)


def registered_event(
    certificate_id: str, ca_id: str, account: str, registered: datetime, now: datetime
) -> dict[str, str | int]:
    """Return the message on ``$aws/events/certificates/registered/CA-ID`` (guide, JITR)."""
    return {
        "certificateId": certificate_id,
        "caCertificateId": ca_id,
        "timestamp": int(now.timestamp() * 1000),
        "certificateStatus": "PENDING_ACTIVATION",
        "awsAccountId": account,
        "certificateRegistrationTimestamp": str(int(registered.timestamp() * 1000)),
    }
