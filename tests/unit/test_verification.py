"""What a verification certificate and the request for one look like, and which ones are refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, ObjectIdentifier

from iot_ca.certificates import pem as pem_text
from iot_ca.errors import Failure
from iot_ca.ownership import verification_certificate as verification
from tests.support.certificates import NOW, Key, der, ec_key, issue, key_pem, pem
from tests.support.openssl import openssl
from tests.support.program.fake_iot import CODE

KEY = ec_key()
_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
ROOT = issue(KEY)


def check(text: str, authority: x509.Certificate = ROOT) -> str:
    """The verification certificate that is sent to AWS."""
    return verification.check(text, authority, CODE, NOW)


def refusal(text: str, authority: x509.Certificate = ROOT) -> str:
    """The message with which a proof is refused."""
    with pytest.raises(Failure) as caught:
        check(text, authority)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def proof(key: Key = KEY, **options: object) -> str:
    """A verification certificate as PEM text."""
    chosen: dict[str, object] = {
        "common_name": CODE,
        "subject_key": ec_key(),
        "issuer": ROOT,
        "is_ca": False,
        **options,
    }
    return pem(issue(key, **chosen))  # type: ignore[arg-type]


# A proof that is made


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        (KEY, hashes.SHA256),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384),
        (ec.generate_private_key(ec.SECP521R1()), hashes.SHA512),
        (rsa.generate_private_key(public_exponent=65537, key_size=2048), hashes.SHA256),
    ],
    ids=["p256", "p384", "p521", "rsa"],
)
def test_a_proof_is_signed_with_the_hash_that_fits_the_key(
    key: Key, digest: type[hashes.HashAlgorithm]
) -> None:
    authority = issue(key)
    text = verification.sign(key, authority, CODE, NOW)
    certificate = x509.load_pem_x509_certificate(text.encode())
    certificate.verify_directly_issued_by(authority)
    (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == CODE
    assert len(certificate.subject) == 1
    assert isinstance(certificate.signature_hash_algorithm, digest)
    # Any key pair but the CA's own.
    assert certificate.public_key() != authority.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_new_proof_passes_openssl_and_the_check(tmp_path: Path) -> None:
    text = verification.sign(KEY, ROOT, CODE, NOW)
    (tmp_path / "root.pem").write_text(pem(ROOT))
    (tmp_path / "proof.pem").write_text(text)
    assert "proof.pem: OK" in openssl("verify", "-CAfile", "root.pem", "proof.pem", folder=tmp_path)
    assert check(text) == text


def test_a_proof_is_valid_for_minutes_and_ends_before_the_ca() -> None:
    def made(authority: x509.Certificate) -> x509.Certificate:
        text = verification.sign(KEY, authority, CODE, NOW)
        return x509.load_pem_x509_certificate(text.encode())

    certificate = made(ROOT)
    assert certificate.not_valid_after_utc <= NOW + timedelta(minutes=30)
    assert certificate.not_valid_before_utc <= NOW < certificate.not_valid_after_utc
    minute = timedelta(minutes=1)
    brief = issue(KEY, start=NOW - minute, end=NOW + minute)
    certificate = made(brief)
    assert certificate.not_valid_before_utc >= brief.not_valid_before_utc
    assert certificate.not_valid_after_utc <= brief.not_valid_after_utc
    assert verification.expiry(brief, NOW) == brief.not_valid_after_utc
    assert verification.expiry(ROOT, NOW) <= NOW + timedelta(minutes=30)


def test_two_proofs_differ_in_key_and_serial_number() -> None:
    proofs = [
        x509.load_pem_x509_certificate(verification.sign(KEY, ROOT, CODE, NOW).encode())
        for _ in range(3)
    ]
    assert len({proof.serial_number for proof in proofs}) == 3
    assert len({proof.public_key().public_bytes(*_SPKI) for proof in proofs}) == 3


def test_a_request_has_a_new_key_and_names_the_code() -> None:
    requests = [x509.load_pem_x509_csr(verification.request(CODE).encode()) for _ in range(2)]
    for request in requests:
        assert request.is_signature_valid
        assert request.subject.rfc4514_string() == f"CN={CODE}"
        assert list(request.extensions) == []
    assert len({request.public_key().public_bytes(*_SPKI) for request in requests}) == 2


def test_a_request_signed_with_openssl_is_a_proof(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(pem(ROOT))
    (tmp_path / "root.key").write_text(key_pem(KEY))
    (tmp_path / "verification.csr").write_text(verification.request(CODE))
    arguments = "x509 -req -in verification.csr -CA root.pem -CAkey root.key -days 1"
    text = openssl(*arguments.split(), "-CAcreateserial", folder=tmp_path)
    # Made a moment after this file was loaded.
    now = datetime.now(NOW.tzinfo)
    certified = verification.check(text, ROOT, CODE, now)
    assert x509.load_pem_x509_certificate(certified.encode()).issuer == ROOT.subject


# A proof that is handed over


def test_a_handed_over_proof_is_returned_unchanged() -> None:
    text = proof()
    assert check(text) == text


def test_a_chain_after_the_proof_is_ignored() -> None:
    text = proof()
    assert check("a comment\r\n" + text.replace("\n", "\r\n") + pem(ROOT)) == text


def test_another_common_name_is_refused_with_the_right_one() -> None:
    said = refusal(proof(common_name="c0de"))
    assert "common name" in said
    assert CODE in said


def test_a_proof_without_a_common_name_or_with_two_is_refused() -> None:
    code = x509.NameAttribute(NameOID.COMMON_NAME, CODE)
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, CODE)
    for attributes in ([organization], [code, x509.NameAttribute(NameOID.COMMON_NAME, "other")]):
        certificate = (
            x509.CertificateBuilder(
                issuer_name=ROOT.subject,
                subject_name=x509.Name(attributes),
                public_key=ec_key().public_key(),
                serial_number=1,
            )
            .not_valid_before(NOW - timedelta(minutes=1))
            .not_valid_after(NOW + timedelta(minutes=1))
            .sign(KEY, hashes.SHA256())
        )
        assert "common name" in refusal(pem(certificate))


def test_a_proof_of_another_ca_is_refused() -> None:
    other = ec_key()
    # Of the same name, but another key; and of the same key, but another name.
    assert "not signed by this CA" in refusal(proof(other))
    assert "not signed by this CA" in refusal(proof(issuer=issue(KEY, common_name="other")))
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "not signed by this CA" in refusal(proof(rsa_key))


def test_a_proof_signed_in_an_unknown_way_is_refused() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    authority = issue(rsa_key)
    certificate = x509.load_pem_x509_certificate(proof(rsa_key, issuer=authority).encode())
    known, unknown = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010163")
    changed = der(certificate).replace(known, unknown)
    assert (
        ObjectIdentifier("1.2.840.113549.1.1.99")
        == x509.load_der_x509_certificate(changed).signature_algorithm_oid
    )
    said = refusal(pem_text.from_der(changed), authority)
    assert "not signed by this CA" in said


def test_a_proof_that_is_not_valid_now_is_refused() -> None:
    minute = timedelta(minutes=1)
    for start, end in ((-9, -1), (1, 9)):
        text = proof(start=NOW + start * minute, end=NOW + end * minute)
        assert "not valid now" in refusal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "verification.certificate_pem holds no PEM certificate"),
        ("proof.pem", "verification.certificate_pem holds no PEM certificate"),
        (proof()[:300], "verification.certificate_pem is truncated"),
        (proof().replace("MII", "M*I"), "verification.certificate_pem is damaged"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "verification.certificate_pem is damaged",
        ),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----",
            "verification.certificate_pem is a certificate signing request",
        ),
        (key_pem(KEY), "verification.certificate_pem holds a private key"),
    ],
)
def test_a_text_without_proof_is_refused_by_its_kind(text: str, said: str) -> None:
    assert refusal(text).startswith(said)
