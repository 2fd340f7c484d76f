"""From PEM text to a certificate ID, and what AWS IoT would not take."""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ObjectIdentifier
from hypothesis import example, given
from hypothesis import strategies as st

from iot_ca import utc
from iot_ca.certificates import pem as pem_text
from iot_ca.certificates import validation
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from tests.support.certificates import NOW, der, ec_key, issue, key_pem, pem
from tests.support.messages import assert_tells_nothing_of, everything_said
from tests.support.openssl import openssl

KEY = ec_key()
ROOT = issue(KEY)
CHAIN = [issue(ec_key(), common_name=f"link {number}") for number in range(2)]
LEAF = issue(KEY, common_name="device", subject_key=ec_key(), issuer=ROOT, is_ca=False)

# The last arcs of the signature algorithms <hash>WithRSAEncryption: all of one length.
RSA_SIGNATURES = "1.2.840.113549.1.1."


def read_and_check(text: str) -> Certificate:
    """The way of every certificate that is not registered yet."""
    certificate = pem_text.read(text)
    validation.check(pem_text.parse(certificate), NOW)
    return certificate


def refusal(text: str) -> str:
    """The message with which a text is refused; it quotes nothing of the text."""
    with pytest.raises(Failure) as caught:
        read_and_check(text)
    assert_tells_nothing_of(text, everything_said(caught.value))
    return str(caught.value)


def patched(certificate: x509.Certificate, old: bytes, new: bytes) -> str:
    """The certificate with some bytes of its DER replaced; nobody verifies its signature."""
    assert len(old) == len(new)
    changed = der(certificate).replace(old, new)
    assert changed != der(certificate)
    return pem_text.from_der(changed)


def encoded(oid: str) -> bytes:
    """An object identifier as DER."""
    name = x509.Name([x509.NameAttribute(ObjectIdentifier(oid), "x")])
    encoding = name.public_bytes()
    return encoding[6 : 8 + encoding[7]]


# Reading


@st.composite
def dressed(draw: st.DrawFn) -> tuple[str, int]:
    """ROOT as PEM text, written as people and tools do, and how many certificates follow it."""
    words = st.text().filter(lambda text: "-----" not in text)
    end = draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \n", "\n\t"]))
    width = draw(st.integers(1, 100))
    after = draw(st.lists(st.sampled_from(CHAIN), max_size=3))
    texts = [draw(words)]
    for certificate in [ROOT, *after]:
        body = base64.b64encode(der(certificate)).decode()
        lines = [
            "-----BEGIN CERTIFICATE-----",
            *textwrap.wrap(body, width),
            "-----END CERTIFICATE-----",
        ]
        texts += [end.join(lines), draw(words)]
    return end.join(texts), len(after)


@given(dressed())
def test_the_id_is_independent_of_the_layout_of_the_text(text: tuple[str, int]) -> None:
    certificate = read_and_check(text[0])
    assert certificate.certificate_id == hashlib.sha256(der(ROOT)).hexdigest()
    assert certificate.der == der(ROOT)
    assert certificate.pem == pem(ROOT)
    assert certificate.certificates_after == text[1]


def test_normalised_pem_is_read_unchanged() -> None:
    certificate = pem_text.read(pem(ROOT))
    assert pem_text.read(certificate.pem) == certificate


def test_a_truncated_certificate_is_refused() -> None:
    text = pem(ROOT)
    for length in range(len(text)):
        try:
            certificate = read_and_check(text[:length])
        except Failure as failure:
            assert_tells_nothing_of(text, everything_said(failure))
        else:
            assert certificate == pem_text.read(text)
            assert text[length:].strip() == ""


@given(st.data())
def test_a_certificate_with_a_part_missing_is_refused(data: st.DataObject) -> None:
    text = pem(ROOT) + pem(CHAIN[0])
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    try:
        certificate = read_and_check(text[:start] + text[end:])
    except Failure as failure:
        assert_tells_nothing_of(text, everything_said(failure))
    else:
        # With the head of the first gone, the second is what there is.
        assert certificate.der in (der(ROOT), der(CHAIN[0]))


