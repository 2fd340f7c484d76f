"""Quotas of AWS IoT, enforced where asked for."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.control import Sandbox, SandboxError
from sandbox.server.calls import Call
from sandbox.server.quotas import Quotas, Rate, parse_rate
from tests.support.sandbox.clients import Clients
from tests.support.sandbox.refusals import refused

CALL = {"service": "iot", "operation": "DescribeCACertificate", "account": "1", "region": "a"}


def call(**changed: str) -> Call:
    return Call(**{**CALL, **changed})  # type: ignore[arg-type]


def test_each_operation_has_a_bucket_in_each_account_and_region() -> None:
    quotas, now = Quotas(), [0.0]
    quotas.clock = lambda: now[0]
    assert all(quotas.admit(call()) for _ in range(100))
    quotas.enforce(Rate(per_second=10, burst=2))
    assert [quotas.admit(call()) for _ in range(3)] == [True, True, False]
    for other in (
        call(account="2"),
        call(region="b"),
        call(operation="ListTagsForResource"),
    ):
        assert quotas.admit(other)
    now[0] = 0.1
    assert [quotas.admit(call()) for _ in range(2)] == [True, False]
    now[0] = 60
    assert [quotas.admit(call()) for _ in range(3)] == [True, True, False]
    assert all(quotas.admit(call(operation="DescribeThingGroup")) for _ in range(100))
    assert all(quotas.admit(call(service="kms")) for _ in range(100))


def test_a_call_beyond_its_quota_is_throttled_until_a_reset(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.enforce_quotas(per_second=0.001, burst=1)
    aws.iot().get_registration_code()
    with refused("ThrottlingException", "Rate exceeded"):
        aws.iot().get_registration_code()
    sandbox.reset()
    for _ in range(2):
        aws.iot().get_registration_code()
    sandbox.enforce_quotas(per_second=0.001, burst=1)
    sandbox.lift_quotas()
    for _ in range(2):
        aws.iot().get_registration_code()


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({"per_second": 0}, "per_second"),
        ({"per_second": "10"}, "per_second"),
        ({"per_second": True}, "per_second"),
        ({"burst": 0}, "burst"),
        ({"burst": 1.5}, "burst"),
        ({"rate": 1}, "unknown: rate"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(document: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_rate(document)


def test_the_control_request_says_what_is_wrong(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="burst must be"):
        sandbox.enforce_quotas(burst=0)
