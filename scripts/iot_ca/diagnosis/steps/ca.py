"""The CA that has signed the device's certificate, and what its registration means. Pure.

Sources: AWS IoT developer guide, "Manage your CA certificates", "Register a client certificate when
the client connects" and "Transport security" (server name); AWS IoT blog on multi-account
registration (the two modes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timezone
from typing import TYPE_CHECKING

from iot_ca.certificates import fields, pem
from iot_ca.diagnosis.facts import Device, Observation, RegisteredCa
from iot_ca.provisioning.checks import registered_ca
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Unreadable

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

_OTHER_CA = "give the device a certificate of another CA, which takes new devices here"


def has_signed(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether a CA's key has signed a certificate that names it as its issuer."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def name_of(certificate: x509.Certificate) -> str:
    """Return the subject of a certificate, for a message."""
    try:
        return certificate.subject.rfc4514_string()
    except (ValueError, TypeError, KeyError):  # a name that cryptography refuses
        return "a CA with an unreadable subject"


def issuer_of(certificate: x509.Certificate) -> str:
    """Return the issuer's name, for a message."""
    try:
        return certificate.issuer.rfc4514_string()
    except (ValueError, TypeError, KeyError):
        return "a CA with an unreadable name"


def choose_signer(
    device: Device, cas: Iterable[RegisteredCa], now: datetime
) -> RegisteredCa | None:
    """Return the registered CA that counts for a device; None if none has signed its certificate.

    Several certificates of one CA can be registered, such as a renewed one with the same key. Then
    the one that lets the device get furthest counts, and of those the newest.
    """
    signers = [ca for ca in cas if has_signed(ca.parsed, device.parsed)]
    if not device.sends_server_name:
        # Without a server name, AWS IoT goes by CAs in DEFAULT mode only.
        signers = [ca for ca in signers if ca.mode == "DEFAULT"] or signers

    def rank(ca: RegisteredCa) -> tuple[bool, bool, bool, datetime]:
        return (
            _is_valid(ca, now),
            ca.status == "ACTIVE",
            ca.auto_registration,
            ca.created.astimezone(timezone.utc),
        )

    return max(signers, key=rank, default=None)


def _is_valid(ca: RegisteredCa, now: datetime) -> bool:
    not_before, not_after = pem.validity(ca.parsed)
    return not_before <= now <= not_after


def signer_check(
    device: Device, seen: Observation, signer: RegisteredCa | None, *, decides: bool
) -> Check:
    """Say which registered CA has signed the device's certificate."""
    name = "signer"
    if isinstance(seen.cas, Unreadable):
        return Check(name, None, seen.cas.reason, decides=decides)
    if signer is not None:
        subject = name_of(signer.parsed)
        finding = (
            f'signed by CA {signer.certificate_id} ("{subject}"), registered in {signer.mode} mode'
        )
        return Check(name, True, finding)
    issuer = next(
        (sent for sent in device.chain if has_signed(pem.parse(sent), device.parsed)), None
    )
    remedy = _registration(device, seen)
    finding = _why_not_registered(device, seen.cas, issuer)
    if not decides:
        return Check(name, True, f"{finding}; that matters for new devices only")
    return Check(name, False, finding, remedy)


def _why_not_registered(
    device: Device, cas: Sequence[RegisteredCa], issuer: pem.Certificate | None
) -> str:
    named = issuer_of(device.parsed)
    same_name = [ca for ca in cas if fields.is_issuer_name(ca.parsed, device.parsed)]
    if issuer is None:
        which = (
            f'the CA "{named}", which has signed the device\'s certificate, is not registered here'
        )
    else:
        which = (
            f'the CA {issuer.certificate_id} ("{named}"), which has signed the device\'s '
            "certificate, is not registered here"
        )
    if same_name:
        return f"{which}; CA {same_name[0].certificate_id} has the same name, but another key"
    parsed_issuer = None if issuer is None else pem.parse(issuer)
    for ca in cas:
        if parsed_issuer is not None and has_signed(ca.parsed, parsed_issuer):
            return (
                f"{which}; CA {ca.certificate_id}, which has signed that CA, is registered, but "
                "AWS IoT needs the CA that has signed the device's certificate"
            )
    return which


