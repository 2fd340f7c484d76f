"""The fields of a certificate that cryptography reads only together with fields nobody needs.

cryptography parses all extensions of a certificate or none, and a name of which one attribute is
not in the encoding that its type prescribes not at all. Real CAs have name constraints, key
identifiers, alternative names and policies that it refuses, and Latin-1 in a T61String; AWS IoT
registers them. A library that reads ASN.1 would be one more dependency of every plan. What is read
here is the DER of a certificate that cryptography has parsed: its structure is known to be right,
down to the values of the extensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from iot_ca.errors import Failure

if TYPE_CHECKING:
    from cryptography import x509

# Tags of DER (X.690).
_BOOLEAN, _BIT_STRING, _SEQUENCE = 0x01, 0x03, 0x30
_VERSION, _EXTENSIONS = 0xA0, 0xA3

# What cryptography raises for a name: for text that is not in its type's encoding, and for a type
# that is not one of text.
_UNREADABLE = (ValueError, TypeError, KeyError)

# Object identifiers as DER has them: 2.5.29.19 and 2.5.29.15.
_BASIC_CONSTRAINTS = b"\x55\x1d\x13"
_KEY_USAGE = b"\x55\x1d\x0f"

# The sixth bit of a key usage, counted from the left (RFC 5280, 4.2.1.3).
_KEY_CERT_SIGN = 0x04


def is_ca(certificate: x509.Certificate) -> bool:
    """Return whether basicConstraints says CA:TRUE; raise Failure if it can't be read."""
    value = _extensions(certificate).get(_BASIC_CONSTRAINTS)
    if value is None:
        return False
    try:
        ((tag, contents),) = _elements(value)
        members = list(_elements(contents))
    except ValueError:
        tag, members = 0, []
    if tag != _SEQUENCE:
        raise Failure("the certificate's basicConstraints can't be read; have it issued again")
    # DER has 0xFF for true; some issuers write another number, as BER allows.
    return bool(members) and members[0][0] == _BOOLEAN and any(members[0][1])


def may_sign_certificates(certificate: x509.Certificate) -> bool:
    """Return whether the key usage includes keyCertSign, or there is no key usage."""
    value = _extensions(certificate).get(_KEY_USAGE)
    if value is None:
        return True
    try:
        ((tag, contents),) = _elements(value)
    except ValueError:
        return False
    return tag == _BIT_STRING and bool(contents[1:2]) and bool(contents[1] & _KEY_CERT_SIGN)


def same_subject(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Return whether two certificates have the same subject."""
    try:
        return one.subject == other.subject
    except _UNREADABLE:
        return _subject(one) == _subject(other)


def is_issuer_name(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether a certificate names the CA's subject as its issuer."""
    return _issuer(certificate) == _subject(ca)


def can_write_subject(certificate: x509.Certificate) -> bool:
    """Return whether cryptography writes the subject, as an issuer's name, as it is here."""
    try:
        written = certificate.subject.public_bytes()
    except _UNREADABLE:
        return False
    return list(_elements(written)) == [(_SEQUENCE, _subject(certificate))]


def _issuer(certificate: x509.Certificate) -> bytes:
    """Return the issuer's DER without its head."""
    members = _members(certificate)
    return members[3 if members[0][0] == _VERSION else 2][1]


def _subject(certificate: x509.Certificate) -> bytes:
    """Return the subject's DER without its head."""
    members = _members(certificate)
    # After the optional version: serialNumber, signature, issuer, validity, subject.
    return members[5 if members[0][0] == _VERSION else 4][1]


def _extensions(certificate: x509.Certificate) -> dict[bytes, bytes]:
    """Return the value of each extension by its object identifier; raise Failure for a double."""
    values: dict[bytes, bytes] = {}
    for tag, field in _members(certificate):
        if tag != _EXTENSIONS:
            continue
        ((_, extensions),) = _elements(field)
        for _, extension in _elements(extensions):
            (_, identifier), *_, (_, value) = _elements(extension)
            if identifier in values:
                raise Failure(
                    "the certificate has an extension twice, which X.509 forbids; have it issued "
                    "again"
                )
            values[identifier] = value
    return values


def _members(certificate: x509.Certificate) -> list[tuple[int, bytes]]:
    """Return tag and contents of each member of the TBSCertificate (RFC 5280, 4.1)."""
    ((_, contents),) = _elements(certificate.tbs_certificate_bytes)
    return list(_elements(contents))


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and contents of each element in DER; raise ValueError if one is cut short."""
    position = 0
    while position < len(der):
        tag, *length_byte = der[position : position + 2]
        length = length_byte[0] if length_byte else 0
        start = position + 2
        if length & 0x80:
            end_of_length = start + (length & 0x7F)
            length = int.from_bytes(der[start:end_of_length], "big")
            start = end_of_length
        position = start + length
        if position > len(der):
            raise ValueError("an element of the DER is cut short")
        yield tag, der[start:position]
