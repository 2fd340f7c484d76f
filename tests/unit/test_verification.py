"""The proof of ownership, and that the private key behind it is never told to anybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

from iot_ca import certificate as certificates
from iot_ca import verification
from iot_ca.failure import Failure
from iot_ca.protocol import Verification
from tests.unit.support import (
    CODE,
    NOW,
    assert_tells_nothing_of,
    der,
    ec_key,
    everything_said,
    issue,
    key_pem,
    openssl,
    pem,
)

KEY = ec_key()
ROOT = issue(KEY)


def made(given: Verification | None, authority: x509.Certificate = ROOT) -> x509.Certificate:
    """The verification certificate that is sent to AWS."""
    text = verification.certificate_pem(given, authority, CODE, NOW)
    return x509.load_pem_x509_certificate(text.encode())


def refusal(given: Verification | None, authority: x509.Certificate = ROOT) -> str:
    """The message with which a proof is refused."""
    with pytest.raises(Failure) as caught:
        verification.certificate_pem(given, authority, CODE, NOW)
    return str(caught.value)


def proof(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY, **options: object) -> str:
    """A verification certificate as PEM text."""
    chosen: dict[str, object] = {
        "common_name": CODE,
        "subject_key": ec_key(),
        "issuer": ROOT,
        "ca": False,
        **options,
    }
    return pem(issue(key, **chosen))  # type: ignore[arg-type]


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[[str], Verification]:
    """Writes a key's file; returns the verification that names it."""

    def write(text: str) -> Verification:
        path = tmp_path / "ca.key"
        path.write_text(text)
        return Verification(ca_private_key_file=str(path))

    return write


KeyFile = Callable[[str], Verification]


