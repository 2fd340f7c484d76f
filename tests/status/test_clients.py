"""Clients that accounts share: the trouble of one account must not affect another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from cryptography import x509

from iot_ca.errors import Denied, Failure
from iot_ca.fleet.clients import CallerIdentity, Clients, FleetAccount, sign_in
from iot_ca.model import Credentials, Target
from sandbox.control import Sandbox
from tests.support.status.hub import Run, World, rows

BOTH = {"region": None, "regions": ["eu-west-1", "us-east-1"]}


@pytest.fixture
def one(world: World, ca: x509.Certificate, new_account: Callable[[], str]) -> str:
    """An account with the CA in two regions; its ID."""
    account = new_account()
    world.add("one", account, **BOTH)
    for region in BOTH["regions"] or []:
        world.register("one", region, ca)
    return account


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no call wait before it is retried; return the pauses that it would have made."""
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=pauses.append))
    return pauses


def states(out: str) -> dict[tuple[str, str], str]:
    """The state in each account and region."""
    return {(name, region): row["state"] for (name, region, _), row in rows(out).items()}


@pytest.mark.parametrize("down", ["eu-west-1", "us-east-1"])
def test_a_region_that_is_down_fails_alone(
    world: World,
    run: Run,
    one: str,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    down: str,
) -> None:
    """STS and IoT of one region answer nothing; the role is assumed in the other one."""
    pauses = without_pauses(monkeypatch)
    up = next(region for region in ("eu-west-1", "us-east-1") if region != down)
    sandbox.fault("error", region=down, times=None, code="ServiceUnavailable", status=503)
    sandbox.forget_calls()

    exit_status, out, _ = run(world.write(certificate_file="root.pem"), "--json")

    assert exit_status == 1
    assert states(out) == {("one", up): "in_sync", ("one", down): "failed"}
    assumed = sandbox.calls(operation="AssumeRole", region=up)
    assert [call.error for call in assumed] == [None]
    # Credentials were obtained, so the failure is that of a call to IoT in the Region.
    assert sum(pauses) > 9
    (wrong,) = rows(out)["one", down, "root"]["wrong"]
    assert wrong.startswith("DescribeCACertificate failed")
    assert {call.account for call in sandbox.calls(service="iot")} == {one}


def test_a_denied_role_is_assumed_in_one_region_only(
    world: World, run: Run, one: str, sandbox: Sandbox
) -> None:
    world.accounts["one"]["role_arn"] = f"arn:aws:iam::{one}:role/typo"
    sandbox.forget_calls()
    _, out, _ = run(world.write(certificate_file="root.pem"), "--json")
    assert set(states(out).values()) == {"failed"}
    (call,) = sandbox.calls()
    assert (call.operation, call.region) == ("AssumeRole", "eu-west-1")


def test_if_no_region_answers_the_first_failure_is_reported(
    world: World, one: str, sandbox: Sandbox, clients: Clients
) -> None:
    sandbox.fault("error", operation="AssumeRole", region="eu-west-1", times=None, code="First")
    sandbox.fault("error", operation="AssumeRole", region="us-east-1", times=None, code="Second")
    role = world.accounts["one"]["role_arn"]
    target = Target(one, "eu-west-1", Credentials(role_arn=role))
    with pytest.raises(Failure, match="First") as failed:
        sign_in(target, ["eu-west-1", "us-east-1"], clients)
    assert not isinstance(failed.value, Denied)


@pytest.fixture
def clients(world: World) -> Clients:
    """Those of the hub."""
    del world
    return Clients(1)


def test_sts_is_called_in_the_region_itself(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The global endpoint is that of us-east-1, and opt-in Regions do not accept its tokens."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    client = clients.client(None, "sts", "eu-west-1", None)
    assert client._client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


def test_a_throttled_account_is_retried_and_fails_alone(
    world: World,
    run: Run,
    one: str,
    sandbox: Sandbox,
    ca: x509.Certificate,
    new_account: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """botocore's own retries share a quota in a Region; here it is used up from the start."""
    monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: False)
    pauses = without_pauses(monkeypatch)
    world.add("two", new_account())
    world.register("two", "eu-west-1", ca)
    two = world.accounts["two"]["account_id"]
    for account, times in ((one, 2), (two, None)):
        sandbox.fault(
            "error",
            operation="DescribeCACertificate",
            account=account,
            region="eu-west-1",
            times=times,
            code="ThrottlingException",
            status=429,
        )
    sandbox.forget_calls()

    exit_status, out, _ = run(world.write(certificate_file="root.pem"), "--json")

    assert exit_status == 1
    assert states(out) == {
        ("one", "eu-west-1"): "in_sync",
        ("one", "us-east-1"): "in_sync",
        ("two", "eu-west-1"): "failed",
    }
    assert sum(pauses) > 60


def test_no_account_waits_for_another_ones_profile(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All cached properties of a class share one lock before Python 3.12."""
    waiting, go_on = threading.Event(), threading.Event()
    session = Clients.session

    def slow(self: Clients, profile: str | None) -> object:
        if profile == "slow":
            waiting.set()
            assert go_on.wait(30)
            profile = None
        return session(self, profile)

    monkeypatch.setattr(Clients, "session", slow)
    identity = CallerIdentity(None, "1" * 12)
    slow_target = Target("1" * 12, "eu-west-1", Credentials(profile="slow"))
    accounts = [
        FleetAccount(target, clients, identity)
        for target in (slow_target, Target("2" * 12, "cn-north-1"))
    ]
    partitions: list[str] = []
    threads = [
        threading.Thread(
            target=lambda account=account: partitions.append(account.partition), daemon=True
        )
        for account in accounts
    ]
    threads[0].start()
    assert waiting.wait(30)
    threads[1].start()
    threads[1].join(10)
    assert partitions == ["aws-cn"]
    go_on.set()
    threads[0].join(30)
    assert partitions == ["aws-cn", "aws"]
