"""Every way to prove ownership of a CA: CAs with their keys in files, secrets, KMS and Private CA.

authorities = every_signer(account, other, folder)
stack.want({name: signer.wanted() for name, signer in authorities.items()})
stack.apply(env=ENVIRONMENT)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.support.accounts import Account
from tests.support.certificates import CA, Key, new_ca
from tests.support.openssl import openssl
from tests.support.sandbox.kms_keys import kms_ca
from tools.checkout import ROOT

PASSPHRASE_VARIABLE = "CA_KEY_PASSPHRASE"
PASSPHRASE = "correct-horse-battery-staple"
ENVIRONMENT = {PASSPHRASE_VARIABLE: PASSPHRASE}

NOT_THE_KEY = "is not the key of this CA's certificate"
# What messages say of a proof of another CA.
REFUSALS = {
    "certificate_pem": "the verification certificate is not signed by this CA",
    "ca_private_key_file": NOT_THE_KEY,
    "ca_private_key_secret_arn": NOT_THE_KEY,
    "kms_key_id": NOT_THE_KEY,
    "acm_pca_arn": "is another CA than certificate_pem",
}


@dataclass(frozen=True)
class Signer:
    """A CA, and where the module finds the proof that it is owned.

    Attributes:
        verification: the module's argument of that name.
        key: the private key, if it was made here.
        stored: the text or bytes in which that key is kept where `verification` points to.
        lose, restore: let `verification` lead to what is not the CA's, or not usable; and undo it.
        lost: what an apply says of it then.
        place: account, service and ID of a key that AWS has made.
    """

    pem: str
    verification: Mapping[str, str]
    lose: Callable[[], object]
    restore: Callable[[], object]
    lost: str = NOT_THE_KEY
    key: Key | None = field(default=None, repr=False)
    stored: bytes = field(default=b"", repr=False)
    key_location: tuple[str, str, str] | None = None

    @property
    def id(self) -> str:
        """The CA's ID."""
        return self.ca.id

    @property
    def ca(self) -> CA:
        """The CA; it can sign only if its key was made here."""
        certificate = x509.load_pem_x509_certificate(self.pem.encode())
        return CA(certificate, self.key)  # type: ignore[arg-type]

    @property
    def attribute(self) -> str:
        """Which way it is."""
        return next(name for name in self.verification if name in REFUSALS)

    def wanted(self, **settings: Any) -> dict[str, Any]:
        """The CA as a configuration has it."""
        return {
            "certificate_pem": self.pem,
            "certificate_mode": "DEFAULT",
            "verification": dict(self.verification),
            **settings,
        }


def every_signer(account: Account, other: Account, folder: Path) -> dict[str, Signer]:
    """CAs for `account`, by a name for the way; some keys are in `other`, which lets it in."""
    return {
        "handed-over": _handed_over(account, folder),
        "file": _file(folder, "file"),
        "file-pkcs8": _file(folder, "file-pkcs8", encrypted=True),
        "file-traditional": _file(
            folder,
            "file-traditional",
            encrypted=True,
            key=rsa.generate_private_key(65537, 2048),
            form=PrivateFormat.TraditionalOpenSSL,
        ),
        "file-der": _file(folder, "file-der", encoding=Encoding.DER),
        "secret": secret(account, account, "secret", lambda pem: pem),
        "secret-json": secret(
            account, account, "secret-json", lambda pem: json.dumps({"user": "ca", "key": pem})
        ),
        "secret-foreign": secret(other, account, "secret-foreign", lambda pem: pem, encrypted=True),
        "kms-rsa": kms(account, account, "RSA_2048"),
        "kms-alias": kms(account, account, "ECC_NIST_P384", alias="alias/kms-alias"),
        "kms-foreign": kms(other, account, "ECC_NIST_P256"),
        "pca-rsa": private_ca(account, account, "RSA_2048", "SHA256WITHRSA"),
        "pca-foreign": private_ca(other, account, "EC_prime256v1", "SHA256WITHECDSA"),
    }


