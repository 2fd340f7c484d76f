"""Service Quotas: what an account is told of the quotas of AWS IoT."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.control import Sandbox
from sandbox.server.quotas import OPERATIONS, Rate
from tests.support.clients import client_for
from tests.support.sandbox.clients import ONE, REGION


@pytest.fixture
def quotas(sandbox: Sandbox) -> Any:
    return client_for(sandbox, ONE, REGION, "service-quotas")


def test_quotas_are_those_that_the_sandbox_enforces(quotas: Any) -> None:
    pages = quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="iotcore", PaginationConfig={"PageSize": 4}
    )
    listed = [quota for page in pages for quota in page["Quotas"]]
    per_second = {quota["QuotaName"]: quota["Value"] for quota in listed if "Period" in quota}

    assert per_second == {f"{operation} API TPS": Rate().per_second for operation in OPERATIONS}


def test_default_values_are_listed_where_no_value_is_applied(sandbox: Sandbox, quotas: Any) -> None:
    applied = quotas.list_service_quotas(ServiceCode="iotcore")["Quotas"]
    sandbox.omit_applied_quotas()

    assert quotas.list_service_quotas(ServiceCode="iotcore")["Quotas"] == []
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="iotcore", QuotaCode="L-A26060BE")
    assert quotas.list_aws_default_service_quotas(ServiceCode="iotcore")["Quotas"] == applied


def test_one_quota_is_answered_by_its_code(quotas: Any) -> None:
    quota = quotas.get_service_quota(ServiceCode="iotcore", QuotaCode="L-A26060BE")["Quota"]

    assert (quota["Value"], quota["ServiceCode"]) == (10, "iotcore")
    assert quota["QuotaArn"] == f"arn:aws:servicequotas:{REGION}:{ONE}:iotcore/L-A26060BE"


@pytest.mark.parametrize("unknown", [{"ServiceCode": "vpc"}, {"QuotaCode": "L-00000000"}])
def test_other_quotas_are_refused(quotas: Any, unknown: dict[str, str]) -> None:
    request = {"ServiceCode": "iotcore", "QuotaCode": "L-A26060BE", **unknown}

    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(**request)
