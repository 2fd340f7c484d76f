"""AWS Private CA: from a CA without a certificate to a registered CA's verification certificate."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sandbox.control import Sandbox
from sandbox.errors import AWSError
from sandbox.keys import certificate_authority
from tests.support.certificates import DAY, ec_key, new_ca, new_csr, x509_name
from tests.support.sandbox.clients import ONE, THREE, TWO, Clients
from tests.support.sandbox.refusals import refused

ROOT_TEMPLATE = "arn:aws:acm-pca:::template/RootCACertificate/V1"
SUBORDINATE_TEMPLATE = "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1"
HOUR = dt.timedelta(hours=1)
TOMORROW = {"Type": "DAYS", "Value": 1}


@pytest.fixture
def pca(aws: Clients) -> Any:
    return aws.kept("acm-pca", ONE)


def create_ca(
    pca: Any, algorithm: str = "SHA256WITHECDSA", key: str = "EC_prime256v1", **members: Any
) -> str:
    """The ARN of a new CA that has no certificate yet."""
    configuration = {
        "KeyAlgorithm": key,
        "SigningAlgorithm": algorithm,
        "Subject": {"CommonName": "Root", "Organization": "Example", "Country": "DE"},
    }
    members = {"CertificateAuthorityType": "ROOT", **members}
    answer = pca.create_certificate_authority(
        CertificateAuthorityConfiguration=configuration, **members
    )
    return str(answer["CertificateAuthorityArn"])


def issue(pca: Any, ca: str, csr: bytes, **members: Any) -> str:
    """The ARN of a new certificate."""
    members = {"SigningAlgorithm": "SHA256WITHECDSA", "Validity": TOMORROW, **members}
    answer = pca.issue_certificate(CertificateAuthorityArn=ca, Csr=csr, **members)
    return str(answer["CertificateArn"])


def issued(pca: Any, ca: str, arn: str) -> tuple[x509.Certificate, str | None]:
    """The certificate and its chain, which is there when asked for the second time."""
    names = {"CertificateAuthorityArn": ca, "CertificateArn": arn}
    with refused("RequestInProgressException", status=400):
        pca.get_certificate(**names)
    answer = pca.get_certificate(**names)
    certificate = x509.load_pem_x509_certificate(answer["Certificate"].encode())
    return certificate, answer.get("CertificateChain")


def root_csr(pca: Any, ca: str) -> bytes:
    return str(pca.get_certificate_authority_csr(CertificateAuthorityArn=ca)["Csr"]).encode()


def activate(pca: Any, ca: str, **members: Any) -> x509.Certificate:
    """Gives ``ca`` a self-signed certificate."""
    members = {
        "TemplateArn": ROOT_TEMPLATE,
        "Validity": {"Type": "YEARS", "Value": 10},
        **members,
    }
    certificate, chain = issued(pca, ca, issue(pca, ca, root_csr(pca, ca), **members))
    assert chain is None
    pca.import_certificate_authority_certificate(
        CertificateAuthorityArn=ca, Certificate=pem(certificate).encode()
    )
    return certificate


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def describe(pca: Any, ca: str) -> Any:
    answer = pca.describe_certificate_authority(CertificateAuthorityArn=ca)
    return answer["CertificateAuthority"]


@pytest.fixture
def ca(pca: Any) -> str:
    """The ARN of an active root CA with an EC key."""
    arn = create_ca(pca)
    activate(pca, arn)
    return arn


@pytest.mark.parametrize(
    ("key", "algorithm", "kind"),
    [
        ("RSA_2048", "SHA256WITHRSA", rsa.RSAPublicKey),
        ("EC_prime256v1", "SHA256WITHECDSA", ec.EllipticCurvePublicKey),
    ],
)
def test_root_ca_is_registered_in_iot(
    pca: Any, aws: Clients, key: str, algorithm: str, kind: type
) -> None:
    arn = create_ca(pca, algorithm, key)
    assert (describe(pca, arn)["Status"], describe(pca, arn)["UsageMode"]) == (
        "PENDING_CERTIFICATE",
        "GENERAL_PURPOSE",
    )
    with refused("InvalidStateException"):
        pca.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
    root = activate(pca, arn, SigningAlgorithm=algorithm)
    assert root_csr(pca, arn) == root_csr(pca, arn)
    assert isinstance(root.public_key(), kind)
    assert isinstance(root.signature_hash_algorithm, hashes.SHA256)
    assert root.subject == root.issuer
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    description = describe(pca, arn)
    assert (description["Status"], description["NotAfter"]) == ("ACTIVE", root.not_valid_after_utc)
    answer = pca.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
    assert x509.load_pem_x509_certificate(answer["Certificate"].encode()) == root

    iot = aws.iot()
    code = iot.get_registration_code()["registrationCode"]
    device_key = ec_key()
    made = issue(pca, arn, new_csr(code, device_key), SigningAlgorithm=algorithm)
    proof, chain = issued(pca, arn, made)
    assert proof.subject == x509_name(code)
    assert proof.public_key() == device_key.public_key()
    assert chain == answer["Certificate"]
    proof.verify_directly_issued_by(root)
    registered = iot.register_ca_certificate(
        caCertificate=pem(root), verificationCertificate=pem(proof)
    )
    assert registered["certificateId"] == root.fingerprint(hashes.SHA256()).hex()


def test_issued_certificate_has_the_requested_validity(pca: Any, ca: str) -> None:
    now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
    soon = now + dt.timedelta(minutes=10)
    for validity, ends in (
        ({"Type": "ABSOLUTE", "Value": int(soon.timestamp())}, soon),
        ({"Type": "DAYS", "Value": 30}, now + 30 * DAY),
    ):
        certificate, _ = issued(pca, ca, issue(pca, ca, new_csr("device"), Validity=validity))
        off = certificate.not_valid_after_utc - ends
        assert dt.timedelta() <= off <= dt.timedelta(minutes=1)
        assert now - HOUR <= certificate.not_valid_before_utc <= now - HOUR + DAY / 24 / 60


@pytest.mark.parametrize(
    ("kind", "value", "ends"),
    [
        ("YEARS", 1, "2028-01-31T12:00:00+00:00"),
        ("DAYS", 1, "2027-02-01T12:00:00+00:00"),
        ("ABSOLUTE", 2524608000, "2050-01-01T00:00:00+00:00"),
    ],
)
def test_end_of_validity(kind: str, value: int, ends: str) -> None:
    now = dt.datetime(2027, 1, 31, 12, tzinfo=dt.timezone.utc)
    moment = certificate_authority.end_of_validity({"Type": kind, "Value": value}, now)
    assert moment == dt.datetime.fromisoformat(ends)


@pytest.mark.parametrize(
    "validity",
    [
        None,
        {},
        {"Type": "DAYS"},
        {"Type": "DAYS", "Value": 0},
        {"Type": "DAYS", "Value": "1"},
        {"Type": "HOURS", "Value": 1},
        {"Type": "YEARS", "Value": 10**9},
        {"Type": "ABSOLUTE", "Value": 10**20},
        {"Type": "MONTHS", "Value": 1},
        {"Type": "END_DATE", "Value": 20271231000000},
    ],
)
def test_invalid_validity_is_refused(validity: Any) -> None:
    with pytest.raises(AWSError) as caught:
        certificate_authority.end_of_validity(validity, dt.datetime.now(dt.timezone.utc))
    assert caught.value.code in {"ValidationException", "InvalidArgsException"}


def test_invalid_certificates_are_not_issued(pca: Any, ca: str, aws: Clients) -> None:
    csr = new_csr("device")
    past = {"Type": "ABSOLUTE", "Value": int(time.time()) - 1}
    beyond = {"Type": "YEARS", "Value": 11}
    for code, members in (
        ("InvalidArgsException", {"SigningAlgorithm": "SHA256WITHRSA"}),
        ("ValidationException", {"SigningAlgorithm": "SHA1WITHRSA"}),
        ("InvalidArgsException", {"Validity": past}),
        ("ValidationException", {"Validity": beyond}),
        ("ValidationException", {"Validity": {"Type": "DAYS", "Value": 0}}),
        ("InvalidArgsException", {"TemplateArn": SUBORDINATE_TEMPLATE}),
        ("InvalidArgsException", {"TemplateArn": "arn:aws:acm-pca:::template/Mine/V1"}),
        ("MalformedCSRException", {"Csr": b"-----BEGIN CERTIFICATE REQUEST-----"}),
        ("MalformedCSRException", {"Csr": _tampered(csr)}),
        ("MalformedCSRException", {"Csr": _nameless()}),
        ("MalformedCSRException", {"TemplateArn": ROOT_TEMPLATE}),
        ("InvalidArnException", {"CertificateAuthorityArn": "arn:aws:acm-pca:eu-west-1:1:x"}),
        ("ResourceNotFoundException", {"CertificateAuthorityArn": f"{ca[:-1]}_"}),
    ):
        asked: dict[str, Any] = {
            "CertificateAuthorityArn": ca,
            "Csr": csr,
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Validity": TOMORROW,
            **members,
        }
        with refused(code, status=400):
            pca.issue_certificate(**asked)
    with refused("InvalidArnException"):
        issue(aws.kept("acm-pca", ONE, "us-east-1"), ca, csr)
    with refused("ResourceNotFoundException"):
        pca.get_certificate(CertificateAuthorityArn=ca, CertificateArn=f"{ca}/certificate/00")


def _tampered(csr: bytes) -> bytes:
    """``csr`` with another subject of the same length than the one that was signed."""
    der = x509.load_pem_x509_csr(csr).public_bytes(Encoding.DER)
    body = base64.encodebytes(der.replace(b"device", b"deuice")).decode()
    wrapped = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    return wrapped.encode()


def _nameless() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(ec_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


def test_ca_states(pca: Any) -> None:
    arn = create_ca(pca)
    with refused("InvalidStateException"):
        issue(pca, arn, new_csr("device"))
    with refused("InvalidStateException"):
        pca.update_certificate_authority(CertificateAuthorityArn=arn, Status="DISABLED")
    activate(pca, arn)
    pca.update_certificate_authority(CertificateAuthorityArn=arn, Status="DISABLED")
    with refused("InvalidStateException"):
        issue(pca, arn, new_csr("device"))
    pca.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
    pca.update_certificate_authority(CertificateAuthorityArn=arn, Status="ACTIVE")
    issue(pca, arn, new_csr("device"))


def test_invalid_cas_are_refused(pca: Any) -> None:
    for members in (
        {"key": "RSA_1024"},
        {"key": "EC_secp521r1"},  # stricter
        {"algorithm": "SHA1WITHRSA"},
        {"algorithm": "SHA256WITHRSA"},  # with an EC key
    ):
        with refused("InvalidArgsException"):
            create_ca(pca, **members)
    for members in ({"CertificateAuthorityType": "SUBORDINATE"}, {"UsageMode": "SHORT_LIVED"}):
        with refused("ValidationException"):
            create_ca(pca, **members)


def test_other_operations_are_refused(pca: Any, ca: str) -> None:
    for call in (
        lambda: pca.list_certificate_authorities(),
        lambda: pca.delete_certificate_authority(CertificateAuthorityArn=ca),
        lambda: pca.delete_policy(ResourceArn=ca),
        lambda: issue(pca, ca, new_csr("device"), ValidityNotBefore=TOMORROW),
    ):
        with refused("NotImplemented", status=501):
            call()


def test_invalid_ca_certificates_are_not_imported(pca: Any, ca: str) -> None:
    arn = create_ca(pca)
    for code, wrong_pem in (
        ("MalformedCertificateException", "nothing"),
        ("MalformedCertificateException", new_ca(is_ca=False).pem),
        ("CertificateMismatchException", new_ca().pem),
    ):
        with refused(code):
            pca.import_certificate_authority_certificate(
                CertificateAuthorityArn=arn, Certificate=wrong_pem.encode()
            )
    assert describe(pca, arn)["Status"] == "PENDING_CERTIFICATE"
    with refused("CertificateMismatchException"):
        pca.import_certificate_authority_certificate(
            CertificateAuthorityArn=ca,
            Certificate=new_ca().pem.encode(),
            CertificateChain=new_ca().pem.encode(),
        )


def test_idempotency_token_issues_one_certificate(pca: Any, ca: str) -> None:
    csr = new_csr("device")
    first = issue(pca, ca, csr, IdempotencyToken="one")
    assert issue(pca, ca, csr, IdempotencyToken="one") == first
    assert issue(pca, ca, csr, IdempotencyToken="two") != first
    assert issue(pca, ca, csr) != issue(pca, ca, csr)


def test_ca_of_another_account(pca: Any, ca: str, aws: Clients) -> None:
    two, csr = aws.kept("acm-pca", TWO), new_csr("device")
    with refused("AccessDeniedException", "acm-pca:IssueCertificate", 400):
        issue(two, ca, csr)
    reads = [
        f"acm-pca:{operation}"
        for operation in (
            "DescribeCertificateAuthority",
            "GetCertificate",
            "GetCertificateAuthorityCertificate",
        )
    ]
    principal = {"AWS": TWO}
    template = "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": reads, "Resource": ca},
        {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "acm-pca:IssueCertificate",
            "Resource": ca,
            "Condition": {"StringEquals": {"acm-pca:TemplateArn": template}},
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    pca.put_policy(ResourceArn=ca, Policy=document)
    assert describe(two, ca)["OwnerAccount"] == ONE
    two.get_certificate_authority_certificate(CertificateAuthorityArn=ca)
    made = issue(two, ca, csr, TemplateArn=template)
    certificate, _ = issued(two, ca, made)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "device"
    for refused_call in (
        lambda: issue(two, ca, csr, TemplateArn=SUBORDINATE_TEMPLATE),
        # The same one, but not named.
        lambda: issue(two, ca, csr),
        lambda: issue(aws.kept("acm-pca", THREE), ca, csr),
        lambda: two.put_policy(ResourceArn=ca, Policy=document),
        lambda: two.update_certificate_authority(CertificateAuthorityArn=ca, Status="DISABLED"),
        lambda: describe(two, f"{ca[:-1]}_"),
    ):
        with refused("AccessDeniedException"):
            refused_call()
    with refused("InvalidPolicyException"):
        pca.put_policy(ResourceArn=ca, Policy="{}")
    statements = [{**statement, "Effect": "Deny"} for statement in statements]
    denied = json.dumps({"Version": "2012-10-17", "Statement": statements})
    pca.put_policy(ResourceArn=ca, Policy=denied)
    with refused("AccessDeniedException", "explicit deny"):
        issue(two, ca, csr, TemplateArn=template)


def test_calls_and_faults(pca: Any, ca: str, sandbox: Sandbox) -> None:
    sandbox.forget_calls()
    sandbox.fault("throttling", service="acm-pca", operation="IssueCertificate")
    sandbox.fault("error", code="ResourceNotFoundException", service="acm-pca")
    for code in ("ThrottlingException", "ResourceNotFoundException"):
        with refused(code, status=400):
            issue(pca, ca, new_csr("device"))
    made = issue(pca, ca, new_csr("device"))
    issued(pca, ca, made)
    writes = sandbox.calls(write=True)
    assert [call.operation for call in writes] == ["IssueCertificate"] * 3
    assert writes[2].parameters == {
        "CertificateAuthorityArn": ca,
        "SigningAlgorithm": "SHA256WITHECDSA",
    }
    read = sandbox.calls(write=False)[0]
    assert read.parameters == {"CertificateAuthorityArn": ca, "CertificateArn": made}
    assert "BEGIN" not in json.dumps([call.parameters for call in sandbox.calls()])