def sign_by_hand(account: Account, ca: CA, folder: Path) -> str:
    """What the module's documents tell: the program's request, signed with the owner's openssl."""
    request = subprocess.run(
        [
            *(sys.executable, str(ROOT / "scripts" / "iot_ca"), "csr"),
            *("--account-id", account.number, "--region", account.region),
        ],
        env={**os.environ, **account.sandbox.environment(account.number, account.region)},
        check=True,
        capture_output=True,
        text=True,
    )
    (folder / "verification.csr").write_text(request.stdout)
    (folder / "owner.pem").write_text(ca.pem)
    ca.key_file(folder, "owner.key")
    openssl(
        *("x509", "-req", "-in", "verification.csr", "-CA", "owner.pem", "-CAkey", "owner.key"),
        *("-CAcreateserial", "-days", "1", "-sha256", "-out", "verification.pem"),
        folder=folder,
    )
    return (folder / "verification.pem").read_text()


def _handed_over(account: Account, folder: Path) -> Signer:
    ca = new_ca("handed-over")
    verification = {"certificate_pem": sign_by_hand(account, ca, folder)}

    def restore() -> None:
        verification["certificate_pem"] = sign_by_hand(account, ca, folder)

    return Signer(
        ca.pem,
        verification,
        # The next request gets another code.
        lose=account.iot.delete_registration_code,
        restore=restore,
        lost="is not the registration code of this account and region",
        key=ca.key,
    )


def _file(
    folder: Path,
    name: str,
    *,
    encrypted: bool = False,
    key: Key | None = None,
    encoding: Encoding = Encoding.PEM,
    form: PrivateFormat = PrivateFormat.PKCS8,
) -> Signer:
    ca, another, path = new_ca(name, key=key), new_ca(name), folder / f"{name}.key"
    passphrase = {"ca_private_key_passphrase_env": PASSPHRASE_VARIABLE} if encrypted else {}

    def text(key: Key) -> bytes:
        return key.private_bytes(encoding, form, _encryption(encrypted))

    stored = text(ca.key)
    path.write_bytes(stored)
    return Signer(
        ca.pem,
        {"ca_private_key_file": str(path), **passphrase},
        lose=lambda: path.write_bytes(text(another.key)),
        restore=lambda: path.write_bytes(stored),
        key=ca.key,
        stored=stored,
    )


def _encryption(encrypted: bool) -> BestAvailableEncryption | NoEncryption:
    return BestAvailableEncryption(PASSPHRASE.encode()) if encrypted else NoEncryption()


def secret(
    holder: Account,
    user: Account,
    name: str,
    wrap: Callable[[str], str],
    *,
    encrypted: bool = False,
) -> Signer:
    """A CA whose key is in a secret of `holder`'s, in the form that `wrap` gives its PEM."""
    ca, another = new_ca(name), new_ca(name)
    passphrase = {"ca_private_key_passphrase_env": PASSPHRASE_VARIABLE} if encrypted else {}
    client = holder.client("secretsmanager")

    def text(key: Key) -> str:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, _encryption(encrypted))
        return wrap(pem.decode())

    stored = text(ca.key)
    policy = _policy(holder, user, "kms:Decrypt")
    key_arn = holder.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    arn = client.create_secret(Name=name, SecretString=stored, KmsKeyId=key_arn)["ARN"]
    if holder != user:
        policy = _policy(None, user, "secretsmanager:GetSecretValue")
        client.put_resource_policy(SecretId=arn, ResourcePolicy=policy)
    return Signer(
        ca.pem,
        {"ca_private_key_secret_arn": arn, **passphrase},
        lose=lambda: client.put_secret_value(SecretId=arn, SecretString=text(another.key)),
        restore=lambda: client.put_secret_value(SecretId=arn, SecretString=stored),
        key=ca.key,
        stored=stored.encode(),
    )


