"""RegisterCACertificate: the certificate, the two modes, proof of ownership, quota, JITP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.support.certificates import CA, DAY, NOW, ec_key, new_ca, rsa_key
from tests.support.odd_certificates import LATIN_1_SUBJECT, ODD_EXTENSIONS, sign_verification
from tests.support.odd_certificates import make_ca as make_odd_ca
from tests.support.openssl import openssl, openssl_root, openssl_verification
from tests.support.sandbox.clients import BODY, ONE, THREE, TWO, Clients
from tests.support.sandbox.refusals import refused


def register_default(iot: Any, ca: CA, **more: Any) -> Any:
    code = iot.get_registration_code()["registrationCode"]
    return iot.register_ca_certificate(
        caCertificate=ca.pem, verificationCertificate=ca.verification(code), **more
    )


def register_sni(iot: Any, pem: str, **more: Any) -> Any:
    return iot.register_ca_certificate(caCertificate=pem, certificateMode="SNI_ONLY", **more)


def describe(iot: Any, certificate_id: str) -> Any:
    return iot.describe_ca_certificate(certificateId=certificate_id)["certificateDescription"]


# --- the certificate


@pytest.mark.parametrize(
    "ca",
    [
        new_ca(key=ec.generate_private_key(ec.SECP256R1())),
        new_ca(key=ec.generate_private_key(ec.SECP384R1()), digest=hashes.SHA384()),
        new_ca(key=ec.generate_private_key(ec.SECP521R1()), digest=hashes.SHA512()),
        new_ca(key=rsa_key(2048)),
        new_ca(cert_sign=True),
        new_ca(cert_sign=False),
    ],
    ids=["P-256", "P-384", "P-521", "RSA-2048", "key usage", "key usage without keyCertSign"],
)
def test_accepted_ca_certificates(aws: Clients, ca: CA) -> None:
    answer = register_sni(aws.iot(), ca.pem)
    assert answer["certificateId"] == ca.id
    assert answer["certificateArn"] == f"arn:aws:iot:eu-west-1:{ONE}:cacert/{ca.id}"


@pytest.mark.parametrize("extensions", ODD_EXTENSIONS.values(), ids=ODD_EXTENSIONS)
def test_an_extension_that_cryptography_refuses_is_accepted(
    aws: Clients, tmp_path: Path, extensions: str
) -> None:
    text, _ = make_odd_ca(tmp_path, extensions)
    assert register_sni(aws.iot(), text)["certificateId"]


def test_a_subject_that_cryptography_refuses_is_accepted(aws: Clients, tmp_path: Path) -> None:
    options, subject = LATIN_1_SUBJECT
    text, _ = make_odd_ca(tmp_path, options=options, subject=subject)
    code = aws.iot().get_registration_code()["registrationCode"]
    proof = sign_verification(tmp_path, code)
    assert aws.iot().register_ca_certificate(caCertificate=text, verificationCertificate=proof)


def test_certificate_id_ignores_text_and_chain(aws: Clients) -> None:
    ca, other = new_ca(), new_ca()
    for account, text in (
        (ONE, ca.pem.replace("\n", "\r\n")),
        (TWO, f"subject=Test CA\n\n{ca.pem}"),
        (THREE, ca.pem + other.pem),
    ):
        assert register_sni(aws.iot(account), text)["certificateId"] == ca.id
        assert describe(aws.iot(account), ca.id)["certificatePem"] == ca.pem


@pytest.mark.parametrize(
    ("ca", "message"),
    [
        (new_ca(key=rsa_key(1024)), "RSA key of at least 2048 bits"),
        (new_ca(key=ec.generate_private_key(ec.SECP256K1())), "P-256, P-384 or P-521"),
        (new_ca(key=ed25519.Ed25519PrivateKey.generate()), "P-256, P-384 or P-521"),
        (new_ca(digest=hashes.SHA224()), "SHA-256 or better"),
        (new_ca(is_ca=False), "does not have the basicConstraints extension as true"),
        (new_ca(is_ca=None), "does not have the basicConstraints extension as true"),
        (new_ca(end=NOW - DAY / 2), "has expired"),
        (new_ca(start=NOW + DAY), "not yet valid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_ca_certificates(aws: Clients, ca: CA, message: str) -> None:
    with refused("CertificateValidationException", message, 400):
        register_sni(aws.iot(), ca.pem)
    assert aws.iot().list_ca_certificates()["certificates"] == []


@pytest.mark.parametrize(
    "text",
    ["no PEM", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "-" * 70000],
    ids=["none", "truncated", "long"],
)
def test_text_without_certificate_is_refused(aws: Clients, text: str) -> None:
    with refused("CertificateValidationException"):
        register_sni(aws.iot(), text)


def test_sha1_from_openssl_is_refused(aws: Clients, tmp_path: Path) -> None:
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha1", "-keyout", "k.pem",
                "-subj", "/CN=Old", "-addext", "basicConstraints=CA:TRUE", "-out", "c.pem",
                folder=tmp_path)  # fmt: skip
    with refused("CertificateValidationException", "SHA-256 or better"):
        register_sni(aws.iot(), (tmp_path / "c.pem").read_text())


def test_version_1_from_openssl_is_refused(aws: Clients, tmp_path: Path) -> None:
    openssl_root(tmp_path)
    openssl("x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-out", "v1.pem",
                folder=tmp_path)  # fmt: skip
    with refused("CertificateValidationException", "basicConstraints"):
        register_sni(aws.iot(), (tmp_path / "v1.pem").read_text())


# --- the two modes


def test_openssl_root_in_three_accounts(aws: Clients, tmp_path: Path) -> None:
    pem = openssl_root(tmp_path).read_text()
    code = aws.iot().get_registration_code()["registrationCode"]
    first = aws.iot().register_ca_certificate(
        caCertificate=pem,
        verificationCertificate=openssl_verification(tmp_path, code).read_text(),
        setAsActive=True,
        allowAutoRegistration=True,
    )
    for account in (TWO, THREE):
        answer = register_sni(aws.iot(account), pem, setAsActive=True, allowAutoRegistration=True)
        assert answer["certificateId"] == first["certificateId"]
    modes = {}
    for account in (ONE, TWO, THREE):
        description = describe(aws.iot(account), first["certificateId"])
        assert (description["status"], description["autoRegistrationStatus"]) == (
            "ACTIVE",
            "ENABLE",
        )
        assert description["ownedBy"] == account
        modes[account] = description["certificateMode"]
    assert modes == {ONE: "DEFAULT", TWO: "SNI_ONLY", THREE: "SNI_ONLY"}


def test_one_account_holds_default_in_a_region(aws: Clients) -> None:
    ca = new_ca()
    register_default(aws.iot(ONE), ca)
    with refused("InvalidRequestException", "Cannot accept this CACertificate", 400):
        register_default(aws.iot(TWO), ca)
    register_default(aws.iot(TWO, "us-east-1"), ca)
    register_sni(aws.iot(ONE, "us-east-1"), ca.pem)
    register_sni(aws.iot(TWO), ca.pem)


def test_default_mode_is_free_after_deletion(aws: Clients) -> None:
    ca = new_ca()
    register_default(aws.iot(ONE), ca)
    aws.iot(ONE).delete_ca_certificate(certificateId=ca.id)
    register_default(aws.iot(TWO), ca)


def test_registering_twice_names_the_registered_ca(aws: Clients) -> None:
    ca = new_ca()
    arn = register_sni(aws.iot(), ca.pem)["certificateArn"]
    with refused("ResourceAlreadyExistsException", status=409) as caught:
        register_sni(aws.iot(), ca.pem)
    answer: Mapping[str, Any] = caught.value.response
    assert (answer["resourceId"], answer["resourceArn"]) == (ca.id, arn)
    with refused("ResourceAlreadyExistsException"):
        register_default(aws.iot(), ca)


def test_unknown_mode(aws: Clients) -> None:
    with refused("InvalidRequestException", "[DEFAULT, SNI_ONLY]"):
        aws.iot().register_ca_certificate(caCertificate=new_ca().pem, certificateMode="SNI")


def test_partition_of_the_region(aws: Clients) -> None:
    answer = register_sni(aws.iot(ONE, "cn-north-1"), new_ca().pem)
    assert answer["certificateArn"].startswith(f"arn:aws-cn:iot:cn-north-1:{ONE}:cacert/")


def test_unknown_region(aws: Clients) -> None:
    with refused("InvalidRequestException", "knows no region eu-west-99"):
        aws.iot(ONE, "eu-west-99").list_ca_certificates()


# --- proof of ownership


def test_default_needs_a_verification_certificate(aws: Clients) -> None:
    with refused(
        "InvalidRequestException",
        "Need to provide verification certificate for registering CA Certificates in DEFAULT mode",
    ):
        aws.iot().register_ca_certificate(caCertificate=new_ca().pem)


def test_sni_only_refuses_a_verification_certificate(aws: Clients) -> None:
    ca = new_ca()
    code = aws.iot().get_registration_code()["registrationCode"]
    with refused("InvalidRequestException", "SNI_ONLY"):
        register_sni(aws.iot(), ca.pem, verificationCertificate=ca.verification(code))


def test_common_name_must_be_the_registration_code(aws: Clients) -> None:
    ca = new_ca()
    aws.iot().get_registration_code()
    for foreign in (
        "0" * 64,
        aws.iot(TWO).get_registration_code()["registrationCode"],
        aws.iot(ONE, "us-east-1").get_registration_code()["registrationCode"],
    ):
        with refused("RegistrationCodeValidationException", status=400):
            aws.iot().register_ca_certificate(
                caCertificate=ca.pem, verificationCertificate=ca.verification(foreign)
            )


def test_deleted_registration_code_is_refused(aws: Clients) -> None:
    ca, iot = new_ca(), aws.iot()
    code = iot.get_registration_code()["registrationCode"]
    iot.delete_registration_code()
    with refused("RegistrationCodeValidationException"):
        iot.register_ca_certificate(
            caCertificate=ca.pem, verificationCertificate=ca.verification(code)
        )


def test_verification_certificate_must_be_signed_by_the_ca(aws: Clients) -> None:
    ca, iot = new_ca(), aws.iot()
    code = iot.get_registration_code()["registrationCode"]
    for verification, message in (
        (ca.verification(code, signer=ec_key()), "not signed by the CA"),
        (new_ca("Another").verification(code), "not signed by the CA"),
        (ca.verification(code, days=-1), "has expired"),
        ("nothing", "not a PEM-encoded certificate"),
    ):
        with refused("CertificateValidationException", message, 400):
            iot.register_ca_certificate(caCertificate=ca.pem, verificationCertificate=verification)


# --- status, tags, quota


def test_defaults_are_inactive_disabled_and_default_mode(aws: Clients) -> None:
    ca = new_ca()
    register_default(aws.iot(), ca)
    description = describe(aws.iot(), ca.id)
    assert description["status"] == "INACTIVE"
    assert description["autoRegistrationStatus"] == "DISABLE"
    assert description["certificateMode"] == "DEFAULT"


def test_description_is_complete(aws: Clients) -> None:
    ca = new_ca()
    register_sni(aws.iot(), ca.pem, setAsActive=True)
    description = describe(aws.iot(), ca.id)
    assert set(description) == {
        "certificateArn", "certificateId", "status", "certificatePem", "ownedBy", "creationDate",
        "autoRegistrationStatus", "lastModifiedDate", "customerVersion", "generationId",
        "validity", "certificateMode",
    }  # fmt: skip
    assert description["customerVersion"] == 1
    assert description["validity"] == {
        "notBefore": ca.certificate.not_valid_before_utc,
        "notAfter": ca.certificate.not_valid_after_utc,
    }
    assert re.fullmatch(r"[0-9a-f-]{36}", description["generationId"])


def test_ten_with_the_same_subject(aws: Clients) -> None:
    for _ in range(10):
        register_sni(aws.iot(), new_ca("Same").pem)
    with refused(
        "LimitExceededException",
        "Limit reached for number of CA Certificates with same subject",
    ):
        register_sni(aws.iot(), new_ca("Same").pem)
    register_sni(aws.iot(), new_ca("Other").pem)
    register_sni(aws.iot(TWO), new_ca("Same").pem)
    register_sni(aws.iot(ONE, "us-east-1"), new_ca("Same").pem)


# --- registrationConfig


def test_config_by_template_name(aws: Clients) -> None:
    aws.template("fleet")
    ca = new_ca()
    register_sni(aws.iot(), ca.pem, registrationConfig={"templateName": "fleet"})
    answer = aws.iot().describe_ca_certificate(certificateId=ca.id)
    assert answer["registrationConfig"] == {"templateName": "fleet"}


def test_config_by_body_and_role(aws: Clients) -> None:
    config = {"templateBody": BODY, "roleArn": aws.role()}
    ca = new_ca()
    register_sni(aws.iot(), ca.pem, registrationConfig=config)
    answer = aws.iot().describe_ca_certificate(certificateId=ca.id)
    assert answer["registrationConfig"] == config


def test_description_without_registration_config(aws: Clients) -> None:
    ca = new_ca()
    register_sni(aws.iot(), ca.pem)
    assert "registrationConfig" not in aws.iot().describe_ca_certificate(certificateId=ca.id)


def test_config_refusals(aws: Clients) -> None:
    role = aws.role()
    aws.template("claims", type="FLEET_PROVISIONING", provisioningRoleArn=role)
    aws.template("off", enabled=False, provisioningRoleArn=role)
    aws.template("good", provisioningRoleArn=role)
    for config, code, message in (
        ({"templateName": "missing"}, "ResourceNotFoundException", "missing"),
        ({"templateName": "claims"}, "InvalidRequestException", "not of type JITP"),
        ({"templateName": "off"}, "InvalidRequestException", "not enabled"),
        ({"templateName": "x" * 37}, "InvalidRequestException", "between 1 and 36"),
        ({"templateName": "good", "roleArn": role}, "InvalidRequestException", "both"),
        (
            {"templateName": "good", "templateBody": BODY, "roleArn": role},
            "InvalidRequestException",
            "both",
        ),
        ({"templateBody": BODY}, "InvalidRequestException", "a templateBody and a roleArn"),
        ({"roleArn": role}, "InvalidRequestException", "a templateBody and a roleArn"),
        ({}, "InvalidRequestException", "needs a templateName"),
        ({"templateBody": "{}", "roleArn": role}, "InvalidRequestException", "Resources"),
        (
            {"templateBody": BODY, "roleArn": role + "-missing"},
            "InvalidRequestException",
            "cannot be assumed",
        ),
    ):
        with refused(code, message):
            register_sni(aws.iot(), new_ca().pem, registrationConfig=config)
    assert aws.iot().list_ca_certificates()["certificates"] == []
