"""Where the CA's private key is, and how it comes to sign a verification certificate.

In a file, in AWS Secrets Manager, in AWS KMS, or with AWS Private CA as the issuer; or somewhere
else, and somebody hands over the verification certificate. A key that is read is in the memory of
this process until it ends, and never part of a message. `check` issues nothing: it is for a plan.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_ca.aws.registry import Registry
from iot_ca.aws.session import Account
from iot_ca.certificates import pem, validation
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Denied, Failure
from iot_ca.model import DesiredCa, Target, Verification
from iot_ca.ownership import verification_certificate as verification

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    from iot_ca.ownership.verification_certificate import Key

# Such as the parameters of a curve in front of its key.
_ONE_LINE_BLOCK = re.compile(r" *-----BEGIN ([A-Z0-9 ]+)----- *(.*?) *-----END \1-----")

# PEM, base64 of PEM, or what is left of PEM without its first and last line: base64 or hexadecimal
# of DER, also where its line ends have become spaces.
_LIKE_A_KEY = re.compile(
    r"-----|[\r\n\0]|\A *(?:M|LS0t)[0-9A-Za-z+/= ]{60,}\Z|\A[0-9A-Fa-f: ]{100,}\Z|.{1025}"
)

_POLL_SECONDS = 1
_POLLS = 60


@dataclass(frozen=True)
class Claim:
    """The claim to own a CA, to be proved to AWS IoT in one account and region.

    Attributes:
        given: how the user wants it proved.
        authority: the CA's certificate.
        registry: asked for the registration code once all else is known to fit.
        now: when the proof has to be valid.
    """

    given: Verification | None
    authority: x509.Certificate
    registry: Registry
    now: datetime


def claim(desired: DesiredCa, certificate: Certificate, registry: Registry, now: datetime) -> Claim:
    """The claim to a CA, by the `verification` that is wanted for it.

    Raises Failure for a certificate that AWS IoT would not register in any mode.
    """
    authority = pem.parse(certificate)
    validation.check(authority, now)
    return Claim(desired.verification, authority, registry, now)


def check(claim: Claim) -> list[str]:
    """Whether there is a proof of ownership, or the means to make one, that belongs to this CA.

    Nothing is issued or signed. Returns what could not be checked, in words; raises Failure for
    what can't work.
    """
    given, authority, account = claim.given, claim.authority, claim.registry.account
    if given is None:
        raise _missing(claim.registry)
    if given.certificate_pem is not None:
        code = claim.registry.account.registration_code
        verification.check(given.certificate_pem, authority, code, claim.now)
    elif given.acm_pca_arn is not None:
        _check_issuer(given.acm_pca_arn, authority, account)
    else:
        try:
            _key(given, authority, account)
        except Denied as denied:
            if given.ca_private_key_secret_arn is None:
                raise
            # Whoever may only plan should not have to be able to read a CA's key.
            return [f"whether the secret holds this CA's key is not checked before apply: {denied}"]
    return []


def certificate_pem(claim: Claim) -> str:
    """The verification certificate as PEM: the one given, or one that is made now.

    Raises Failure where there is no proof or where it does not belong to this CA, or to the
    registration code of this account and region.
    """
    given, authority, registry = claim.given, claim.authority, claim.registry
    if given is None:
        raise _missing(registry)
    if given.certificate_pem is not None:
        code = registry.account.registration_code
        return verification.check(given.certificate_pem, authority, code, claim.now)
    if given.acm_pca_arn is not None:
        return _issue(given.acm_pca_arn, claim)
    key = _key(given, authority, registry.account)
    return verification.sign(key, authority, registry.account.registration_code, claim.now)


def _missing(registry: Registry) -> Failure:
    return Failure(
        "DEFAULT mode needs a proof of ownership: have the CA's owner sign the request that "
        f"`{_csr(registry.target)} > verification.csr` makes (common name "
        f"{registry.account.registration_code}, the registration code of this account and region) "
        "and set verification.certificate_pem to the certificate; or set verification to where the "
        "CA's key is: ca_private_key_file, ca_private_key_secret_arn, kms_key_id or acm_pca_arn; "
        "SNI_ONLY mode needs none, and a destroy of a CA that is gone already takes -refresh=false"
    )


def _csr(target: Target) -> str:
    """The command that makes the request, with the credentials that the program has here."""
    options = {
        "account-id": target.account_id,
        "region": target.region,
        "profile": target.credentials.profile,
        "role-arn": target.credentials.role_arn,
        "external-id": target.credentials.external_id,
    }
    words = ["python3", _program(), "csr"]
    for name, value in options.items():
        words += [f"--{name}", value] if value else []
    return shlex.join(words)


def _program() -> str:
    """The path of this program's entry point, as short as it gets from the working directory."""
    path = Path(__file__).resolve().parents[1]
    relative = os.path.relpath(path)
    return min(relative, str(path), key=len)