# A proof that is made


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["p256", "p384", "p521", "rsa"],
)
@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_a_proof_is_made_with_the_cas_key(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    form: serialization.PrivateFormat,
    key_file: KeyFile,
) -> None:
    authority = issue(key)
    certificate = made(key_file(key_pem(key, form)), authority)
    certificate.verify_directly_issued_by(authority)
    (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == CODE
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    # Any key pair but the CA's own.
    assert certificate.public_key() != authority.public_key()


def test_a_proof_that_was_made_passes_openssl_and_its_own_check(
    key_file: KeyFile, tmp_path: Path
) -> None:
    text = verification.certificate_pem(key_file(key_pem(KEY)), ROOT, CODE, NOW)
    (tmp_path / "root.pem").write_text(pem(ROOT))
    (tmp_path / "proof.pem").write_text(text)
    assert "proof.pem: OK" in openssl(tmp_path, "verify", "-CAfile", "root.pem", "proof.pem")
    assert verification.certificate_pem(Verification(text), ROOT, CODE, NOW) == text


def test_a_proof_lives_for_minutes_and_never_longer_than_its_ca(key_file: KeyFile) -> None:
    given = key_file(key_pem(KEY))
    certificate = made(given)
    assert certificate.not_valid_after_utc <= NOW + timedelta(minutes=30)
    assert certificate.not_valid_before_utc <= NOW < certificate.not_valid_after_utc
    minute = timedelta(minutes=1)
    brief = issue(KEY, start=NOW - minute, end=NOW + minute)
    certificate = made(given, brief)
    assert certificate.not_valid_before_utc >= brief.not_valid_before_utc
    assert certificate.not_valid_after_utc <= brief.not_valid_after_utc


def test_a_home_folder_may_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ca.key").write_text(key_pem(KEY))
    made(Verification(ca_private_key_file="~/ca.key"))


# A proof that is given


def test_a_given_proof_is_used_as_it_is() -> None:
    text = proof()
    assert verification.certificate_pem(Verification(text), ROOT, CODE, NOW) == text


def test_a_given_proof_may_have_a_chain_behind_it() -> None:
    text = proof()
    given = Verification("a comment\r\n" + text.replace("\n", "\r\n") + pem(ROOT))
    assert verification.certificate_pem(given, ROOT, CODE, NOW) == text


def test_another_common_name_is_refused_and_the_right_one_named() -> None:
    said = refusal(Verification(proof(common_name="c0de")))
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
        assert "common name" in refusal(Verification(pem(certificate)))


def test_a_proof_of_another_ca_is_refused() -> None:
    other = ec_key()
    # Of the same name, but another key; and of the same key, but another name.
    assert "not signed by this CA" in refusal(Verification(proof(other)))
    assert "not signed by this CA" in refusal(
        Verification(proof(issuer=issue(KEY, common_name="other")))
    )
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert "not signed by this CA" in refusal(Verification(proof(rsa_key)))


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
    said = refusal(Verification(certificates._pem(changed)), authority)
    assert "not signed by this CA" in said


def test_a_proof_that_is_not_valid_now_is_refused() -> None:
    minute = timedelta(minutes=1)
    for start, end in ((-9, -1), (1, 9)):
        text = proof(start=NOW + start * minute, end=NOW + end * minute)
        assert "not valid now" in refusal(Verification(text))


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
def test_what_is_no_proof_is_called_what_it_is(text: str, said: str) -> None:
    assert refusal(Verification(text)).startswith(said)


def test_without_a_proof_it_is_said_how_to_give_one() -> None:
    for given in (None, Verification()):
        said = refusal(given)
        assert CODE in said
        assert "verification.certificate_pem" in said
        assert "verification.ca_private_key_file" in said
        assert "SNI_ONLY" in said


# The private key's file


OTHER = ec_key()


def bad_key_files(folder: Path) -> dict[str, tuple[str, str]]:
    """By what is wrong: the path, and what is said then."""
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    contents = {
        "other": (key_pem(OTHER), "is not the key of this CA's certificate"),
        "encrypted": (key_pem(KEY, password=b"password"), "is encrypted"),
        "encrypted-the-old-way": (key_pem(KEY, traditional, b"password"), "is encrypted"),
        "ed25519": (key_pem(ed25519.Ed25519PrivateKey.generate()), "neither an RSA nor an EC key"),
        "certificate": (pem(ROOT), "holds no PEM private key"),
        "truncated": (key_pem(KEY)[:120], "holds no PEM private key"),
        "second-half": (key_pem(KEY)[60:], "holds no PEM private key"),
        "damaged": (key_pem(KEY).replace("M", "N"), "holds no PEM private key"),
        "empty": ("", "holds no PEM private key"),
    }
    for file, (content, _) in contents.items():
        (folder / file).write_text(content)
    key_der = KEY.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "der").write_bytes(key_der)
    said = {file: said for file, (_, said) in contents.items()}
    said |= {"der": "holds no PEM private key", "missing": "can't be read", ".": "can't be read"}
    paths = {file: (str(folder / file), text) for file, text in said.items()}
    return paths | {
        "home-of-nobody": ("~no-such-user/ca.key", "can't be read"),
        "no-path": ("ca.key\0", "can't be read"),
        # file("ca.key") in place of "ca.key": nothing of it may be repeated.
        "the-key-itself": (key_pem(KEY), "path"),
        "the-key-on-one-line": (key_pem(KEY).replace("\n", ""), "path"),
    }


BAD_KEY_FILES = sorted(
    {
        *("other", "encrypted", "encrypted-the-old-way", "ed25519", "certificate", "truncated"),
        *("second-half", "damaged", "empty", "der", "missing", ".", "home-of-nobody", "no-path"),
        *("the-key-itself", "the-key-on-one-line"),
    }
)


@pytest.mark.parametrize("kind", BAD_KEY_FILES)
def test_a_key_that_can_not_be_used_is_named_and_never_told(kind: str, tmp_path: Path) -> None:
    path, said = bad_key_files(tmp_path)[kind]
    with pytest.raises(Failure) as caught:
        verification.certificate_pem(Verification(None, path), ROOT, CODE, NOW)
    assert said in str(caught.value)
    assert str(caught.value).startswith("verification.ca_private_key_file")
    everything = everything_said(caught.value)
    for secret in (key_pem(KEY), key_pem(OTHER)):
        assert_tells_nothing_of(secret, everything)


def test_the_bad_keys_are_all_tried(tmp_path: Path) -> None:
    assert sorted(bad_key_files(tmp_path)) == BAD_KEY_FILES


def test_a_certificate_of_a_different_sort_of_key_is_not_mistaken(key_file: KeyFile) -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    said = refusal(key_file(key_pem(rsa_key)))
    assert "is not the key of this CA's certificate" in said


def test_a_given_proof_never_opens_a_key_file(tmp_path: Path) -> None:
    given = Verification(proof(), str(tmp_path / "missing"))
    made(given)
