"""CAs whose keys are in AWS services."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from tests.support.accounts import Account
from tests.support.certificates import CA, key_pem, new_ca
from tests.support.sandbox.kms_keys import kms_ca


@dataclass(frozen=True)
class Keys:
    """CAs whose keys are in AWS services, by what `verification` says of them.

    The CAs differ from those of other tests by their certificates; each is registered and deleted
    again by the cases. `jitr_key` is a key for JITR's resources, and no CA's.
    """

    kms: tuple[str, CA]
    secret: tuple[str, CA]
    own_key_secret: tuple[str, CA]
    own_key: str
    private_ca: tuple[str, CA]
    jitr_key: str


def make_keys(account: Account) -> Keys:
    """A CA's key in KMS, in a secret, in a secret with a key of the user's own, in Private CA."""
    kms = account.client("kms")
    in_kms = kms_ca(kms, "ECC_NIST_P256")
    own_key = kms.create_key()["KeyMetadata"]["Arn"]
    plain, own = new_ca("in a secret"), new_ca("in a secret of an own key")
    return Keys(
        in_kms,
        (_secret(account, "plain", plain), plain),
        (_secret(account, "own", own, KmsKeyId=own_key), own),
        own_key,
        _private_ca(account),
        kms.create_key()["KeyMetadata"]["Arn"],
    )


def _secret(account: Account, name: str, ca: CA, **settings: str) -> str:
    client = account.client("secretsmanager")
    made = client.create_secret(Name=name, SecretString=key_pem(ca.key), **settings)
    return str(made["ARN"])


def _private_ca(account: Account) -> tuple[str, CA]:
    pca = account.client("acm-pca")
    arn = pca.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "EC_prime256v1",
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Subject": {"CommonName": "Root in Private CA"},
        },
    )["CertificateAuthorityArn"]
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=pca.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"].encode(),
        SigningAlgorithm="SHA256WITHECDSA",
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
        Validity={"Type": "YEARS", "Value": 10},
    )["CertificateArn"]
    names = {"CertificateAuthorityArn": arn, "CertificateArn": issued}
    pca.get_waiter("certificate_issued").wait(**names, WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    pem = pca.get_certificate(**names)["Certificate"]
    pca.import_certificate_authority_certificate(
        CertificateAuthorityArn=arn, Certificate=pem.encode()
    )
    # The key is Private CA's: nothing here signs with it.
    key = new_ca().key
    return arn, CA(x509.load_pem_x509_certificate(pem.encode()), key)