def _registration(device: Device, seen: Observation) -> str:
    """Return how to register the CA: with the module, which also has what provisions its devices.

    A CA lets in every device that its key has signed, so the user must know the CA.
    """
    mode = "" if device.sends_server_name else ' and certificate_mode = "DEFAULT"'
    return (
        f"check that this CA is yours and that {seen.target.account_id} is the right account; then "
        "add the CA's certificate to certificate_authorities of the module, with provisioning"
        f"{mode}, and apply"
    )


def server_name_checks(
    device: Device, seen: Observation, mode: str, *, is_new: bool
) -> Iterator[Check]:
    """Yield whether the device can do without a server name, in the mode that counts for it."""
    name = "server name"
    if device.sends_server_name:
        verb = "allows" if mode == "DEFAULT" else "needs"
        finding = f"assumed: the device sends a server name (SNI), which {mode} mode {verb}"
        yield Check(name, True, f"{finding}; if it does not, give --no-sni")
        return
    endpoint = "the endpoint's" if isinstance(seen.endpoint, Unreadable) else seen.endpoint
    if mode != "DEFAULT":
        yield Check(
            name,
            False,
            f"the device sends no server name (SNI), and {mode} mode needs one",
            f"have the device send the server name {endpoint} (SNI) in its TLS handshake",
        )
        return
    yield Check(name, True, "the device sends no server name (SNI), which DEFAULT mode allows")
    if is_new:
        yield _sent_ca_check(device, seen)


def _sent_ca_check(device: Device, seen: Observation) -> Check:
    """Without a server name a new device must send its CA's certificate (guide, both pages)."""
    name = "CA certificate sent"
    cas = () if isinstance(seen.cas, Unreadable) else seen.cas
    sent = {certificate.certificate_id for certificate in device.chain}
    shown = [ca for ca in cas if ca.certificate_id in sent and has_signed(ca.parsed, device.parsed)]
    if shown:
        return Check(name, True, "the device sends its CA's certificate behind its own")
    return Check(
        name,
        False,
        "the device sends neither a server name (SNI) nor its CA's certificate, and it is new here",
        "have the device send its CA's certificate behind its own: append it to the device's "
        "certificate file",
    )


def state_checks(seen: Observation, ca: RegisteredCa, *, decides: bool) -> Iterator[Check]:
    """Yield whether a CA takes new devices; of a device that is registered, what would be."""
    validity = registered_ca.validity(ca.certificate_id, pem.validity(ca.parsed), seen.now)
    for check in (validity, _status(seen, ca), _auto_registration(seen, ca)):
        if decides or check.ok:
            yield check
        else:
            yield Check(check.check, True, f"{check.finding}; that matters for new devices only")


def _status(seen: Observation, ca: RegisteredCa) -> Check:
    name = "CA status"
    if ca.status == "ACTIVE":
        return Check(name, True, "the CA's status is ACTIVE")
    finding = f"status of CA {ca.certificate_id} is {ca.status}"
    activate = update_ca(seen, ca, "--new-status", "ACTIVE")
    wanted = seen.wanted.get(ca.certificate_id)
    if wanted is None:
        # Nothing tells a mistake from step 2 of a rotation (docs/rotation.md).
        finding += "; if it was retired on purpose, the device needs a certificate of another CA"
        condition = "if the CA was not retired on purpose"
        return Check(name, False, finding, activate, remedy_condition=condition)
    if wanted.status == ca.status:
        finding += ", as the accounts file says: the CA is retired, and its new devices are refused"
        return Check(name, False, finding, _OTHER_CA)
    return Check(name, False, f"{finding}, wanted {wanted.status}", activate)


def _auto_registration(seen: Observation, ca: RegisteredCa) -> Check:
    wanted = seen.wanted.get(ca.certificate_id)
    if not ca.auto_registration and wanted is not None and wanted.auto_registration is False:
        finding = (
            f"auto-registration of CA {ca.certificate_id} is DISABLE, as the accounts file says: "
            "its new devices are refused"
        )
        return Check(registered_ca.AUTO_REGISTRATION, False, finding, _OTHER_CA)
    return registered_ca.auto_registration(seen, ca.certificate_id, enabled=ca.auto_registration)


def update_ca(seen: Observation, ca: RegisteredCa, *arguments: str) -> str:
    """Return the command that changes a registered CA."""
    return registered_ca.update(seen, ca.certificate_id, *arguments)
