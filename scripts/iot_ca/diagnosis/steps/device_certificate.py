"""The device's own certificate: what AWS IoT checks of it in any account. Pure.

Source: AWS IoT developer guide, "X.509 client certificates".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from iot_ca import utc
from iot_ca.certificates import fields, pem, validation
from iot_ca.diagnosis.facts import Device
from iot_ca.errors import Failure
from iot_ca.provisioning.checks.check import Check

if TYPE_CHECKING:
    from cryptography import x509

_REISSUE = "have the device's certificate issued again, and give the device the new one"


def checks(device: Device, now: datetime) -> Iterator[Check]:
    """Yield the checks that need no account."""
    yield _validity(device.parsed, now)
    yield _algorithms(device.parsed)
    yield _client_certificate(device.parsed)


def _validity(certificate: x509.Certificate, now: datetime) -> Check:
    name = "validity"
    not_before, not_after = pem.validity(certificate)
    if now > not_after:
        finding = f"the device's certificate expired at {utc.rfc3339(not_after)}"
        return Check(name, False, finding, f"{_REISSUE}, valid from now on")
    if now < not_before:
        finding = f"the device's certificate is not valid before {utc.rfc3339(not_before)}"
        return Check(
            name, False, finding, f"{_REISSUE}, valid from now on; check the issuer's clock"
        )
    return Check(name, True, f"the device's certificate is valid until {utc.rfc3339(not_after)}")


def _algorithms(certificate: x509.Certificate) -> Check:
    name = "key and signature"
    try:
        validation.check_algorithms(certificate)
    except Failure as failure:
        return Check(name, False, str(failure), f"{_REISSUE}, with such a key and signature")
    return Check(name, True, "AWS IoT takes the certificate's key and signature algorithm")


def _client_certificate(certificate: x509.Certificate) -> Check:
    name = "client certificate"
    try:
        is_ca = fields.is_ca(certificate)
    except Failure as failure:
        return Check(name, False, str(failure), _REISSUE)
    if is_ca:
        return Check(
            name,
            False,
            "the certificate is a CA's (basicConstraints has CA:TRUE), not a device's",
            "give the device's own certificate; if this is its own, have it issued without CA:TRUE",
        )
    return Check(name, True, "the certificate is not a CA's")
