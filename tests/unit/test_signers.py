"""Every way to prove ownership of a CA; no message, repr or traceback shows a key."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from operator import methodcaller
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.x509.oid import NameOID

from iot_ca import ownership, utc
from iot_ca.aws.session import Account
from iot_ca.certificates import pem as pem_text
from iot_ca.errors import Failure
from iot_ca.model import Credentials, DesiredCa, Target, Verification
from iot_ca.ownership import csr, missing, private_ca
from iot_ca.ownership.kms import KmsKey
from iot_ca.ownership.proof import Claim
from tests.support.certificates import NOW, Key, ec_key, issue, key_pem, pem
from tests.support.messages import assert_tells_nothing_of, everything_said
from tests.support.openssl import openssl
from tests.support.program.fake_aws import ACCOUNT, REGION, FakeAws
from tests.support.program.fake_iot import CODE
from tests.support.program.fake_signers import Issuer

KEY = ec_key()
OTHER = ec_key()
ROOT = issue(KEY)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[str, Key] = {
    "p256": KEY,
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": RSA,
}
DIGESTS: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "p256": hashes.SHA256,
    "p384": hashes.SHA384,
    "p521": hashes.SHA512,
    "rsa": hashes.SHA256,
}
PROOFS = (
    *("certificate_pem", "ca_private_key_file", "ca_private_key_secret_arn"),
    *("kms_key_id", "acm_pca_arn"),
)
PASSPHRASE = "correct horse battery staple"
VARIABLE = "CA_PASSPHRASE"
# In another account and region than the CA's.
SECRET = "arn:aws:secretsmanager:us-east-1:999988887777:secret:root-ca-key-AbCdEf"
KMS = "arn:aws:kms:us-west-2:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PCA = "arn:aws:acm-pca:eu-central-1:999988887777:certificate-authority/0001"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_ca, "_POLL_INTERVAL_SECONDS", 0)
    monkeypatch.delenv(VARIABLE, raising=False)


HERE = Target(ACCOUNT, REGION)
CHECK = methodcaller("check")
ISSUE = methodcaller("issue")


def claim(
    given: Verification | None, authority: x509.Certificate = ROOT, target: Target = HERE
) -> Claim:
    """Return the claim to own a CA, in the account and Region of the tests."""
    desired = DesiredCa(pem(authority), "DEFAULT", verification=given)
    return ownership.claim(desired, pem_text.read(desired.certificate_pem), Account(target))


def made(given: Verification, authority: x509.Certificate = ROOT) -> x509.Certificate:
    """The verification certificate that is sent to AWS, which is one that AWS takes."""
    assert claim(given, authority).check() == []
    text = claim(given, authority).issue()
    certificate = x509.load_pem_x509_certificate(text.encode())
    certificate.verify_directly_issued_by(authority)
    (common_name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == CODE
    now = datetime.now(timezone.utc)
    assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    assert certificate.not_valid_after_utc <= now + timedelta(minutes=31)
    assert certificate.public_key() != authority.public_key()
    return certificate


def refused(
    given: Verification | None,
    work: Callable[[Claim], object],
    authority: x509.Certificate = ROOT,
) -> str:
    """The one line with which a proof is refused; nothing of a secret is in it or behind it."""
    with pytest.raises(Failure) as caught:
        work(claim(given, authority))
    everything = everything_said(caught.value)
    for key in (*KEYS.values(), OTHER):
        assert_tells_nothing_of(private_part(key), everything)
    assert PASSPHRASE not in everything
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


def refusal(given: Verification | None, authority: x509.Certificate = ROOT) -> str:
    """The message with which a plan and an apply refuse a proof: the same one."""
    said = refused(given, CHECK, authority)
    assert refused(given, ISSUE, authority) == said
    return said


def private_part(key: Key) -> str:
    """A key as PEM without what is public: the modulus stands at the beginning."""
    lines = key_pem(key).splitlines()
    return "\n".join(lines[len(lines) // 2 :] if isinstance(key, rsa.RSAPrivateKey) else lines)


def key_der(key: Key, password: bytes | None = None) -> bytes:
    """The private key as PKCS#8 in DER."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.DER, PrivateFormat.PKCS8, encryption)


@pytest.fixture
def key_file(tmp_path: Path, aws: FakeAws) -> Callable[[str | bytes], Verification]:
    """Writes a key's file; returns the verification that names it."""
    del aws

    def write(content: str | bytes) -> Verification:
        path = tmp_path / "ca.key"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Verification(ca_private_key_file=str(path))

    return write


