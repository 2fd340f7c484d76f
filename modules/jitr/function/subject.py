"""Subject and serial number of a certificate, read with the standard library: Lambda has no other.

AWS IoT has checked the certificate; what is read here is where in it the two stand (RFC 5280,
section 4.1) and how texts are encoded (X.690).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

# The names that AWS IoT's provisioning templates have for them (AWS::IoT::Certificate::*).
FIELDS = {
    "2.5.4.3": "CommonName",
    "2.5.4.5": "SerialNumber",
    "2.5.4.6": "Country",
    "2.5.4.8": "StateName",
    "2.5.4.10": "Organization",
    "2.5.4.11": "OrganizationalUnit",
    "2.5.4.46": "DistinguishedNameQualifier",
}

INTEGER, SEQUENCE, SET, OBJECT_IDENTIFIER, VERSION = 0x02, 0x30, 0x31, 0x06, 0xA0
ENCODINGS = {
    0x0C: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody reads it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)

Subject = dict[str, list[str]]


def subject_of(pem: str) -> Subject:
    """The fields of a certificate's subject that are in FIELDS, each with all of its values.

    Raises ValueError, without quoting it, if this is not a certificate.
    """
    encoded = _encoded(pem)
    try:
        return _subject(_to_be_signed(encoded))
    except (ValueError, IndexError):
        # The errors of decoders quote what they were given.
        raise ValueError("the certificate's subject cannot be read") from None


def serial_number_of(pem: str) -> str:
    """The serial number of a certificate, in hexadecimal as `openssl x509 -serial` prints it.

    Raises ValueError, without quoting it, if this is not a certificate.
    """
    encoded = _encoded(pem)
    try:
        tag, number = _to_be_signed(encoded)[0]
    except (ValueError, IndexError):
        raise ValueError("the certificate's serial number cannot be read") from None
    if tag != INTEGER or not number:
        raise ValueError("the certificate's serial number cannot be read")
    return (number.lstrip(b"\0") or b"\0").hex().upper()


def _encoded(pem: str) -> str:
    parts = _PEM.search(pem)
    if not parts:
        raise ValueError("not a certificate in PEM")
    return "".join(parts[1].split())


def _to_be_signed(encoded: str) -> list[tuple[int, bytes]]:
    """serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, ..."""
    ((_, certificate),) = _elements(base64.b64decode(encoded, validate=True))
    (_, to_be_signed), *_ = _elements(certificate)
    return [element for element in _elements(to_be_signed) if element[0] != VERSION]


def _subject(fields: list[tuple[int, bytes]]) -> Subject:
    tag, name = fields[4]
    if tag != SEQUENCE:
        raise ValueError
    subject: Subject = {}
    for identifier, value in _attributes(name):
        if identifier in FIELDS:
            subject.setdefault(FIELDS[identifier], []).append(value())
    return subject


def _attributes(name: bytes) -> Iterator[tuple[str, _Text]]:
    for _, relative_name in _elements(name):
        for _, pair in _elements(relative_name):
            (kind, identifier), (tag, content) = _elements(pair)
            if kind != OBJECT_IDENTIFIER:
                raise ValueError
            yield _dotted(identifier), _Text(tag, content)


class _Text:
    """A text that is only decoded if somebody asks for it: other fields may hold anything."""

    def __init__(self, tag: int, content: bytes) -> None:
        self._tag = tag
        self._content = content

    def __call__(self) -> str:
        if self._tag not in ENCODINGS:
            raise ValueError
        return self._content.decode(ENCODINGS[self._tag])


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element, one after the other."""
    at = 0
    while at < len(content):
        tag, length = content[at], content[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            # DER has no indefinite length, and no certificate needs more than four bytes for one.
            if not 1 <= size <= 4 or at + size > len(content):
                raise ValueError
            length = int.from_bytes(content[at : at + size], "big")
            at += size
        if at + length > len(content):
            raise ValueError
        yield tag, content[at : at + length]
        at += length


def _dotted(identifier: bytes) -> str:
    arcs: list[int] = []
    value = 0
    for byte in identifier:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