@given(st.text())
@example("-----BEGIN CERTIFICATE-----\nTé==\n-----END CERTIFICATE-----")
@example("-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----")
@example("-----BEGIN CERTIFICATE-----\nT\u2028UlJ\n-----END CERTIFICATE-----")
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Failure):
        read_and_check(text)
    with pytest.raises(Failure):
        read_and_check(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----")


@given(st.binary())
def test_any_other_bytes_in_a_pem_block_are_refused(junk: bytes) -> None:
    with pytest.raises(Failure):
        read_and_check(pem_text.from_der(junk))


@given(st.integers(0, len(der(ROOT)) - 1), st.integers(0, 255))
def test_a_damaged_byte_raises_no_other_exception(position: int, byte: int) -> None:
    damaged = bytearray(der(ROOT))
    damaged[position] = byte
    with warnings.catch_warnings(), suppress(Failure):
        warnings.simplefilter("ignore")
        read_and_check(pem_text.from_der(bytes(damaged)))


def test_the_first_certificate_of_a_bundle_is_used() -> None:
    certificate = read_and_check(pem(ROOT) + pem(CHAIN[0]) + pem(CHAIN[1]))
    assert certificate.der == der(ROOT)
    assert certificate.certificates_after == 2


def test_a_bundle_that_begins_with_a_leaf_is_refused() -> None:
    assert "not a CA's" in refusal(pem(LEAF) + pem(ROOT))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_the_ids_of_public_roots_are_openssls_fingerprints(tmp_path: Path) -> None:
    roots = re.findall(
        r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----",
        Path(certifi.where()).read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert len(roots) > 50
    for number, text in enumerate(roots):
        certificate = pem_text.read(text)
        try:
            validation.check(pem_text.parse(certificate), NOW)
        except Failure as failure:
            assert re.search("SHA1|expired", str(failure))  # noqa: PT017 - most of them pass
        if number % 5:
            continue
        (tmp_path / "root.pem").write_text(text)
        printed = openssl(
            "x509", "-in", "root.pem", "-noout", "-fingerprint", "-sha256", folder=tmp_path
        )
        fingerprint = printed.strip().partition("=")[2].replace(":", "").lower()
        assert certificate.certificate_id == fingerprint


def test_a_root_made_as_in_the_aws_blog_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "rootCA_openssl.conf").write_text(
        "[ req ]\ndistinguished_name = req_distinguished_name\nextensions = v3_ca\n"
        "req_extensions = v3_ca\n\n[ v3_ca ]\nbasicConstraints = CA:TRUE\n\n"
        "[ req_distinguished_name ]\ncountryName = Country Name\n"
    )
    (tmp_path / "extensions.conf").write_text("basicConstraints = CA:TRUE\n")
    openssl("genrsa", "-out", "root.key", "2048", folder=tmp_path)
    subject = ("-subj", "/C=DE/O=Example/CN=Example Root")
    openssl("req", "-new", "-key", "root.key", "-out", "root.csr", *subject, folder=tmp_path)
    openssl(
        *("x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-sha256"),
        *("-days", "3650", "-extfile", "extensions.conf", "-out", "root.pem"),
        folder=tmp_path,
    )
    certificate = pem_text.read((tmp_path / "root.pem").read_text())
    validation.check(pem_text.parse(certificate), datetime.now(timezone.utc))
    printed = openssl(
        "x509", "-in", "root.pem", "-noout", "-fingerprint", "-sha256", folder=tmp_path
    )
    assert certificate.certificate_id == printed.strip().partition("=")[2].replace(":", "").lower()

    request = (tmp_path / "root.csr").read_text()
    assert "signing request" in refusal(request)
    key = (tmp_path / "root.key").read_text()
    assert "private key" in refusal(key)
    with_text = openssl("x509", "-in", "root.pem", "-text", folder=tmp_path)
    assert pem_text.read(with_text) == certificate


# What is given in place of a certificate


PRIVATE_KEYS: dict[str, str] = {
    "pkcs8": key_pem(KEY),
    "sec1": key_pem(KEY, serialization.PrivateFormat.TraditionalOpenSSL),
    "openssh": key_pem(KEY, serialization.PrivateFormat.OpenSSH),
    "encrypted": key_pem(KEY, password=b"password"),
}


@pytest.mark.parametrize("key", PRIVATE_KEYS.values(), ids=PRIVATE_KEYS.keys())
@pytest.mark.parametrize(
    "embed",
    [
        lambda key: key,
        lambda key: key.replace("\n", "\r\n"),
        lambda key: pem(ROOT) + key,
        lambda key: key + pem(ROOT),
        lambda key: key[: len(key) // 2],
        lambda key: key[len(key) // 2 :],
    ],
    ids=["alone", "crlf", "behind", "before", "first-half", "second-half"],
)
def test_a_private_key_is_refused_and_not_shown(embed: Callable[[str], str], key: str) -> None:
    with pytest.raises(Failure, match="private key") as caught:
        read_and_check(embed(key))
    assert_tells_nothing_of(key, everything_said(caught.value))


def test_a_private_key_without_markers_is_not_shown(root: x509.Certificate) -> None:
    del root
    bodies = ["".join(key.splitlines()[1:-1]) for key in PRIVATE_KEYS.values()]
    for body in bodies:
        assert refusal(body)


def test_base64_without_markers_is_refused_with_the_remedy() -> None:
    body = base64.b64encode(der(ROOT)).decode()
    assert "openssl x509 -inform der" in refusal(body)
    assert "openssl x509 -inform der" in refusal(textwrap.fill(body, 64) + "\n")


def test_der_is_refused() -> None:
    assert refusal(der(ROOT).decode("latin-1"))
    assert refusal(der(ROOT).decode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no PEM certificate"),
        ("certs/root-ca.pem", 'file("PATH")'),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "truncated"),
        (pem(ROOT).replace("-----END CERTIFICATE-----", ""), "truncated"),
        (pem(ROOT).replace("END CERTIFICATE", "END CERTIFICATE REQUEST"), "truncated"),
        (pem(ROOT).replace("MII", "M*I"), "not base64"),
        (pem(ROOT).replace("MII", "MéI"), "not base64"),
        (key_pem(KEY).replace("PRIVATE", "PUBLIC"), "type PUBLIC KEY"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "damaged"),
    ],
)
def test_a_text_without_certificate_is_refused_by_its_kind(text: str, said: str) -> None:
    assert said in refusal(text)


# The rules


def test_a_ca_that_aws_accepts_is_accepted(rsa_key: rsa.RSAPrivateKey) -> None:
    read_and_check(pem(issue(rsa_key)))
    read_and_check(pem(issue(rsa_key, digest=hashes.SHA384())))
    read_and_check(pem(issue(rsa_key, digest=hashes.SHA512())))
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        read_and_check(pem(issue(ec.generate_private_key(curve))))


def test_an_intermediate_ca_is_accepted() -> None:
    read_and_check(pem(issue(KEY, common_name="below", subject_key=ec_key(), issuer=ROOT)))


def test_a_leaf_is_refused() -> None:
    assert "CA:TRUE" in refusal(pem(LEAF))


def test_a_certificate_without_basic_constraints_is_refused() -> None:
    assert "CA:TRUE" in refusal(pem(issue(KEY, is_ca=None)))


def test_the_validity_is_exact_to_the_second() -> None:
    start, end = NOW.replace(microsecond=0), (NOW + timedelta(days=9)).replace(microsecond=0)
    certificate = issue(KEY, start=start, end=end)
    second = timedelta(seconds=1)
    validation.check(certificate, start)
    validation.check(certificate, end)
    with pytest.raises(Failure, match=f"not valid before {start:%Y-%m-%dT%H:%M:%SZ}"):
        validation.check(certificate, start - second)
    with pytest.raises(Failure, match=f"expired at {end:%Y-%m-%dT%H:%M:%SZ}"):
        validation.check(certificate, end + second)


def test_expired_and_not_yet_valid_are_refused() -> None:
    day = timedelta(days=1)
    said = refusal(pem(issue(KEY, start=NOW - 9 * day, end=NOW - day)))
    assert "expired" in said
    assert "renew it, or remove it from the map" in said
    assert "not valid before" in refusal(pem(issue(KEY, start=NOW + day, end=NOW + 9 * day)))


def test_the_validity_is_written_in_rfc_3339() -> None:
    start, end = NOW.replace(microsecond=0), (NOW + timedelta(days=9)).replace(microsecond=0)
    certificate = issue(KEY, start=start, end=end)
    assert pem_text.validity(certificate) == (start, end)
    assert utc.rfc3339(start) == start.isoformat().replace("+00:00", "Z")
    assert utc.rfc3339(end) == end.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.BrainpoolP384R1()])
