"""AWS IoT's quotas: many CAs in one plan, and many processes in one apply, end without an error."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography import x509

from iot_ca.aws import session as aws
from iot_ca.terraform.inspect import inspect
from iot_ca.terraform.register import register
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import ec_key, issue, pem
from tests.support.program.fast_time import speed_up
from tools.checkout import ROOT

# As many as Terraform runs at once unless it is asked for another number.
PARALLELISM = 10


@pytest.fixture
def account(sandbox: Sandbox, new_account: Callable[[], str], region: str) -> Account:
    """An account of the test's own, without anything in it."""
    return Account(sandbox, new_account(), region)


@pytest.fixture
def program_of(
    sandbox: Sandbox, account: Account, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The program in this process, with the credentials of the account, in a time of its own."""
    for name, value in sandbox.environment(account.number, account.region).items():
        monkeypatch.setenv(name, value)
    speed_up(monkeypatch, sandbox)
    yield
    sandbox.lift_quotas()


def roots(number: int) -> list[x509.Certificate]:
    """New CAs with one key."""
    key = ec_key()
    return [issue(key, common_name=f"root {index}") for index in range(number)]


def query(account: Account, certificates: list[x509.Certificate]) -> str:
    """What the module asks `inspect`."""
    target = {"account_id": account.number, "region": account.region}
    authorities = {
        f"root-{index}": {"certificate_pem": pem(root)} for index, root in enumerate(certificates)
    }
    return json.dumps(
        {"target": json.dumps(target), "certificate_authorities": json.dumps(authorities)}
    )


def request(account: Account, root: x509.Certificate) -> str:
    """What the module asks `register`."""
    return json.dumps(
        {
            "name": "root",
            "target": {"account_id": account.number, "region": account.region},
            "certificate_authority": {"certificate_pem": pem(root), "auto_registration": True},
            "revision": "register 1",
            "owner": "me",
        }
    )


def answers(sandbox: Sandbox, account: Account) -> Counter[tuple[str, str | None]]:
    """How often each operation of AWS IoT was answered with which error, or none."""
    calls = sandbox.calls(service="iot", account=account.number)
    return Counter((call.operation, call.error) for call in calls)


@pytest.mark.usefixtures("program_of")
def test_a_plan_of_200_cas_keeps_within_the_quotas(
    sandbox: Sandbox,
    account: Account,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Pacing at the quota leaves no slack for a burst of one: each call that is early is throttled.
    speed_up(monkeypatch, sandbox, burst=10)
    results = json.loads(inspect(query(account, roots(200))))

    assert len(results) == 200
    called = answers(sandbox, account)
    assert called["DescribeCACertificate", "ResourceNotFoundException"] == 200
    # Of the calls that are not paced, since AWS IoT might accept them. A program that does not
    # pace itself is throttled more often than it is answered.
    assert called["DescribeCACertificate", "ThrottlingException"] < 80
    assert called["ListTagsForResource", "ThrottlingException"] < 80
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("iot_ca: waiting because of AWS's quotas")


@pytest.mark.usefixtures("program_of")
def test_a_plan_of_ten_cas_does_not_wait(
    sandbox: Sandbox,
    account: Account,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.enforce_quotas(per_second=0.001, burst=10)
    pauses: list[float] = []
    monkeypatch.setattr("iot_ca.waiting.sleep", pauses.append)
    assert len(json.loads(inspect(query(account, roots(10))))) == 10
    assert pauses == []
    assert capsys.readouterr().err == ""


@pytest.fixture
def one_session_per_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each thread sessions and clients of its own, as if it were a process."""
    make_session, make_client = aws.new_session, aws._client
    of_thread = threading.local()
    one_at_a_time = threading.Lock()

    def once(name: str, make: Callable[[], Any]) -> Any:
        if not hasattr(of_thread, name):
            with one_at_a_time:
                setattr(of_thread, name, make())
        return getattr(of_thread, name)

    def session(profile: str | None) -> Any:
        return once("session", lambda: make_session(profile))

    def client(made_by: Any, service: str, region: str) -> Any:
        return once(service, lambda: make_client(made_by, service, region))

    monkeypatch.setattr(aws, "new_session", session)
    monkeypatch.setattr(aws, "_client", client)
    # Before Python 3.12 a cached property lets one thread in at a time, whichever object it asks.
    cached = aws.Account.__dict__["_session"]
    monkeypatch.setattr(cached, "lock", contextlib.nullcontext(), raising=False)


@pytest.mark.usefixtures("program_of", "one_session_per_thread")
def test_an_apply_of_40_cas_ends_without_an_error(sandbox: Sandbox, account: Account) -> None:
    """Ten runs of `register` at once, which know nothing of each other."""
    requests = [request(account, root) for root in roots(40)]
    with ThreadPoolExecutor(PARALLELISM) as pool:
        done = list(pool.map(register, requests))

    assert all("registered; SNI_ONLY, ACTIVE" in line for line in done)
    called = answers(sandbox, account)
    assert called["RegisterCACertificate", None] == 40
    assert called["DescribeCACertificate", "ThrottlingException"] > 0


def test_processes_that_share_a_quota_all_end(sandbox: Sandbox, account: Account) -> None:
    environment = {**os.environ, **sandbox.environment(account.number, account.region)}
    sandbox.enforce_quotas(per_second=4, burst=1)
    try:
        processes = [
            subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "iot_ca"), "register"],
                env={**environment, "IOT_CA_REQUEST": request(account, root)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for root in roots(3)
        ]
        ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    finally:
        sandbox.lift_quotas()
    assert [status for _, status in ends] == [0] * 3
    # On a slow machine a run waits long enough to say so, and nothing else is said.
    said = [line for error, _ in ends for line in error.splitlines()]
    assert all(line.startswith("iot_ca: waiting because of AWS's quotas") for line in said), said
    assert answers(sandbox, account)["DescribeCACertificate", "ThrottlingException"] > 0
