"""The account and its quotas (read-only)."""

from __future__ import annotations

import re

import pytest

from iot_ca.aws.pacing import PACED_OPERATIONS
from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer, could_not_be_tested, refusal, words_of
from tests.support.aws_contract.sources import API, GENERAL_REFERENCE, GUIDE, METRICS

UNKNOWN_ID = "0" * 64
# What the program paces, and what the function of JITR calls for each device.
PACED = sorted(
    {*PACED_OPERATIONS, "DescribeCertificate", "GetRegistrationCode", "UpdateCertificate"}
)
CALLS_PER_SECOND = 10
CAS_WITH_ONE_SUBJECT = 10


def _quotas(account: AwsAccount) -> dict[str, float]:
    pages = account.client("service-quotas").get_paginator("list_service_quotas")
    return {
        quota["QuotaName"]: quota["Value"]
        for page in pages.paginate(ServiceCode="iotcore")
        for quota in page["Quotas"]
    }


@pytest.mark.assumption(
    "`DescribeCACertificate` answers `ResourceNotFoundException` for a CA that is not registered",
    source=f"{API}/API_DescribeCACertificate.html",
    reads_only=True,
)
def test_unknown_ca(account: AwsAccount, answer: Answer) -> None:
    error = refusal(lambda: account.iot.describe_ca_certificate(certificateId=UNKNOWN_ID))
    answer(words_of(error))
    assert words_of(error).startswith("ResourceNotFoundException")


@pytest.mark.assumption(
    "`ListTagsForResource` answers `ResourceNotFoundException` for a CA that is not registered",
    source=f"{API}/API_ListTagsForResource.html",
    reads_only=True,
)
def test_tags_of_an_unknown_ca(account: AwsAccount, answer: Answer) -> None:
    arn = account.arn(f"cacert/{UNKNOWN_ID}")
    error = refusal(lambda: account.iot.list_tags_for_resource(resourceArn=arn))
    answer(words_of(error))
    assert words_of(error).startswith("ResourceNotFoundException")


@pytest.mark.assumption(
    "`ListCACertificates` takes a page of 250",
    source=f"{API}/API_ListCACertificates.html",
    reads_only=True,
)
def test_page_of_cas(account: AwsAccount, answer: Answer) -> None:
    page = account.iot.list_ca_certificates(pageSize=250)
    answer("a page with the member certificates")
    assert isinstance(page["certificates"], list)


@pytest.mark.assumption(
    "The data endpoint (`iot:Data-ATS`) is a name of the account in the Region",
    source=f"{API}/API_DescribeEndpoint.html",
    reads_only=True,
)
def test_data_endpoint(account: AwsAccount, answer: Answer) -> None:
    name = account.listener.server_name
    answer(name)
    assert re.fullmatch(rf"[a-z0-9]+-ats\.iot\.{account.region}\.amazonaws\.com(\.cn)?", name)


@pytest.mark.assumption(
    "The event messages of CA certificates have a switch of their own in the account "
    "(`CA_CERTIFICATE`; the other pages on JITR do not mention it)",
    source=f"{GUIDE}/iot-events.html",
    reads_only=True,
)
def test_event_configurations(account: AwsAccount, answer: Answer) -> None:
    configurations = account.iot.describe_event_configurations()["eventConfigurations"]
    enabled = configurations["CA_CERTIFICATE"]["Enabled"]
    answer("CA_CERTIFICATE has the member Enabled")
    assert isinstance(enabled, bool)


@pytest.mark.assumption(
    f"At least {CALLS_PER_SECOND} calls a second are allowed of each operation that the program or "
    "the function of JITR calls for each CA or device",
    source=GENERAL_REFERENCE,
    reads_only=True,
)
def test_quotas_of_calls(account: AwsAccount, answer: Answer) -> None:
    quotas = _quotas(account)
    values = {operation: quotas.get(f"{operation} API TPS") for operation in PACED}
    answer(", ".join(f"{operation} {value:g}" for operation, value in values.items() if value))
    missing = [operation for operation, value in values.items() if value is None]
    assert not missing, f"Service Quotas has no quota of {', '.join(missing)}"
    assert all(value and value >= CALLS_PER_SECOND for value in values.values())


@pytest.mark.assumption(
    f"{CAS_WITH_ONE_SUBJECT} CA certificates with one subject are allowed in an account and Region",
    source=GENERAL_REFERENCE,
    reads_only=True,
)
def test_quota_of_cas_with_one_subject(account: AwsAccount, answer: Answer) -> None:
    values = {
        name: value
        for name, value in _quotas(account).items()
        if "CA certificates with the same subject" in name
    }
    answer(", ".join(f"{value:g}" for value in values.values()) or "no such quota")
    assert list(values.values()) == [CAS_WITH_ONE_SUBJECT]


@pytest.mark.assumption(
    "The metrics of JITP (`ProvisionThing.*`) have no dimension that names the CA",
    source=METRICS,
    reads_only=True,
)
def test_dimensions_of_jitp_metrics(account: AwsAccount, answer: Answer) -> None:
    cloudwatch = account.client("cloudwatch")
    metrics = [
        metric
        for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/IoT")
        for metric in page["Metrics"]
        if metric["MetricName"].startswith("ProvisionThing.")
    ]
    if not metrics:
        could_not_be_tested("CloudWatch has no metric of JITP: no device was provisioned lately")
    names = {dimension["Name"] for metric in metrics for dimension in metric["Dimensions"]}
    answer(f"dimensions: {', '.join(sorted(names)) or 'none'}")
    assert not any("CA" in name for name in names)