def test_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    said = refusal(pem(issue(ec.generate_private_key(curve))))
    assert curve.name in said
    assert "P-256, P-384, P-521" in said


def test_a_short_rsa_key_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    said = refusal(pem(issue(key)))
    assert "1024 bits" in said
    assert "2048" in said


def test_other_keys_are_refused() -> None:
    keys: list[ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey] = [
        ed25519.Ed25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
    ]
    for key in keys:
        assert "neither RSA" in refusal(pem(issue(key)))
    subject = dsa.generate_private_key(1024)
    assert "neither RSA" in refusal(pem(issue(KEY, subject_key=subject)))


@pytest.mark.parametrize(("arc", "name"), [("5", "SHA1"), ("4", "MD5"), ("14", "SHA224")])
def test_weak_signatures_are_refused(
    arc: str, name: str, root: x509.Certificate, tmp_path: Path
) -> None:
    # Not every OpenSSL still signs with these; the signature's name is all that is looked at.
    text = patched(root, encoded(RSA_SIGNATURES + "11"), encoded(RSA_SIGNATURES + arc))
    (tmp_path / "weak.pem").write_text(text)
    shown = openssl("x509", "-in", "weak.pem", "-noout", "-text", folder=tmp_path).lower()
    assert f"signature algorithm: {name.lower()}withrsaencryption" in shown
    said = refusal(text)
    assert name in said
    assert "SHA-256 or better" in said


