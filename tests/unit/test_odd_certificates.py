"""CAs that AWS IoT takes and cryptography reads in part: from the plan to the registration."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from iot_ca.certificates import fields, validation
from iot_ca.certificates import pem as pem_text
from iot_ca.errors import Failure
from tests.support.certificates import der, ec_key, issue, pem
from tests.support.odd_certificates import (
    LATIN_1_SUBJECT,
    ODD_EXTENSIONS,
    make_ca,
    sign_verification,
)
from tests.support.program.fake_aws import FakeAws
from tests.support.program.fake_iot import CODE
from tests.support.program.fake_signers import Issuer
from tests.support.program.in_process import WHERE, Program, once_registered


def cryptography_reads_extensions(text: str) -> bool:
    try:
        _ = x509.load_pem_x509_certificate(text.encode()).extensions
    except (TypeError, ValueError, x509.UnsupportedGeneralNameType):
        return False
    return True


@pytest.mark.parametrize("extensions", ODD_EXTENSIONS.values(), ids=ODD_EXTENSIONS)
@pytest.mark.parametrize("mode", ["SNI_ONLY", "DEFAULT"])
def test_a_ca_with_an_odd_extension_is_registered(
    program: Program, tmp_path: Path, extensions: str, mode: str
) -> None:
    text, key = make_ca(tmp_path, extensions)
    assert not cryptography_reads_extensions(text)
    wanted: dict[str, Any] = {"certificate_pem": text, "certificate_mode": mode}
    if mode == "DEFAULT":
        wanted["verification"] = {"ca_private_key_file": str(key)}
    planned = program.inspect({"root": wanted})["root"]
    assert planned["warnings"] == []
    assert "registered" in program.register(wanted, planned["revision"])


@pytest.mark.parametrize("extensions", ODD_EXTENSIONS.values(), ids=ODD_EXTENSIONS)
def test_a_device_with_an_odd_extension_is_still_not_a_ca(tmp_path: Path, extensions: str) -> None:
    text, _ = make_ca(tmp_path, extensions)
    encoded = der(x509.load_pem_x509_certificate(text.encode()))
    constraints = bytes.fromhex("0603551d130101ff040530030101")
    for value in (b"\x00", b"\x01"):
        # cA is FALSE, and cA is TRUE as BER has it.
        patched = encoded.replace(constraints + b"\xff", constraints + value)
        assert patched != encoded
        certificate = pem_text.parse(pem_text.read(pem_text.from_der(patched)))
        assert fields.is_ca(certificate) is (value != b"\x00")


@pytest.mark.parametrize(
    ("value", "says_ca"),
    [
        ("3000", False),
        ("30030101ff", True),
        ("30060101ff020100", True),
        ("3003020100", False),
        ("0500", None),
        ("", None),
        ("3005", None),
        ("30030101", None),
        ("300301ff", None),
        ("3080", False),
    ],
)
def test_basic_constraints_are_read_or_refused(value: str, says_ca: bool | None) -> None:
    oid = ObjectIdentifier("2.5.29.19")
    constraints = x509.UnrecognizedExtension(oid, bytes.fromhex(value))
    certificate = issue(ec_key(), is_ca=None, extensions=(constraints,))
    if says_ca is None:
        with pytest.raises(Failure, match="basicConstraints can't be read"):
            fields.is_ca(certificate)
    else:
        assert fields.is_ca(certificate) is says_ca


@pytest.mark.parametrize(
    ("value", "may_sign"),
    [
        ("03020106", True),
        ("03020204", True),
        ("03020780", False),
        ("0303070080", False),
        ("030106", False),
        ("0301", False),
        ("0500", False),
        ("", False),
    ],
)
def test_a_key_usage_is_read_or_warned_of(value: str, may_sign: bool) -> None:
    oid = ObjectIdentifier("2.5.29.15")
    usage = x509.UnrecognizedExtension(oid, bytes.fromhex(value))
    certificate = issue(ec_key(), extensions=(usage,))
    assert fields.may_sign_certificates(certificate) is may_sign
    assert bool(validation.warnings(certificate)) is not may_sign


def test_a_key_usage_without_key_cert_sign_is_a_warning(program: Program) -> None:
    # As the acceptance tests of the aws provider register one.
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    wanted = {"certificate_pem": pem(issue(ec_key(), extensions=(usage,)))}
    planned = program.inspect({"root": wanted})["root"]
    (warning,) = planned["warnings"]
    assert warning.startswith("the certificate's key usage lacks keyCertSign")
    assert "registered" in program.register(wanted, planned["revision"])


def test_the_roots_of_browsers_are_read_as_by_cryptography() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial numbers of some
        roots = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        assert len(roots) > 50
        for root in roots:
            extensions = root.extensions
            constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
            assert fields.is_ca(root) is constraints.ca
            usages = [e.value for e in extensions if isinstance(e.value, x509.KeyUsage)]
            assert fields.may_sign_certificates(root) is all(u.key_cert_sign for u in usages)
            assert fields.can_write_subject(root)
            assert fields._subject(root) in root.subject.public_bytes()


# Subjects


KEY_ATTRIBUTES = ("ca_private_key_file", "ca_private_key_secret_arn", "kms_key_id")
SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca-AbCdEf"
PRIVATE_CA_ARN = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/1"


def latin_1_ca(folder: Path) -> tuple[str, Path]:
    """A CA whose subject is Latin-1 in a T61String, and its key."""
    options, subject = LATIN_1_SUBJECT
    text, key = make_ca(folder, options=options, subject=subject)
    with pytest.raises(ValueError, match="subject"):
        _ = x509.load_pem_x509_certificate(text.encode()).subject
    return text, key


def test_a_latin_1_subject_needs_nothing_in_sni_only_mode(program: Program, tmp_path: Path) -> None:
    text, _ = latin_1_ca(tmp_path)
    planned = program.inspect({"root": {"certificate_pem": text}})["root"]
    assert "registered" in program.register({"certificate_pem": text}, planned["revision"])


@pytest.mark.parametrize("attribute", KEY_ATTRIBUTES)
@pytest.mark.parametrize("command", ["inspect", "register"])
def test_a_proof_that_cannot_be_signed_is_refused_with_the_hand_over(
    program: Program, aws: FakeAws, tmp_path: Path, attribute: str, command: str
) -> None:
    text, key = latin_1_ca(tmp_path)
    aws.secrets[SECRET_ARN] = {"SecretString": key.read_text()}
    value = str(key) if attribute == "ca_private_key_file" else SECRET_ARN
    wanted = {
        "certificate_pem": text,
        "certificate_mode": "DEFAULT",
        "verification": {attribute: value},
    }
    if command == "inspect":
        status, out, err = program.query({"root": wanted})
    else:
        status, out, err = program.request("register", program.request_to_register(wanted))
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): the CA's subject is not encoded as X.509 asks")
    assert line.endswith("set verification.certificate_pem")
    assert aws.writes == aws.signs == []


def test_a_proof_that_is_handed_over_registers_a_latin_1_subject(
    program: Program, aws: FakeAws, tmp_path: Path
) -> None:
    text, _ = latin_1_ca(tmp_path)
    wanted = {
        "certificate_pem": text,
        "certificate_mode": "DEFAULT",
        "verification": {"certificate_pem": sign_verification(tmp_path, CODE)},
    }
    planned = program.inspect({"root": wanted})["root"]
    assert "registered" in program.register(wanted, planned["revision"])
    assert program.inspect({"root": wanted})["root"] == once_registered(planned)
    assert aws.writes == ["RegisterCACertificate"]


def test_a_private_ca_is_compared_by_its_encoded_subject(
    program: Program, aws: FakeAws, tmp_path: Path
) -> None:
    text, _ = latin_1_ca(tmp_path)
    certificate = x509.load_pem_x509_certificate(text.encode())
    aws.issuers[PRIVATE_CA_ARN] = Issuer(ec_key(), certificate)
    wanted = {
        "certificate_pem": text,
        "certificate_mode": "DEFAULT",
        "verification": {"acm_pca_arn": PRIVATE_CA_ARN},
    }
    assert program.inspect({"root": wanted})["root"]["warnings"] == []
    aws.issuers[PRIVATE_CA_ARN] = Issuer(ec_key(), issue(ec_key()))
    status, _, (line,) = program.query({"root": wanted})
    assert status == 1
    assert "is another CA than certificate_pem" in line


def test_the_quota_is_explained_for_a_latin_1_subject(
    program: Program, aws: FakeAws, tmp_path: Path
) -> None:
    text, _ = latin_1_ca(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = latin_1_ca(tmp_path / "other")
    program.register({"certificate_pem": text})
    aws.faults["RegisterCACertificate"] = ("LimitExceededException", "Limit reached")
    asked = program.request_to_register({"certificate_pem": other})
    status, _, (line,) = program.request("register", asked)
    assert status == 1
    assert pem_text.read(text).certificate_id in line


@pytest.mark.parametrize("tag", [0x02, 0x1B])
def test_a_subject_that_is_not_text_is_not_written(tag: int) -> None:
    # INTEGER and GeneralString in place of UTF8String.
    encoded = der(issue(ec_key(), common_name="odd"))
    patched = encoded.replace(b"\x0c\x03odd", bytes([tag]) + b"\x03odd")
    assert patched != encoded
    certificate = pem_text.parse(pem_text.read(pem_text.from_der(patched)))
    assert not fields.can_write_subject(certificate)
    assert fields.same_subject(certificate, certificate)
    assert not fields.same_subject(certificate, issue(ec_key(), common_name="odd"))


def test_a_proof_with_an_unreadable_subject_is_refused(program: Program, tmp_path: Path) -> None:
    text, _ = latin_1_ca(tmp_path)
    wanted = {
        "certificate_pem": text,
        "certificate_mode": "DEFAULT",
        # Signed by itself, with the CA's own subject.
        "verification": {"certificate_pem": text},
    }
    status, _, (line,) = program.query({"root": wanted})
    assert status == 1
    assert "the verification certificate's common name is not the registration code" in line


# Validity


def with_start(certificate: x509.Certificate, start: bytes) -> str:
    """The certificate with another start of the validity, as DER has it."""
    encoded = der(certificate)
    old = b"\x18\x0f20500101000000Z"
    assert encoded.count(old) == 1
    assert len(start) == len(old)
    return pem_text.from_der(encoded.replace(old, start))


@pytest.mark.parametrize(
    ("start", "year"),
    [(b"00010101000000Z", 1), (b"09990101000000Z", 999), (b"19490101000000Z", 1949)],
)
def test_a_start_long_ago_is_written_with_four_digits(
    program: Program, start: bytes, year: int
) -> None:
    certificate = issue(
        ec_key(),
        start=datetime(2050, 1, 1, tzinfo=timezone.utc),
        end=datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
    )
    wanted = {"certificate_pem": with_start(certificate, b"\x18\x0f" + start)}
    planned = program.inspect({"root": wanted})["root"]
    assert planned["not_before"] == f"{year:04}-01-01T00:00:00Z"
    assert planned["not_after"] == "9999-12-31T23:59:59Z"
    program.register(wanted, planned["revision"])
    assert program.inspect({"root": wanted})["root"] == once_registered(planned)


def test_a_time_that_is_not_one_costs_one_ca(program: Program) -> None:
    certificate = issue(
        ec_key(),
        start=datetime(2050, 1, 1, tzinfo=timezone.utc),
        end=datetime(2051, 1, 1, tzinfo=timezone.utc),
    )
    year_0 = with_start(certificate, b"\x18\x0f00000101000000Z")
    good = {"certificate_pem": pem(issue(ec_key()))}
    status, out, err = program.query({"bad": {"certificate_pem": year_0}, "good": good})
    assert (status, out) == (1, "")
    assert err == [
        f"iot_ca: bad ({WHERE}): the certificate's validity has a time that is not one; have it "
        "issued again"
    ]
