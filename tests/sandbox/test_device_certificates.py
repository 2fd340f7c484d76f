"""Device certificates of registered CAs: what is refused, what stays, how they are listed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.certificates import CA, DAY, NOW, new_ca
from tests.support.sandbox.clients import TWO, Clients
from tests.support.sandbox.refusals import refused


@pytest.fixture
def iot(aws: Clients) -> Any:
    return aws.iot()


def registered(iot: Any, ca: CA, *, active: bool = True, mode: str = "SNI_ONLY") -> CA:
    proof = {}
    if mode == "DEFAULT":
        code = iot.get_registration_code()["registrationCode"]
        proof = {"verificationCertificate": ca.verification(code)}
    iot.register_ca_certificate(
        caCertificate=ca.pem, certificateMode=mode, setAsActive=active, **proof
    )
    return ca


def id_of(pem: str) -> str:
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


def device_of(iot: Any, ca: CA, **members: Any) -> str:
    """The ID of a new device certificate of ``ca``."""
    members = {"caCertificatePem": ca.pem, "status": "ACTIVE", **members}
    answer = iot.register_certificate(certificatePem=ca.device(), **members)
    return str(answer["certificateId"])


def ids(iot: Any, ca: CA, **page: Any) -> list[str]:
    listed = iot.list_certificates_by_ca(caCertificateId=ca.id, **page)["certificates"]
    return [item["certificateId"] for item in listed]


@pytest.mark.parametrize("mode", ["SNI_ONLY", "DEFAULT"])
def test_device_certificate_has_the_mode_of_the_ca(iot: Any, mode: str) -> None:
    ca = registered(iot, new_ca(), mode=mode)
    pem = ca.device()
    answer = iot.register_certificate(certificatePem=pem, caCertificatePem=ca.pem, status="ACTIVE")
    assert answer["certificateId"] == id_of(pem)
    description = iot.describe_certificate(certificateId=id_of(pem))["certificateDescription"]
    assert description["certificateMode"] == mode
    assert description["caCertificateId"] == ca.id
    assert description["status"] == "ACTIVE"
    assert description["certificateArn"] == answer["certificateArn"]
    assert description["validity"]["notAfter"] == NOW + 90 * DAY
    [item] = iot.list_certificates_by_ca(caCertificateId=ca.id)["certificates"]
    assert (item["certificateId"], item["certificateMode"]) == (id_of(pem), mode)


def test_ca_is_found_by_subject(iot: Any) -> None:
    ca = registered(iot, new_ca("One"))
    registered(iot, new_ca("Another"))
    answer = iot.register_certificate(certificatePem=ca.device())
    assert ids(iot, ca) == [answer["certificateId"]]
    described = iot.describe_certificate(certificateId=answer["certificateId"])
    assert described["certificateDescription"]["status"] == "INACTIVE"
    registered(iot, new_ca("One"))
    with refused("CertificateConflictException", status=409):
        iot.register_certificate(certificatePem=ca.device())
    iot.register_certificate(certificatePem=ca.device(), caCertificatePem=ca.pem)


def test_refused_device_certificates(iot: Any, aws: Clients) -> None:
    ca = registered(iot, new_ca("One"))
    idle = registered(iot, new_ca("Idle"), active=False)
    unknown = new_ca("Unknown")
    for members in ({"caCertificatePem": unknown.pem}, {}):
        with refused("CertificateValidationException", "not registered", 400):
            iot.register_certificate(certificatePem=unknown.device(), **members)
    with refused("CertificateValidationException", "not registered"):
        device_of(aws.iot(TWO), ca)
    with refused("CertificateValidationException", "not signed"):
        iot.register_certificate(certificatePem=unknown.device(), caCertificatePem=ca.pem)
    same_name = new_ca("One")
    with refused("CertificateValidationException", "not signed"):
        iot.register_certificate(certificatePem=same_name.device())
    for members in ({"caCertificatePem": idle.pem}, {}):
        with refused("CertificateStateException", "not ACTIVE", 406):
            iot.register_certificate(certificatePem=idle.device(), **members)
    with refused("InvalidRequestException"):
        device_of(iot, ca, status="PENDING_TRANSFER")
    with refused("CertificateValidationException"):
        iot.register_certificate(certificatePem="nothing")
    assert iot.list_certificates()["certificates"] == []
    pem = ca.device()
    iot.register_certificate(certificatePem=pem)
    with refused("ResourceAlreadyExistsException", status=409):
        iot.register_certificate(certificatePem=pem)


def test_registration_without_a_ca(iot: Any) -> None:
    ca = registered(iot, new_ca())
    answer = iot.register_certificate_without_ca(certificatePem=ca.device(), status="ACTIVE")
    assert ids(iot, ca) == []
    described = iot.describe_certificate(certificateId=answer["certificateId"])
    assert described["certificateDescription"]["certificateMode"] == "SNI_ONLY"
    assert "caCertificateId" not in described["certificateDescription"]
    made = iot.create_keys_and_certificate(setAsActive=True)["certificateId"]
    description = iot.describe_certificate(certificateId=made)["certificateDescription"]
    assert description["certificateMode"] == "DEFAULT"


def test_device_certificate_outlives_the_ca(iot: Any) -> None:
    ca = registered(iot, new_ca())
    device = device_of(iot, ca)
    iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    iot.delete_ca_certificate(certificateId=ca.id)
    description = iot.describe_certificate(certificateId=device)["certificateDescription"]
    assert (description["status"], description["certificateMode"]) == ("ACTIVE", "SNI_ONLY")
    assert ids(iot, ca) == [device]


def test_pages_of_device_certificates(iot: Any) -> None:
    ca, other = (registered(iot, new_ca(name)) for name in ("One", "Other"))
    devices = [device_of(iot, ca) for _ in range(5)]
    device_of(iot, other)
    assert ids(iot, ca) == devices[::-1]
    assert ids(iot, ca, ascendingOrder=True) == devices
    seen: list[str] = []
    marker: dict[str, Any] = {}
    for size in (2, 2, 1):
        answer = iot.list_certificates_by_ca(caCertificateId=ca.id, pageSize=2, **marker)
        assert len(answer["certificates"]) == size
        seen += [item["certificateId"] for item in answer["certificates"]]
        marker = {"marker": answer.get("nextMarker")}
    assert seen == devices[::-1]
    assert marker == {"marker": None}
    assert len(iot.list_certificates(pageSize=4)["certificates"]) == 4
    assert ids(iot, new_ca()) == []
    for page in ({"pageSize": 0}, {"pageSize": 251}, {"marker": "bm9uZQ=="}, {"marker": "?"}):
        with refused("InvalidRequestException"):
            ids(iot, ca, **page)
    with refused("InvalidRequestException"):
        iot.list_certificates_by_ca(caCertificateId="short")