def test_an_unknown_signature_algorithm_is_refused(root: x509.Certificate) -> None:
    text = patched(root, encoded(RSA_SIGNATURES + "11"), encoded(RSA_SIGNATURES + "99"))
    assert "not supported" in refusal(text)


def test_x509_v1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(key_pem(KEY))
    # The version is an optional field: without it the certificate is one of version 1. Newer
    # releases of OpenSSL only write that if told so.
    openssl(
        "req", "-new", "-key", "key.pem", "-subj", "/CN=v1", "-out", "request.pem", folder=tmp_path
    )
    sign = ("x509", "-req", "-in", "request.pem", "-signkey", "key.pem", "-out", "v1.pem")
    openssl(*sign, "-x509v1", folder=tmp_path) if _has_x509v1(tmp_path) else openssl(
        *sign, folder=tmp_path
    )
    said = refusal((tmp_path / "v1.pem").read_text())
    assert "X.509 v1" in said


def _has_x509v1(tmp_path: Path) -> bool:
    version = openssl("version", folder=tmp_path).split()[1]
    return tuple(map(int, version.split(".")[:2])) >= (3, 4)


VERSION_3 = bytes.fromhex("a003020102")


@pytest.mark.parametrize("version", [1, 3, 9])
def test_other_versions_are_refused(version: int) -> None:
    assert refusal(patched(ROOT, VERSION_3, VERSION_3[:-1] + bytes([version])))


def test_an_extension_given_twice_is_refused() -> None:
    one, other = "1.3.6.1.4.1.55555.1", "1.3.6.1.4.1.55555.2"
    extensions = tuple(
        x509.UnrecognizedExtension(ObjectIdentifier(oid), b"\x05\x00") for oid in (one, other)
    )
    text = patched(issue(KEY, extensions=extensions), encoded(other), encoded(one))
    assert "an extension twice" in refusal(text)


def test_a_negative_serial_number_prints_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    length = (ROOT.serial_number.bit_length() + 8) // 8
    number = ROOT.serial_number.to_bytes(length, "big")
    head = b"\x02" + bytes([length])
    text = patched(ROOT, head + number, head + bytes([number[0] | 0x80]) + number[1:])
    with suppress(Failure):
        read_and_check(text)
    assert [str(warning.message) for warning in recwarn] == []
