"""The account and its quotas (read-only)."""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from iot_ca.aws.pacing import BURST_CALLS, PACED_OPERATIONS
from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import (
    Answer,
    code_of,
    could_not_be_tested,
    refusal,
    words_of,
)
from tests.support.aws_contract.sources import API, GENERAL_REFERENCE, GUIDE

UNKNOWN_ID = "0" * 64
# What the program paces, and what the function of JITR calls for each device.
PACED = sorted(
    {*PACED_OPERATIONS, "DescribeCertificate", "GetRegistrationCode", "UpdateCertificate"}
)
CALLS_PER_SECOND = 10
CAS_WITH_ONE_SUBJECT = 10
# After which the quota alone has answered all of them.
MAX_BURST_SECONDS = BURST_CALLS / CALLS_PER_SECOND


def _quotas(account: AwsAccount) -> dict[str, float]:
    """Return the quotas in force: an applied value, or the default one where there is none."""
    client = account.client("service-quotas")
    return {
        quota["QuotaName"]: quota["Value"]
        for operation in ("list_aws_default_service_quotas", "list_service_quotas")
        for page in client.get_paginator(operation).paginate(ServiceCode="iotcore")
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
    f"Of {BURST_CALLS} `DescribeCACertificate` at once some are answered and the others throttled; "
    "how many is open (the program sends so many without a pause, and tries again what AWS IoT "
    "throttles)",
    source=GENERAL_REFERENCE,
    reads_only=True,
)
def test_calls_at_once(account: AwsAccount, answer: Answer) -> None:
    client = account.iot_once

    def describe(_: int) -> str:
        return code_of(refusal(lambda: client.describe_ca_certificate(certificateId=UNKNOWN_ID)))

    describe(0)  # credentials and addresses are looked up by the first call
    started = time.monotonic()
    with ThreadPoolExecutor(BURST_CALLS) as pool:
        codes = Counter(pool.map(describe, range(BURST_CALLS)))
    seconds = time.monotonic() - started
    if seconds > MAX_BURST_SECONDS:
        could_not_be_tested(f"the calls took {seconds:.0f} s: that is not at once")
    answer(", ".join(f"{count} {code}" for code, count in codes.most_common()))
    assert codes["ResourceNotFoundException"] > 0
    assert codes.keys() <= {"ResourceNotFoundException", "ThrottlingException"}