KeyFile = Callable[[str | bytes], Verification]


# No proof, or one that is given


@pytest.mark.usefixtures("aws")
def test_a_missing_proof_is_refused_with_every_way_to_give_one() -> None:
    said = refusal(None)
    assert f"iot_ca csr --account-id {ACCOUNT} --region {REGION}` makes" in said
    for name in ("ca_private_key_file", "ca_private_key_secret_arn", "kms_key_id", "acm_pca_arn"):
        assert name in said


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("folder", ["module", "a folder with spaces; and more"])
def test_the_command_for_the_request_works_in_any_folder(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / folder / "scripts" / "iot_ca"
    (script / "ownership").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(missing, "__file__", str(script / "ownership" / "missing.py"))
    command = refusal(None).partition("`")[2].partition("`")[0]
    python, path, csr, *_ = shlex.split(command)
    assert (python, csr) == ("python3", "csr")
    assert Path(path).resolve() == script.resolve()


@pytest.mark.usefixtures("aws")
def test_the_command_for_the_request_has_the_same_credentials(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials(None, f"arn:aws:iam::{ACCOUNT}:role/ca admin", "it's 'me'", None)
    target = Target(ACCOUNT, REGION, credentials)
    with pytest.raises(Failure) as caught:
        claim(None, target=target).check()
    command = str(caught.value).partition("`")[2].partition("`")[0].partition(" > ")[0]
    targets: list[Target] = []
    real = Account.__init__

    def init(self: Account, target: Target) -> None:
        targets.append(target)
        real(self, target)

    monkeypatch.setattr(Account, "__init__", init)
    assert csr.run(shlex.split(command)[3:]) == 0
    # Of the first, the program learns the account's number.
    assert targets == [replace(target, account_id=""), target]
    assert "BEGIN CERTIFICATE REQUEST" in capsys.readouterr().out


@pytest.mark.parametrize("names", [(), *itertools.combinations(PROOFS, 2), PROOFS])
def test_a_verification_with_none_or_several_proofs_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as caught:
        Verification(**dict.fromkeys(names, "x"))
    assert str(caught.value) == f"set exactly one of {', '.join(PROOFS)}"


def given_proof(**options: Any) -> str:
    """A verification certificate as the security team hands it over."""
    issuer = {"issuer": ROOT, "is_ca": False, "subject_key": ec_key()}
    return pem(issue(KEY, **{"common_name": CODE, **issuer, **options}))


def test_a_handed_over_proof_is_sent_unchanged(aws: FakeAws) -> None:
    text = given_proof()
    assert claim(Verification(text)).check() == []
    assert claim(Verification(text)).issue() == text
    assert set(aws.calls) == {"GetCallerIdentity", "GetRegistrationCode"}


@pytest.mark.usefixtures("aws")
def test_a_handed_over_proof_is_checked_in_plan_and_apply() -> None:
    assert "common name is not the registration code" in refusal(
        Verification(given_proof(common_name="other"))
    )
    other = issue(OTHER)
    assert "not signed by this CA" in refusal(Verification(given_proof()), other)
    assert "verification.certificate_pem holds a private key" in refusal(Verification(key_pem(KEY)))


@pytest.mark.usefixtures("aws")
def test_each_proof_of_the_model_has_its_own_way() -> None:
    ways = {name: claim(Verification(**{name: "x"})) for name in PROOFS}
    assert len({type(way) for way in ways.values()}) == len(PROOFS)
    assert {name: getattr(way, "attribute", None) for name, way in ways.items()} == dict(
        zip(PROOFS, PROOFS, strict=True)
    )


def test_the_start_of_the_program_imports_no_way() -> None:
    code = "import sys, iot_ca.cli; print(*sys.modules)"
    path = str(Path(ownership.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path, "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert "iot_ca.cli" in modules
    assert not {"iot_ca.ownership.proof", "iot_ca.ownership.ways"} & modules


@pytest.mark.usefixtures("aws")
def test_no_claim_is_made_for_a_certificate_that_aws_refuses() -> None:
    for given in (None, Verification(given_proof())):
        with pytest.raises(Failure, match="not a CA's"):
            claim(given, issue(KEY, is_ca=False))


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("attribute", PROOFS)
def test_no_repr_shows_a_pasted_key(attribute: str) -> None:
    # Not an EC key: its PEM text and that of the CA's certificate begin in the same way.
    given = Verification(**{attribute: key_pem(RSA)})
    desired = DesiredCa(pem(ROOT), verification=given)
    for shown in (given, desired, claim(given), claim(given).check):
        assert_tells_nothing_of(key_pem(RSA), repr(shown))


# A key in a file


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "encrypted"])
def test_a_key_in_a_file_signs_the_proof(
    kind: str,
    form: PrivateFormat,
    passphrase: str | None,
    key_file: KeyFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = key_file(key_pem(KEYS[kind], form, passphrase and passphrase.encode()))  # type: ignore[arg-type]
    if passphrase:
        monkeypatch.setenv(VARIABLE, passphrase)
        given = replace(given, ca_private_key_passphrase_env=VARIABLE)
    certificate = made(given, issue(KEYS[kind]))
    assert isinstance(certificate.signature_hash_algorithm, DIGESTS[kind])


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_a_key_in_a_file_can_be_der(
    kind: str, key_file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = issue(KEYS[kind])
    made(key_file(key_der(KEYS[kind])), authority)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    given = key_file(key_der(KEYS[kind], PASSPHRASE.encode()))
    made(replace(given, ca_private_key_passphrase_env=VARIABLE), authority)


def test_a_key_of_openssl_ecparam_is_read(key_file: KeyFile, tmp_path: Path) -> None:
    # With a block of curve parameters in front of the key.
    text = openssl("ecparam", "-name", "prime256v1", "-genkey", folder=tmp_path)
    assert text.startswith("-----BEGIN EC PARAMETERS-----")
    key = serialization.load_pem_private_key(text.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made(key_file(text), issue(key))


def test_a_passphrase_for_an_unencrypted_key_is_ignored(
    key_file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    made(replace(key_file(key_pem(KEY)), ca_private_key_passphrase_env=VARIABLE))


def test_a_tilde_stands_for_the_home_folder(
    key_file: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file(key_pem(KEY))
    monkeypatch.setenv("HOME", str(tmp_path))
    made(Verification(ca_private_key_file="~/ca.key"))


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_without_passphrase_is_refused(
    form: PrivateFormat, key_file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = key_file(key_pem(KEY, form, PASSPHRASE.encode()))
    said = refusal(given)
    assert "is encrypted; set verification.ca_private_key_passphrase_env" in said
    with_variable = replace(given, ca_private_key_passphrase_env=VARIABLE)
    for value in (None, ""):
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        said = refusal(with_variable)
        assert said.startswith("verification.ca_private_key_passphrase_env names an environment")
        assert "not set, or empty" in said
        # It could be the passphrase itself.
        assert VARIABLE not in said
    monkeypatch.setenv(VARIABLE, "wrong " + PASSPHRASE)
    assert "or its passphrase is another one" in refusal(with_variable)


@pytest.mark.parametrize("passphrase", [b"gr\xc3\xb6\xc3\x9fer", b"gr\xf6\xdfer \xff"])
def test_a_passphrase_is_the_raw_bytes_of_the_environment(
    passphrase: bytes, key_file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = key_file(key_pem(KEY, password=passphrase))
    # In whatever encoding the shell has.
    monkeypatch.setitem(os.environb, VARIABLE.encode(), passphrase)
    made(replace(given, ca_private_key_passphrase_env=VARIABLE))


def test_a_passphrase_pasted_as_variable_name_is_not_shown(key_file: KeyFile) -> None:
    given = key_file(key_pem(KEY, password=PASSPHRASE.encode()))
    said = refusal(replace(given, ca_private_key_passphrase_env=PASSPHRASE))
    assert "names an environment variable that is not set" in said


def bad_key_files(folder: Path) -> dict[str, tuple[str, str]]:
    """By what is wrong: the path, and what is said then."""
    contents: dict[str, tuple[str | bytes, str]] = {
        "other": (key_pem(OTHER), "is not the key of this CA's certificate"),
        "other-sort": (key_pem(RSA), "is not the key of this CA's certificate"),
        "der-other": (key_der(OTHER), "is not the key of this CA's certificate"),
        "ed25519": (key_pem(ed25519.Ed25519PrivateKey.generate()), "neither an RSA nor an EC key"),
        "certificate": (pem(ROOT), "holds no PEM or PKCS#8 private key"),
        "truncated": (key_pem(KEY)[:120], "holds no PEM or PKCS#8 private key"),
        "second-half": (key_pem(KEY)[60:], "holds no PEM or PKCS#8 private key"),
        "damaged": (key_pem(KEY).replace("M", "N"), "holds no PEM or PKCS#8 private key"),
        "half-der": (key_der(KEY)[:60], "holds no PEM or PKCS#8 private key"),
        "empty": ("", "holds no PEM or PKCS#8 private key"),
    }
    for file, (content, _) in contents.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / file).write_bytes(data)
    said = {file: said for file, (_, said) in contents.items()}
    said |= {"missing": "can't be read: No such file", ".": "can't be read: Is a directory"}
    paths = {file: (str(folder / file), text) for file, text in said.items()}
    return paths | {
        "home-of-nobody": ("~no-such-user/ca.key", "can't be read"),
        "endless": ("/dev/zero", "holds no PEM or PKCS#8 private key"),
        "no-path": ("ca.key\0", "is not a path"),
        # file("ca.key") in place of "ca.key": nothing of it may be repeated.
        "the-key-itself": (key_pem(KEY), "holds a key instead of the place where it is"),
        "the-key-on-one-line": (key_pem(KEY).replace("\n", ""), "holds a key instead of"),
    }


BAD_KEY_FILES = sorted(
    {
        *("other", "other-sort", "der-other", "ed25519", "certificate", "truncated", "second-half"),
        *("damaged", "half-der", "empty", "missing", ".", "home-of-nobody", "no-path"),
        "endless",
        *("the-key-itself", "the-key-on-one-line"),
    }
)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("kind", BAD_KEY_FILES)
def test_an_unusable_key_file_is_named_and_not_shown(kind: str, tmp_path: Path) -> None:
    path, said = bad_key_files(tmp_path)[kind]
    refused_with = refusal(Verification(None, path))
    assert said in refused_with
    assert refused_with.startswith("verification.ca_private_key_file")


def test_every_bad_key_file_is_tried(tmp_path: Path) -> None:
    assert sorted(bad_key_files(tmp_path)) == BAD_KEY_FILES


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "attribute", ["ca_private_key_file", "ca_private_key_secret_arn", "kms_key_id", "acm_pca_arn"]
)
def test_a_key_pasted_as_location_is_called_exposed(attribute: str) -> None:
    said = refusal(Verification(**{attribute: key_pem(KEY)}))
    assert said.startswith(f"verification.{attribute} holds a key instead of the place where it is")
    assert "treat the key as exposed" in said


def what_is_left_of(key: Key, form: PrivateFormat) -> dict[str, str]:
    """A key in the forms in which one is pasted by mistake."""
    text = key_pem(key, form)
    lines = text.splitlines()
    encoded = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    return {
        "PEM": text,
        "PEM with spaces": " ".join(lines),
        "PEM without its first line": "\n".join(lines[1:]),
        "body on lines": "\n".join(lines[1:-1]),
        "body with spaces": " ".join(lines[1:-1]),
        "base64": "".join(lines[1:-1]),
        "base64 of PEM": base64.b64encode(text.encode()).decode(),
        "hex": encoded.hex(),
        "HEX": encoded.hex().upper(),
        "hex with colons": encoded.hex(":"),
        "hex with spaces": encoded.hex(" "),
    }


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_pasted_as_location_is_not_shown_in_any_form(kind: str, form: PrivateFormat) -> None:
    for shape, text in what_is_left_of(KEYS[kind], form).items():
        for attribute in PROOFS[1:]:
            said = refusal(Verification(**{attribute: text}))
            assert said == (
                f"verification.{attribute} holds a key instead of the place where it is; treat the "
                "key as exposed if this configuration was planned, stored or logged"
            ), shape


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "path",
    [
        *("M" + "y" * 50, "My Documents/Customers & Co/2025/certificates/production/root-ca.key"),
        *("/MIIE/" + "a" * 200 + "/root.key", "C:\\keys\\root.pem", "a" * 64, "./" + "f" * 128),
        *("~/Schlüssel/Größe/" + "x" * 200, "x" * 1024),
        *("MyCompany/" + "certificates/" * 8 + "key", "Main/" + "level/" * 20, "MQ" + "x" * 80),
    ],
)
def test_a_long_path_is_not_taken_for_a_key(path: str) -> None:
    said = refused(Verification(ca_private_key_file=path), CHECK)
    assert said.startswith(f"verification.ca_private_key_file {path} can't be read")


NOUNS = {
    "ca_private_key_file": "a path",
    "ca_private_key_secret_arn": "the ARN of a secret",
    "kms_key_id": "the ID, the ARN or an alias of a KMS key",
    "acm_pca_arn": "the ARN of a private CA",
}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("attribute", NOUNS)
@pytest.mark.parametrize(
    "value",
    [
        *("keys/ca.key\n", "ca.key\r\n", "keys/a\nkeys/b", "ca\0.key", "ca\x1b[2J.key", "x" * 1025),
        *("ab/" * 400, '{"kty": "EC", "d": "c2VjcmV0"}', '"ca.key"', "MIIE/" * 300 + "."),
    ],
)
def test_a_value_that_is_not_a_location_is_called_so_and_not_shown(
    attribute: str, value: str
) -> None:
    said = refusal(Verification(**{attribute: value}))
    reason = "a line break, a quotation mark or a control character"
    if len(value) > 1024:
        reason = f"{len(value)} characters"
    noun = NOUNS[attribute]
    assert said == f"verification.{attribute} is not {noun}: it has {reason}; set it to {noun}"


# What a plan may do


@pytest.mark.parametrize("where", ["file", "secret", "kms", "pca"])
def test_a_check_signs_and_issues_nothing(where: str, key_file: KeyFile, aws: FakeAws) -> None:
    aws.secrets[SECRET] = {"SecretString": key_pem(KEY)}
    aws.keys[KMS] = (KEY, "SIGN_VERIFY")
    aws.issuers[PCA] = Issuer(KEY, ROOT)
    given, calls = {
        "file": (key_file(key_pem(KEY)), []),
        "secret": (Verification(ca_private_key_secret_arn=SECRET), ["GetSecretValue"]),
        "kms": (Verification(kms_key_id=KMS), ["GetPublicKey"]),
        "pca": (Verification(acm_pca_arn=PCA), ["GetCertificateAuthorityCertificate"]),
    }[where]
    assert claim(given).check() == []
    assert aws.calls == calls
    assert aws.writes == aws.signs == []


@pytest.mark.parametrize("where", ["file", "secret", "kms", "pca"])
def test_the_key_of_another_ca_is_refused_before_signing(
    where: str, key_file: KeyFile, aws: FakeAws
) -> None:
    aws.secrets[SECRET] = {"SecretString": key_pem(OTHER)}
    aws.keys[KMS] = (OTHER, "SIGN_VERIFY")
    # Of the same name, as when somebody has made a new CA of it.
    aws.issuers[PCA] = Issuer(OTHER, issue(OTHER))
    given, said = {
        "file": (key_file(key_pem(OTHER)), "is not the key of this CA's certificate"),
        "secret": (
            Verification(ca_private_key_secret_arn=SECRET),
            f"ca_private_key_secret_arn {SECRET} is not the key of this CA's certificate",
        ),
        "kms": (
            Verification(kms_key_id=KMS),
            f"verification.kms_key_id {KMS} is not the key of this CA's certificate",
        ),
        "pca": (
            Verification(acm_pca_arn=PCA),
            f"verification.acm_pca_arn {PCA} is another CA than certificate_pem",
        ),
    }[where]
    assert said in refusal(given)
    assert aws.writes == aws.signs == []
    # Nor is anybody asked for the code of this account: it is not known to be needed.
    assert "GetRegistrationCode" not in aws.calls


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetSecretValue", "secretsmanager:GetSecretValue"),
        ("GetPublicKey", "kms:GetPublicKey"),
        ("Sign", "kms:Sign"),
        ("GetCertificateAuthorityCertificate", "acm-pca:GetCertificateAuthorityCertificate"),
        ("IssueCertificate", "acm-pca:IssueCertificate"),
        ("GetCertificate", "acm-pca:GetCertificate"),
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_missing_permission_is_named(
    operation: str, action: str, code: str, aws: FakeAws
) -> None:
    aws.secrets[SECRET] = {"SecretString": key_pem(KEY)}
    aws.keys[KMS] = (KEY, "SIGN_VERIFY")
    aws.issuers[PCA] = Issuer(KEY, ROOT)
    given = {
        "secretsmanager": Verification(ca_private_key_secret_arn=SECRET),
        "kms": Verification(kms_key_id=KMS),
        "acm-pca": Verification(acm_pca_arn=PCA),
    }[action.partition(":")[0]]
    aws.faults[operation] = (code, "no")
    said = refused(given, ISSUE)
    assert f"may not call {action}; allow it" in said


def test_a_plan_without_access_to_the_secret_only_warns(aws: FakeAws) -> None:
    aws.secrets[SECRET] = {"SecretString": key_pem(KEY)}
    aws.faults["GetSecretValue"] = ("AccessDeniedException", "no")
    given = Verification(ca_private_key_secret_arn=SECRET)
    (warning,) = claim(given).check()
    assert "is not checked before apply" in warning
    assert "secretsmanager:GetSecretValue" in warning
    assert len(warning.splitlines()) == 1
    assert "secretsmanager:GetSecretValue" in refused(given, ISSUE)


@pytest.mark.parametrize(
    ("given", "operation"),
    [
        (Verification(kms_key_id=KMS), "GetPublicKey"),
        (Verification(acm_pca_arn=PCA), "GetCertificateAuthorityCertificate"),
    ],
)
def test_a_plan_needs_access_to_public_keys_and_certificates(
    given: Verification, operation: str, aws: FakeAws
) -> None:
    aws.faults[operation] = ("AccessDeniedException", "no")
    assert operation in refusal(given)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    "given",
    [
        Verification(ca_private_key_secret_arn=SECRET),
        Verification(kms_key_id=KMS),
        Verification(acm_pca_arn=PCA),
    ],
)
def test_a_secret_key_or_ca_that_does_not_exist_fails_the_plan(given: Verification) -> None:
    assert "fix the cause that AWS reports" in refusal(given)


# A key in AWS Secrets Manager

ONE_LINE = key_pem(KEY).replace("\n", " ").strip()


@pytest.mark.parametrize(
    "value",
    [
        {"SecretString": key_pem(KEY)},
        {"SecretString": key_pem(KEY, PrivateFormat.TraditionalOpenSSL)},
        {"SecretString": key_pem(KEY).replace("\n", "\r\n")},
        {"SecretBinary": key_pem(KEY).encode()},
        {"SecretBinary": key_der(KEY)},
        {"SecretString": json.dumps({"key": key_pem(KEY)})},
        {"SecretString": json.dumps({"certificate": pem(ROOT), "key": key_pem(KEY), "n": 1})},
        {"SecretString": json.dumps({"key": ONE_LINE})},
        {"SecretString": json.dumps({"key": ONE_LINE.replace(" MIG", "MIG")})},
        {"SecretString": json.dumps({"key": key_pem(KEY).replace("\n", "")})},
        {
            "SecretString": json.dumps(
                {
                    # As `openssl ecparam -genkey` writes it.
                    "key": "-----BEGIN EC PARAMETERS----- BggqhkjOPQMBBw== "
                    "-----END EC PARAMETERS----- "
                    + key_pem(KEY, PrivateFormat.TraditionalOpenSSL).replace("\n", " ")
                }
            )
        },
    ],
    ids=[
        *("pem", "traditional", "crlf", "binary", "der", "json", "json-of-several"),
        *("console", "console-less-spaces", "console-no-spaces", "console-with-parameters"),
    ],
)
def test_a_key_in_a_secret_signs_the_proof(value: dict[str, Any], aws: FakeAws) -> None:
    aws.secrets[SECRET] = value
    made(Verification(ca_private_key_secret_arn=SECRET))
    # Asked where the secret is, which may be another region than the CA's.
    assert ("secretsmanager", "us-east-1") in aws.clients


@pytest.mark.parametrize("binary", [True, False])
def test_a_key_in_a_secret_can_be_encrypted(
    binary: bool, aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = key_pem(KEY, password=PASSPHRASE.encode())
    aws.secrets[SECRET] = {"SecretBinary": text.encode()} if binary else {"SecretString": text}
    assert "is encrypted" in refusal(Verification(ca_private_key_secret_arn=SECRET))
    given = Verification(
        ca_private_key_secret_arn=SECRET, ca_private_key_passphrase_env="CA_PASSPHRASE"
    )
    assert "not set, or empty" in refusal(given)
    monkeypatch.setenv(VARIABLE, PASSPHRASE[1:])
    assert "its passphrase is another one" in refusal(given)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    made(given)


@pytest.mark.parametrize(
    "value",
    [
        {"SecretString": ""},
        {"SecretString": "null"},
        {"SecretString": json.dumps(key_pem(KEY))},
        {"SecretString": json.dumps([key_pem(KEY)])},
        {"SecretString": json.dumps({"one": key_pem(KEY), "two": key_pem(OTHER)})},
        {"SecretString": json.dumps({"certificate": pem(ROOT)})},
        {"SecretString": json.dumps({"key": {"inner": key_pem(KEY)}})},
        {"SecretString": json.dumps({"key": key_pem(KEY)[:100]})},
        {"SecretString": key_pem(KEY).replace("M", "N")},
        {"SecretString": "ü -----BEGIN "},
        {"SecretBinary": b"\xff\xfe\x00"},
        {"SecretBinary": b""},
        {},
    ],
    ids=[
        *("empty", "null", "json-text", "json-list", "two-keys", "no-key", "nested", "truncated"),
        *("damaged", "no-pem", "junk", "empty-binary", "nothing"),
    ],
)
def test_a_secret_without_a_key_is_named_and_not_shown(value: dict[str, Any], aws: FakeAws) -> None:
    aws.secrets[SECRET] = value
    said = refusal(Verification(ca_private_key_secret_arn=SECRET))
    assert said == (
        f"verification.ca_private_key_secret_arn {SECRET} holds no PEM or PKCS#8 private key"
    )


# A key in AWS KMS


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_in_kms_signs_the_proof(kind: str, aws: FakeAws) -> None:
    aws.keys[KMS] = (KEYS[kind], "SIGN_VERIFY")
    certificate = made(Verification(kms_key_id=KMS), issue(KEYS[kind]))
    assert isinstance(certificate.signature_hash_algorithm, DIGESTS[kind])
    assert aws.signs == ["Sign"]
    (request,) = aws.sent("Sign")
    # What is signed goes there as a digest: a certificate may be longer than KMS takes.
    assert request["MessageType"] == "DIGEST"
    assert len(request["Message"]) == DIGESTS[kind]().digest_size
    assert ("kms", "us-west-2") in aws.clients


@pytest.mark.parametrize(
    ("key_id", "region"),
    [
        ("alias/root-ca", REGION),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", REGION),
        ("mrk-1234abcd12ab34cd56ef1234567890ab", REGION),
        ("arn:aws:kms:us-west-2:999988887777:alias/root-ca", "us-west-2"),
    ],
)
def test_a_key_in_kms_has_an_id_an_arn_or_an_alias(key_id: str, region: str, aws: FakeAws) -> None:
    aws.keys[key_id] = (KEY, "SIGN_VERIFY")
    made(Verification(kms_key_id=key_id))
    assert {where for service, where in aws.clients if service == "kms"} == {region}


@pytest.mark.parametrize("usage", ["ENCRYPT_DECRYPT", "KEY_AGREEMENT"])
def test_a_key_in_kms_that_cannot_sign_is_refused(usage: str, aws: FakeAws) -> None:
    aws.keys[KMS] = (RSA, usage)
    said = refusal(Verification(kms_key_id=KMS), issue(RSA))
    assert f"is a key for {usage}; the CA's key is one for SIGN_VERIFY" in said


def test_a_key_in_kms_of_another_type_is_refused(aws: FakeAws) -> None:
    for kind in ("rsa", "p384"):
        aws.keys[KMS] = (KEYS[kind], "SIGN_VERIFY")
        assert "is not the key of this CA's certificate" in refusal(Verification(kms_key_id=KMS))


def test_a_symmetric_key_in_kms_is_refused(aws: FakeAws) -> None:
    aws.faults["GetPublicKey"] = ("UnsupportedOperationException", "KeySpec is SYMMETRIC_DEFAULT")
    said = refusal(Verification(kms_key_id=KMS))
    assert "GetPublicKey failed" in said
    assert "SYMMETRIC_DEFAULT" in said


def test_a_key_that_is_disabled_before_signing_is_one_line(aws: FakeAws) -> None:
    aws.keys[KMS] = (KEY, "SIGN_VERIFY")
    aws.faults["Sign"] = ("DisabledException", "is disabled.")
    said = refused(Verification(kms_key_id=KMS), ISSUE)
    assert "Sign failed" in said
    assert "is disabled." in said


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_a_key_in_kms_cannot_be_exported(kind: str, aws: FakeAws) -> None:
    aws.keys[KMS] = (KEYS[kind], "SIGN_VERIFY")
    way = claim(Verification(kms_key_id=KMS), issue(KEYS[kind]))
    assert isinstance(way, KmsKey)
    key = way.key()
    assert key.key_size == KEYS[kind].key_size
    for name in ("private_numbers", "private_bytes"):
        with pytest.raises(NotImplementedError, match="the private key is in AWS KMS"):
            getattr(key, name)()


# AWS Private CA


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
@pytest.mark.parametrize("delay", [0, 1, 3])
def test_a_private_ca_issues_the_proof(kind: str, delay: int, aws: FakeAws) -> None:
    authority = issue(KEYS[kind])
    aws.issuers[PCA] = Issuer(KEYS[kind], authority, delay)
    made(Verification(acm_pca_arn=PCA), authority)
    assert aws.signs == ["IssueCertificate"]
    assert aws.calls.count("GetCertificate") == delay + 1
    assert ("acm-pca", "eu-central-1") in aws.clients
    (request,) = aws.sent("IssueCertificate")
    csr = x509.load_pem_x509_csr(request["Csr"])
    assert csr.subject.rfc4514_string() == f"CN={CODE}"
    assert csr.public_key() != authority.public_key()
    expiry = datetime.fromtimestamp(request["Validity"]["Value"], timezone.utc)
    now = utc.now()
    assert now < expiry <= now + timedelta(minutes=31)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_a_private_ca_gets_a_named_template_and_a_token(partition: str, aws: FakeAws) -> None:
    arn = PCA.replace("arn:aws:", f"arn:{partition}:")
    aws.issuers[arn] = Issuer(KEY, ROOT)
    made(Verification(acm_pca_arn=arn))
    made(Verification(acm_pca_arn=arn))
    first, second = aws.sent("IssueCertificate")
    template = "acm-pca:::template/EndEntityCertificate/V1"
    assert first["TemplateArn"] == second["TemplateArn"] == f"arn:{partition}:{template}"
    # Another request is another certificate; only the same one sent again is not.
    assert first["IdempotencyToken"] != second["IdempotencyToken"]


def test_a_proof_of_a_private_ca_expires_before_the_ca(aws: FakeAws) -> None:
    # Of this moment, not of the import's: the certificate is checked when it has been issued.
    end = utc.now() + timedelta(minutes=4)
    authority = issue(KEY, end=end)
    aws.issuers[PCA] = Issuer(KEY, authority)
    made(Verification(acm_pca_arn=PCA), authority)
    (request,) = aws.sent("IssueCertificate")
    assert request["Validity"]["Value"] <= end.timestamp()


def test_a_renewed_private_ca_issues_the_proof(aws: FakeAws) -> None:
    # Of the same key and name; the one that is registered is the older one.
    aws.issuers[PCA] = Issuer(KEY, issue(KEY, end=NOW + timedelta(days=3650)))
    made(Verification(acm_pca_arn=PCA))


def test_a_private_ca_with_another_subject_is_refused(aws: FakeAws) -> None:
    aws.issuers[PCA] = Issuer(KEY, issue(KEY, common_name="another"))
    assert "is another CA than certificate_pem" in refusal(Verification(acm_pca_arn=PCA))


def test_a_private_ca_that_takes_too_long_is_named(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_ca, "_MAX_POLLS", 3)
    aws.issuers[PCA] = Issuer(KEY, ROOT, delay=99)
    said = refused(Verification(acm_pca_arn=PCA), ISSUE)
    assert said.startswith(f"verification.acm_pca_arn {PCA} has not issued the verification")
    assert "apply again" in said
    assert aws.calls.count("GetCertificate") == 3


def test_a_private_ca_that_is_not_active_is_one_line(aws: FakeAws) -> None:
    aws.issuers[PCA] = Issuer(KEY, ROOT)
    aws.faults["GetCertificateAuthorityCertificate"] = ("InvalidStateException", "Not active.")
    assert "Not active." in refusal(Verification(acm_pca_arn=PCA))


def test_a_proof_of_a_private_ca_with_another_name_is_refused(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.issuers[PCA] = Issuer(KEY, ROOT)
    other = {"Certificate": given_proof(common_name="other"), "CertificateChain": ""}
    monkeypatch.setattr(aws, "_GetCertificate", lambda **_: other)
    said = refused(Verification(acm_pca_arn=PCA), ISSUE)
    assert "common name is not the registration code" in said
