"""Calls at once: what is checked still holds when it is written."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from werkzeug.wrappers import Response

from sandbox.control import Sandbox
from sandbox.server.local_aws import LocalAws
from sandbox.server.requests import ApiRequest
from tests.support.certificates import new_ca
from tests.support.sandbox.clients import Clients

ACCOUNTS = [str(100000000000 + i) for i in range(8)]


def outcomes(calls: list[Any]) -> list[str]:
    """Runs the calls at once; their error codes, or "ok", sorted."""

    def outcome(call: Any) -> str:
        try:
            call()
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "ok"

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(outcome, calls))


def test_concurrent_default_registrations_in_many_accounts(aws: Clients) -> None:
    for _ in range(3):
        ca = new_ca()
        calls = []
        for account in ACCOUNTS:
            iot = aws.iot(account)
            code = iot.get_registration_code()["registrationCode"]
            wanted = {
                "caCertificate": ca.pem,
                "verificationCertificate": ca.verification(code),
            }
            calls.append(lambda iot=iot, wanted=wanted: iot.register_ca_certificate(**wanted))
        assert outcomes(calls) == ["InvalidRequestException"] * 7 + ["ok"]


def test_concurrent_registrations_in_one_account(sandbox: Sandbox, aws: Clients) -> None:
    for _ in range(3):
        ca = new_ca()
        clients = [aws.iot() for _ in range(8)]
        calls = [
            lambda iot=iot, ca=ca: iot.register_ca_certificate(
                caCertificate=ca.pem, certificateMode="SNI_ONLY"
            )
            for iot in clients
        ]
        assert outcomes(calls) == ["ResourceAlreadyExistsException"] * 7 + ["ok"]
    assert len(sandbox.calls(operation="RegisterCACertificate")) == 24


def test_concurrent_registrations_and_the_quota(aws: Clients) -> None:
    iot = aws.iot()
    calls = [
        lambda ca=ca: iot.register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
        for ca in [new_ca("Same") for _ in range(14)]
    ]
    assert outcomes(calls) == ["LimitExceededException"] * 4 + ["ok"] * 10


def test_concurrent_updates_all_count(aws: Clients) -> None:
    ca, iot = new_ca(), aws.iot()
    iot.register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
    calls = [
        lambda: iot.update_ca_certificate(certificateId=ca.id, newStatus="ACTIVE")
        for _ in range(20)
    ]
    assert outcomes(calls) == ["ok"] * 20
    description = iot.describe_ca_certificate(certificateId=ca.id)["certificateDescription"]
    assert description["customerVersion"] == 21


def test_calls_are_carried_out_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can pass by luck; this one sees any two calls that overlap."""
    inside: list[int] = []
    overlaps: list[int] = []

    def answer(*_: object) -> Response:
        inside.append(1)
        overlaps.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return Response("{}")

    server = LocalAws()
    monkeypatch.setattr(server, "_moto", SimpleNamespace(answer=answer))
    scope = "Credential={}/20250101/eu-west-1/iot/aws4_request, SignedHeaders=host, Signature=0"
    requests = [
        ApiRequest.from_values(
            path="/registrationcode",
            headers={"authorization": f"AWS4-HMAC-SHA256 {scope.format(account)}"},
        )
        for account in ACCOUNTS
    ]
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(server.respond, requests))
    assert [answer.status_code for answer in answers if answer] == [200] * len(ACCOUNTS)
    assert overlaps == [1] * len(ACCOUNTS)


def test_waiting_call_does_not_block_other_calls(sandbox: Sandbox, aws: Clients) -> None:
    sandbox.fault("latency", operation="GetRegistrationCode", seconds=5)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(aws.iot().get_registration_code)
        while not sandbox.calls(operation="GetRegistrationCode"):
            pass
        aws.iot().list_ca_certificates()
        assert not slow.done()
        assert slow.result()["registrationCode"]
