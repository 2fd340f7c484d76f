"""The device's certificate and chain from PEM files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.diagnosis.facts import Device
from iot_ca.errors import Failure
from iot_ca.fleet.variable_files import read_text

if TYPE_CHECKING:
    from cryptography import x509


def read_device(
    certificate: Path, chain: Path | None, client_id: str | None, *, sends_server_name: bool
) -> Device:
    """Return the device; its chain is what follows its certificate, and the chain file.

    Raises Failure, which never quotes a file, if a file is not certificates in PEM.
    """
    own, *following = _read(certificate)
    extra = [] if chain is None else _read(chain)
    sent = dict.fromkeys([*extra, *following])
    sent.pop(own, None)
    return Device(
        own,
        _parse(certificate, own),
        tuple(sent),
        client_id,
        sends_server_name,
    )


def _read(path: Path) -> list[Certificate]:
    text = read_text(path)
    if pem.holds_private_key(text):
        raise Failure(f"{path} holds a private key; give a file of certificates alone")
    try:
        certificates = pem.read_all(text)
    except Failure as failure:
        raise Failure(_about(path, failure)) from None
    for certificate in certificates:
        _parse(path, certificate)
    return certificates


def _parse(path: Path, certificate: Certificate) -> x509.Certificate:
    try:
        parsed = pem.parse(certificate)
        pem.validity(parsed)
    except Failure as failure:
        raise Failure(_about(path, failure)) from None
    return parsed


def _about(path: Path, failure: Failure) -> str:
    """Return a message about a file: those of `pem` speak of the module's attribute."""
    text = str(failure).removeprefix("certificate_pem ").removesuffix(pem.FILE_HINT)
    return f"{path} {text}" if text != str(failure) else f"{path}: {text}"
