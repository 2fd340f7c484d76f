"""Device certificates that are registered through the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer, eventually
from tests.support.aws_contract.devices import registered_certificate
from tests.support.aws_contract.run import NewDevice, Run
from tests.support.aws_contract.sources import API, BLOG, MANAGE_CAS, OPEN
from tests.support.certificates import CA, pem

MODE = f"{API}/API_CertificateDescription.html"


@pytest.fixture(scope="module")
def ca(run: Run, account: AwsAccount) -> CA:
    """A CA in SNI_ONLY mode."""
    ca = run.new_ca()
    run.register(account, ca)
    return ca


@pytest.fixture(scope="module")
def device(run: Run, account: AwsAccount, ca: CA) -> NewDevice:
    """A device whose certificate was registered under that CA, ACTIVE."""
    device = run.new_device(ca)
    run.expect(account, device)
    account.iot.register_certificate(
        certificatePem=pem(device.issued.certificate), caCertificatePem=ca.pem, status="ACTIVE"
    )
    return device


def _described(account: AwsAccount, device: NewDevice) -> dict[str, Any]:
    described = registered_certificate(account, device)
    assert described is not None, "AWS IoT knows no certificate with the SHA-256 as its ID"
    return described


@pytest.mark.assumption(
    "A device certificate of a CA in `SNI_ONLY` mode is `SNI_ONLY` itself", source=BLOG
)
def test_mode(account: AwsAccount, device: NewDevice, answer: Answer) -> None:
    mode = _described(account, device).get("certificateMode")
    answer(str(mode))
    assert mode == "SNI_ONLY"


@pytest.mark.assumption(
    "A device certificate of a CA in `SNI_ONLY` mode names the CA (`caCertificateId`)",
    source=MODE,
)
def test_ca_of_a_device_certificate(
    account: AwsAccount, ca: CA, device: NewDevice, answer: Answer
) -> None:
    ca_id = _described(account, device).get("caCertificateId")
    answer("the CA's ID" if ca_id == ca.id else f"{ca_id}")
    assert ca_id == ca.id


@pytest.mark.assumption(
    "`ListCertificatesByCA` lists the device certificates of a CA in `SNI_ONLY` mode: the module "
    "counts them before a CA is deleted",
    source=OPEN,
)
def test_listed_by_ca(account: AwsAccount, ca: CA, device: NewDevice, answer: Answer) -> None:
    def listed() -> list[str]:
        page = account.iot.list_certificates_by_ca(caCertificateId=ca.id, pageSize=250)
        return [item["certificateId"] for item in page["certificates"]]

    ids = eventually(listed, seconds=30) or []
    answer(f"{len(ids)} of 1 certificate")
    assert ids == [device.issued.id]


@pytest.mark.assumption(
    "Deleting a CA that has device certificates is not refused, and they stay as they are",
    source=MANAGE_CAS,
)
def test_delete_a_ca_with_device_certificates(
    run: Run, account: AwsAccount, answer: Answer
) -> None:
    ca = run.new_ca()
    run.register(account, ca)
    device = run.new_device(ca)
    run.expect(account, device)
    account.iot.register_certificate(
        certificatePem=pem(device.issued.certificate), caCertificatePem=ca.pem, status="ACTIVE"
    )
    account.iot.update_ca_certificate(certificateId=ca.id, newStatus="INACTIVE")
    account.iot.delete_ca_certificate(certificateId=ca.id)
    status = _described(account, device)["status"]
    answer(f"deleted; the device certificate is {status}")
    assert status == "ACTIVE"