def kms(holder: Account, user: Account, spec: str, alias: str | None = None) -> Signer:
    """A CA whose key is in `holder`'s KMS."""
    client = holder.client("kms")
    policy = _policy(holder, user, "kms:GetPublicKey", "kms:Sign")
    arn, ca = kms_ca(client, spec, Policy=policy)
    key_id = arn.rpartition("/")[2]
    key_location = (holder.number, "kms", key_id)
    if alias is not None:
        another, _ = kms_ca(client, spec, Policy=policy)
        client.create_alias(AliasName=alias, TargetKeyId=key_id)
        return Signer(
            ca.pem,
            {"kms_key_id": alias},
            lose=lambda: client.update_alias(AliasName=alias, TargetKeyId=another),
            restore=lambda: client.update_alias(AliasName=alias, TargetKeyId=key_id),
            key_location=key_location,
        )
    return Signer(
        ca.pem,
        {"kms_key_id": key_id if holder == user else arn},
        lose=lambda: client.disable_key(KeyId=key_id),
        restore=lambda: client.enable_key(KeyId=key_id),
        lost="is disabled",
        key_location=key_location,
    )


def private_ca(holder: Account, user: Account, key: str, algorithm: str) -> Signer:
    """A CA that is a private CA of `holder`'s."""
    client = holder.client("acm-pca")
    answer = client.create_certificate_authority(
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": key,
            "SigningAlgorithm": algorithm,
            "Subject": {"CommonName": f"Private CA {key}", "Organization": "Example"},
        },
        CertificateAuthorityType="ROOT",
    )
    arn = str(answer["CertificateAuthorityArn"])
    ca = {"CertificateAuthorityArn": arn}
    issued = client.issue_certificate(
        **ca,
        Csr=client.get_certificate_authority_csr(**ca)["Csr"].encode(),
        SigningAlgorithm=algorithm,
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
        Validity={"Type": "YEARS", "Value": 10},
    )
    names = {**ca, "CertificateArn": issued["CertificateArn"]}
    try:
        pem = client.get_certificate(**names)["Certificate"]
    except ClientError:  # as AWS: it is not there at once
        pem = client.get_certificate(**names)["Certificate"]
    client.import_certificate_authority_certificate(**ca, Certificate=pem.encode())
    if holder != user:
        client.put_policy(ResourceArn=arn, Policy=_policy_of_a_shared_ca(user))
    return Signer(
        pem,
        {"acm_pca_arn": arn},
        lose=lambda: client.update_certificate_authority(**ca, Status="DISABLED"),
        restore=lambda: client.update_certificate_authority(**ca, Status="ACTIVE"),
        lost="is in state DISABLED",
        key_location=(holder.number, "acm-pca", arn),
    )


def _policy_of_a_shared_ca(user: Account) -> str:
    """Certificates by one template, named in the request, as the permissions of AWS RAM have it."""
    template = "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
    reads = ("acm-pca:GetCertificate", "acm-pca:GetCertificateAuthorityCertificate")
    document = json.loads(_policy(None, user, *reads))
    (issue,) = json.loads(_policy(None, user, "acm-pca:IssueCertificate"))["Statement"]
    issue["Condition"] = {"StringEquals": {"acm-pca:TemplateArn": template}}
    return json.dumps({**document, "Statement": [*document["Statement"], issue]})


def _policy(owner: Account | None, user: Account, *actions: str) -> str:
    """A policy that lets `user` do these actions, and the owner of a KMS key everything."""

    def allow(account: Account, *allowed: str) -> dict[str, Any]:
        principal = {"AWS": f"arn:aws:iam::{account.number}:root"}
        return {
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(allowed),
            "Resource": "*",
        }

    statements = [allow(user, *actions)]
    if owner is not None:
        statements.append(allow(owner, "kms:*"))
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