def _key(given: Verification, authority: x509.Certificate, account: Account) -> Key:
    """The CA's private key, or an object that signs as it does."""
    if given.kms_key_id is not None:
        return _kms_key(given.kms_key_id, authority, account)
    if given.ca_private_key_secret_arn is not None:
        where = _where("ca_private_key_secret_arn", given.ca_private_key_secret_arn)
        data = _secret(given.ca_private_key_secret_arn, account)
    else:
        # The one that is left: Verification has exactly one.
        assert given.ca_private_key_file is not None
        where = _where("ca_private_key_file", given.ca_private_key_file)
        data = _file(given.ca_private_key_file, where)
    key = _load(data, where, given.ca_private_key_passphrase_env)
    if key.public_key() != authority.public_key():
        raise Failure(f"{where} is not the key of this CA's certificate; name the CA's own")
    return key


def _where(attribute: str, value: str) -> str:
    """How messages name a place; refuses a key that was given in its stead."""
    if _LIKE_A_KEY.search(value):
        raise Failure(
            f"verification.{attribute} holds a key instead of the place where it is; treat the key "
            "as exposed if this configuration was planned, stored or logged"
        )
    return f"verification.{attribute} {value}"


def _file(path: str, where: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise Failure(f"{where} can't be read: {error.strerror}") from None
    except (RuntimeError, ValueError):
        raise Failure(f"{where} can't be read: no such path") from None


def _secret(arn: str, account: Account) -> bytes:
    """The secret's value; of a JSON object the one member that holds a private key."""
    with account.failures("secretsmanager"):
        client = account.client("secretsmanager", _region_of(arn))
        answer = client.get_secret_value(SecretId=arn)
    if "SecretString" not in answer:
        return bytes(answer.get("SecretBinary", b""))
    text = str(answer["SecretString"])
    try:
        members = json.loads(text)
    except ValueError:
        return text.encode()
    values = members.values() if isinstance(members, dict) else ()
    keys = [each for each in values if isinstance(each, str) and "PRIVATE KEY-----" in each]
    # The console's key/value pairs lose the line ends of what is pasted into them.
    return _with_line_ends(keys[0]).encode() if len(keys) == 1 else text.encode()


def _with_line_ends(pem: str) -> str:
    """PEM text whose line ends have become spaces, or nothing at all, as PEM text again."""
    if "\n" in pem.strip():
        return pem
    return _ONE_LINE_BLOCK.sub(r"\n-----BEGIN \1-----\n\2\n-----END \1-----\n", pem)


def _load(data: bytes, where: str, passphrase_env: str | None) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_pem_private_key,
    )

    load = load_pem_private_key if b"-----BEGIN " in data else load_der_private_key
    passphrase = None
    if passphrase_env is not None:
        passphrase = os.fsencode(os.environ.get(passphrase_env, ""))
        if not passphrase:
            raise Failure(
                # Not quoted: it could be the passphrase itself.
                "verification.ca_private_key_passphrase_env names an environment variable that is "
                "not set, or empty, where Terraform runs; set it there"
            )
    try:
        key = _load_with(load, data, passphrase)
    except TypeError:
        raise Failure(
            f"{where} is encrypted; set verification.ca_private_key_passphrase_env to the name of "
            "an environment variable that holds its passphrase"
        ) from None
    except UnsupportedAlgorithm:
        raise Failure(f"{where} holds a private key of a kind that is not supported") from None
    except ValueError:
        wrong = "" if passphrase is None else ", or its passphrase is another one"
        raise Failure(f"{where} holds no PEM or PKCS#8 private key{wrong}") from None
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise Failure(f"{where} holds neither an RSA nor an EC key; name the CA's own")
    return key


