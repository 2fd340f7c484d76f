"""The explanation of the quota of CAs with the same subject."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore import exceptions
from cryptography import x509

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.snapshots import Snapshots
from iot_ca.certificates.pem import Certificate
from tests.support.certificates import NOW, ec_key, issue, pem
from tests.support.program.aws_calls import SNAPSHOT, refusal, registration
from tests.support.program.fake_aws import FakeAws


def fill(aws: FakeAws, *certificates_: x509.Certificate, active: bool = True) -> list[str]:
    """Register CAs; returns their IDs."""
    return [
        aws._RegisterCACertificate(
            caCertificate=pem(certificate),
            certificateMode="SNI_ONLY",
            setAsActive=active,
            allowAutoRegistration=True,
            tags=[],
        )["certificateId"]
        for certificate in certificates_
    ]


QUOTA = ("LimitExceededException", "Limit reached for number of CA Certificates with same subject")


def test_cas_that_use_up_the_subject_quota_are_named(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    later = issue(ec_key(), end=NOW + timedelta(days=900))
    sooner = issue(ec_key(), end=NOW + timedelta(days=9))
    others = fill(aws, *(issue(ec_key(), common_name=f"other {n}") for n in range(3)))
    (last,) = fill(aws, later)
    (first,) = fill(aws, sooner, active=False)
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    # The one that ends first is the first to go.
    assert (
        f": {first} (INACTIVE, valid until {sooner.not_valid_after_utc:%Y-%m-%d}), "
        f"{last} (ACTIVE, valid until {later.not_valid_after_utc:%Y-%m-%d}); "
    ) in said
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")
    assert not any(other in said for other in others)


@pytest.mark.parametrize(
    ("operation", "action"),
    [("ListCACertificates", "iot:ListCACertificates"), ("DescribeCACertificate", "iot:Describe")],
)
def test_the_quota_is_explained_without_permission_to_list(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    action: str,
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults["RegisterCACertificate"] = QUOTA
    aws.faults[operation] = ("AccessDeniedException", "no")
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert f"which ones could not be read: the credentials may not call {action}" in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_an_unreadable_ca_does_not_hide_the_quota_holders(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    unreadable, holder = fill(aws, issue(ec_key(), common_name="old"), issue(ec_key()))
    aws.cas[unreadable]["certificateDescription"]["certificatePem"] = "from other times"
    aws.faults["RegisterCACertificate"] = QUOTA
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert f": {holder} (ACTIVE, valid until " in said
    assert unreadable not in said


@pytest.mark.parametrize(
    "fault",
    [
        ("ThrottlingException", "Rate exceeded"),
        ("InternalFailureException", "sorry"),
        exceptions.ReadTimeoutError(endpoint_url="https://iot.example"),
    ],
)
@pytest.mark.parametrize("operation", ["ListCACertificates", "DescribeCACertificate"])
def test_the_quota_is_explained_if_the_query_of_cas_fails(
    ca_certificates: CaCertificates,
    aws: FakeAws,
    certificate: Certificate,
    operation: str,
    fault: tuple[str, str] | Exception,
) -> None:
    fill(aws, issue(ec_key()))
    aws.faults |= {"RegisterCACertificate": QUOTA, operation: fault}
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("AWS IoT holds at most ten CA certificates with the same subject")
    assert "which ones could not be read: " in said
    assert said.endswith(f"AWS says: {': '.join(QUOTA)}")


def test_another_quota_names_the_operation(snapshots: Snapshots, aws: FakeAws) -> None:
    aws.faults["CreateThingGroup"] = ("LimitExceededException", "too many groups")
    said = refusal(lambda: snapshots.save("a" * 64, SNAPSHOT))
    assert said.startswith("CreateThingGroup reaches a quota; ")
    assert said.endswith("LimitExceededException: too many groups")


def test_another_registration_quota_is_not_blamed_on_subject(
    ca_certificates: CaCertificates, aws: FakeAws, certificate: Certificate
) -> None:
    fill(aws, issue(ec_key(), common_name="other"))
    aws.faults["RegisterCACertificate"] = ("LimitExceededException", "of another kind")
    said = refusal(lambda: ca_certificates.register(registration(certificate)))
    assert said.startswith("RegisterCACertificate reaches a quota; make room or ask AWS")
    assert said.endswith("AWS says: LimitExceededException: of another kind")
