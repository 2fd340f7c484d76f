"""A registered CA: its certificate is valid and it registers new devices. Pure.

Sources: AWS IoT developer guide, "Manage your CA certificates" and "Register a client certificate
when the client connects".
"""

from __future__ import annotations

from datetime import datetime

from iot_ca import utc
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Located
from iot_ca.provisioning.remedies import aws_command

REGISTER = "add the CA to certificate_authorities of the module and apply"
EXPIRY, AUTO_REGISTRATION = "CA expiry", "auto-registration"


def validity(ca_id: str, period: tuple[datetime, datetime], now: datetime) -> Check:
    """Return the check that a CA's certificate is valid; `period` is its start and its end."""
    not_before, not_after = period
    if now > not_after:
        finding = f"CA {ca_id} expired at {utc.rfc3339(not_after)}"
        return Check(EXPIRY, False, finding, f"renew the CA with the same key, and {REGISTER}")
    if now < not_before:
        finding = f"CA {ca_id} is not valid before {utc.rfc3339(not_before)}"
        remedy = f"have the CA's certificate issued again, and {REGISTER}"
        return Check(EXPIRY, False, finding, remedy)
    return Check(EXPIRY, True, f"the CA expires at {utc.rfc3339(not_after)}")


def auto_registration(seen: Located, ca_id: str, *, enabled: bool) -> Check:
    """Return the check that AWS IoT registers the devices of a CA."""
    if enabled:
        return Check(AUTO_REGISTRATION, True, "the CA's auto-registration is ENABLE")
    finding = f"auto-registration of CA {ca_id} is DISABLE, wanted ENABLE"
    remedy = update(seen, ca_id, "--new-auto-registration-status", "ENABLE")
    return Check(AUTO_REGISTRATION, False, finding, remedy)


def update(seen: Located, ca_id: str, *arguments: str) -> str:
    """Return the command that changes a registered CA."""
    return aws_command(
        seen.target, "iot", "update-ca-certificate", "--certificate-id", ca_id, *arguments
    )