def _load_with(load: Callable[..., Any], data: bytes, passphrase: bytes | None) -> Any:
    try:
        return load(data, password=passphrase)
    except TypeError:
        if passphrase is None:
            raise
        # The key is not encrypted: a passphrase too many does no harm.
        return load(data, password=None)


def _kms_key(key_id: str, authority: x509.Certificate, account: Account) -> Key:
    """An asymmetric key in AWS KMS. GetPublicKey says whose it is, Sign gets a digest."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    from iot_ca.ownership import kms_key

    where = _where("kms_key_id", key_id)
    client = account.client("kms", _region_of(key_id))
    with account.failures("kms"):
        answer = client.get_public_key(KeyId=key_id)
        encoded, usage = answer["PublicKey"], answer["KeyUsage"]
    if usage != "SIGN_VERIFY":
        raise Failure(f"{where} is a key for {usage}; the CA's key is one for SIGN_VERIFY")
    public: Any = None
    with suppress(ValueError, UnsupportedAlgorithm):  # of a kind that no CA here can have
        public = load_der_public_key(encoded)
    if public != authority.public_key():
        raise Failure(f"{where} is not the key of this CA's certificate; name the CA's own")

    def sign(data: bytes, digest: hashes.HashAlgorithm, family: str) -> bytes:
        with account.failures("kms"):
            signed = client.sign(
                KeyId=key_id,
                Message=hashlib.new(digest.name, data).digest(),
                MessageType="DIGEST",
                SigningAlgorithm=f"{family}_SHA_{digest.digest_size * 8}",
            )
            return bytes(signed["Signature"])

    if isinstance(public, rsa.RSAPublicKey):
        return kms_key.rsa_key(public, sign)
    assert isinstance(public, ec.EllipticCurvePublicKey)  # it is the CA's: see certificate.check
    return kms_key.ec_key(public, sign)


def _check_issuer(arn: str, authority: x509.Certificate, account: Account) -> None:
    """Refuse a private CA that is another one; its certificate may be a renewal of this one."""
    from cryptography import x509

    where = _where("acm_pca_arn", arn)
    client = account.client("acm-pca", _region_of(arn))
    with account.failures("acm-pca"):
        answer = client.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
        issuer = x509.load_pem_x509_certificate(answer["Certificate"].encode())
    if (issuer.public_key(), issuer.subject) != (authority.public_key(), authority.subject):
        raise Failure(f"{where} is another CA than certificate_pem; name the one it belongs to")


def _issue(arn: str, claim: Claim) -> str:
    """Have AWS Private CA issue the verification certificate."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    authority, account = claim.authority, claim.registry.account
    _check_issuer(arn, authority, account)
    code = claim.registry.account.registration_code
    request = verification.request(code)
    family = "RSA" if isinstance(authority.public_key(), rsa.RSAPublicKey) else "ECDSA"
    client = account.client("acm-pca", _region_of(arn))
    with account.failures("acm-pca"):
        issued = client.issue_certificate(
            CertificateAuthorityArn=arn,
            Csr=request.encode(),
            # Of the SDK's own second try; a shared CA may let in none but a named template.
            IdempotencyToken=hashlib.sha256(request.encode()).hexdigest()[:32],
            TemplateArn=f"arn:{arn.split(':')[1]}:acm-pca:::template/EndEntityCertificate/V1",
            SigningAlgorithm=f"SHA256WITH{family}",
            # Seconds since 1970 (API reference, Validity).
            Validity={
                "Type": "ABSOLUTE",
                "Value": int(verification.expiry(authority, claim.now).timestamp()),
            },
        )
        names = {"CertificateAuthorityArn": arn, "CertificateArn": issued["CertificateArn"]}
        proof = None
        # Not botocore's waiter: to it a permission that is missing is a wait that was too short.
        for _ in range(_POLLS):
            try:
                proof = client.get_certificate(**names)["Certificate"]
                break
            except client.exceptions.RequestInProgressException:
                time.sleep(_POLL_SECONDS)
    if proof is None:
        raise Failure(
            f"verification.acm_pca_arn {arn} has not issued the verification certificate within "
            f"{_POLLS * _POLL_SECONDS} seconds; see to that CA and apply again"
        )
    return verification.check(proof, authority, code, datetime.now(claim.now.tzinfo))


def _region_of(name: str) -> str | None:
    """The region in an ARN; None for a name that is none."""
    parts = name.split(":")
    return parts[3] if len(parts) > 5 and parts[0] == "arn" else None
