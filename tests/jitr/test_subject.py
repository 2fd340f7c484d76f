"""Reading a certificate's subject without a library, against the library."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from modules.jitr.function.subject import FIELDS, serial_number_of, subject_of
from tests.support.certificates import pem
from tests.support.jitr.fleet import certificate, name

# X.520 gives a common name 64 characters; the library counts bytes of UTF-8.
LONGEST = 64
# Encoded as PrintableString, which has few characters.
PRINTABLE = [NameOID.SERIAL_NUMBER, NameOID.DN_QUALIFIER]
READ = [NameOID.COMMON_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.ORGANIZATION_NAME]
OTHERS = [NameOID.LOCALITY_NAME, NameOID.USER_ID, NameOID.ORGANIZATIONAL_UNIT_NAME]


def cut(text: str) -> str:
    """The beginning of a text that is short enough for any field; whole characters."""
    return text.encode()[:LONGEST].decode(errors="ignore")


ATTRIBUTES = st.one_of(
    st.builds(
        x509.NameAttribute,
        st.sampled_from([*READ, *OTHERS]),
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=LONGEST).map(cut),
    ),
    st.builds(
        x509.NameAttribute,
        st.sampled_from(PRINTABLE),
        st.text("abcXYZ019 '()+,-./:=?", min_size=1, max_size=LONGEST),
    ),
)
SUBJECTS = st.lists(
    st.lists(ATTRIBUTES, min_size=1, max_size=3, unique_by=lambda attribute: attribute.oid).map(
        x509.RelativeDistinguishedName
    ),
    max_size=5,
).map(x509.Name)


def expected(subject: x509.Name) -> dict[str, list[str]]:
    """What cryptography says of the same subject."""
    values: dict[str, list[str]] = {}
    for attribute in subject:
        field = FIELDS.get(attribute.oid.dotted_string)
        if field:
            values.setdefault(field, []).append(str(attribute.value))
    return values


@given(SUBJECTS)
@example(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut("\U0001f600" * LONGEST))]))
def test_any_subject_is_read_as_by_the_library(subject: x509.Name) -> None:
    assert subject_of(pem(certificate(subject))) == expected(subject)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (_ASN1Type.UTF8String, "Grün 株"),
        (_ASN1Type.PrintableString, "Example 1"),
        (_ASN1Type.IA5String, "a@example.com"),
        (_ASN1Type.NumericString, "0123"),
        (_ASN1Type.BMPString, "Grün 株"),
        (_ASN1Type.UniversalString, "Grün 株"),
    ],
)
def test_every_encoding_of_a_text_is_read(kind: _ASN1Type, text: str) -> None:
    attribute = x509.NameAttribute(NameOID.ORGANIZATION_NAME, text, _type=kind)
    assert subject_of(pem(certificate(x509.Name([attribute])))) == {"Organization": [text]}


def test_the_fields_are_named_as_in_provisioning_templates() -> None:
    subject = name(
        "device-1",
        COUNTRY_NAME="DE",
        STATE_OR_PROVINCE_NAME="Hessen",
        ORGANIZATION_NAME="Example",
        ORGANIZATIONAL_UNIT_NAME="Fleet",
        DN_QUALIFIER="q",
        SERIAL_NUMBER="17",
        LOCALITY_NAME="Frankfurt",
    )
    assert subject_of("text before\n" + pem(certificate(subject)) + "text behind") == {
        "CommonName": ["device-1"],
        "Country": ["DE"],
        "StateName": ["Hessen"],
        "Organization": ["Example"],
        "OrganizationalUnit": ["Fleet"],
        "DistinguishedNameQualifier": ["q"],
        "SerialNumber": ["17"],
    }


def test_long_lengths_are_read() -> None:
    # More than 127 and more than 255 bytes: lengths of one and of two further bytes.
    for size in (60, 64, 200, 300):
        units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "u" * 60)] * (size // 60)
        read = subject_of(pem(certificate(x509.Name(units))))
        assert read == {"OrganizationalUnit": ["u" * 60] * (size // 60)}


@given(st.integers(1, 2**159 - 1))
@example(1)
@example(0x80)
@example(0xFF00)
def test_the_serial_number_is_that_of_openssl(number: int) -> None:
    digits = f"{number:X}"
    padded = digits.zfill(len(digits) + len(digits) % 2)
    assert serial_number_of(pem(certificate(name(), serial_number=number))) == padded


@given(st.binary(max_size=64))
def test_the_serial_number_of_garbage_is_refused_in_one_way(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="serial number cannot be read"):
        serial_number_of(pem_of_der(garbage))


def pem_of_der(der: bytes) -> str:
    body = base64.b64encode(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


WHOLE = certificate(name("device-1", ORGANIZATION_NAME="Example")).public_bytes(Encoding.DER)


@given(st.binary(max_size=64))
def test_garbage_is_refused_in_one_way(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        subject_of(pem_of_der(garbage))


@given(st.integers(0, len(WHOLE) - 1))
def test_a_certificate_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        subject_of(pem_of_der(WHOLE[:length]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_refused(position: int, byte: int) -> None:
    damaged = WHOLE[:position] + bytes([byte]) + WHOLE[position + 1 :]
    assert outcome(pem_of_der(damaged)) in ("read", "the certificate's subject cannot be read")


def outcome(text: str) -> str:
    """What reading it comes to; any other error than ValueError gets through."""
    try:
        subject_of(text)
    except ValueError as error:
        return str(error)
    return "read"


@pytest.mark.parametrize("text", ["", "device-1", "-----BEGIN CERTIFICATE-----\n???"])
def test_a_text_that_is_not_pem_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a certificate in PEM$"):
        subject_of(text)


def test_the_content_of_the_pem_is_not_quoted() -> None:
    text = "-----BEGIN CERTIFICATE-----\nsecret!\n-----END CERTIFICATE-----"
    with pytest.raises(ValueError, match=r"^the certificate's subject cannot be read$") as caught:
        subject_of(text)
    assert caught.value.__suppress_context__
