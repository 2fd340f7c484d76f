"""The metrics of JITP (read-only), after devices were provisioned."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer, could_not_be_tested, eventually
from tests.support.aws_contract.sources import METRICS

# A metric is listed some minutes after its first value.
LISTED_SECONDS = 300.0


@pytest.mark.assumption(
    "The metrics of JITP (`ProvisionThing.*`) have no dimension that names the CA",
    source=METRICS,
    reads_only=True,
)
def test_dimensions_of_jitp_metrics(
    account: AwsAccount, pytestconfig: pytest.Config, answer: Answer
) -> None:
    paginator = account.client("cloudwatch").get_paginator("list_metrics")

    def listed() -> list[dict[str, Any]]:
        return [
            metric
            for page in paginator.paginate(Namespace="AWS/IoT")
            for metric in page["Metrics"]
            if metric["MetricName"].startswith("ProvisionThing.")
        ]

    reads_only = pytestconfig.option.read_only
    seconds = 0 if reads_only else account.patience.seconds(LISTED_SECONDS)
    metrics = eventually(listed, seconds) or []
    if not metrics:
        could_not_be_tested("CloudWatch has no metric of JITP: no device was provisioned lately")
    names = {dimension["Name"] for metric in metrics for dimension in metric["Dimensions"]}
    answer(f"dimensions: {', '.join(sorted(names)) or 'none'}")
    assert not any("CA" in name for name in names)
