"""How many accounts, Regions and CAs are looked up in parallel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.errors import Failure
from iot_ca.fleet import lookup
from iot_ca.fleet.clients import CallerIdentity, Clients, FleetAccount
from iot_ca.fleet.inventory import AccountRegion, Fleet
from iot_ca.fleet.lookup import Observations, Scope
from iot_ca.model import ObservedCa, Target
from iot_ca.provisioning.facts import Unreadable
from tests.support.status.reports import CERTIFICATE, IN_SYNC, configured

CAS_ALONE = Scope(provisioning=False)


class Rendezvous:
    """So many callers wait for each other that with fewer at once they would wait for ever."""

    def __init__(self, parties: int) -> None:
        # The last one makes them wait a little longer, so that one too many has time to come.
        self._barrier = threading.Barrier(parties, action=lambda: time.sleep(0.02))
        self._lock = threading.Lock()
        self._waiting = 0
        self.most = 0

    def wait(self) -> None:
        """Return as soon as all callers have come."""
        with self._lock:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        self._barrier.wait(30)
        with self._lock:
            self._waiting -= 1


def fleet_of(accounts: int, cas: int) -> Fleet:
    """A fleet of so many accounts and CAs; the CAs' IDs are numbers."""
    certificates = {f"ca{n}": replace(CERTIFICATE, certificate_id=str(n)) for n in range(cas)}
    configured_cas = dict.fromkeys(certificates, configured())
    return Fleet(
        tuple(
            AccountRegion(f"a{n}", Target(f"{n:012}", "eu-west-1"), configured_cas)
            for n in range(accounts)
        ),
        certificates,
    )


@pytest.mark.parametrize(("cas", "at_once"), [(1, 32), (2, 16), (20, 6)])
def test_accounts_are_looked_up_in_parallel_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, cas: int, at_once: int
) -> None:
    """All lookups together make at most 64 calls at once, each of them at most ten."""
    rendezvous = Rendezvous(at_once)

    def sign_in(target: Target, regions: Sequence[str], clients: Clients) -> CallerIdentity:
        del regions, clients
        rendezvous.wait()
        return CallerIdentity(None, target.account_id)

    def observe(self: CaCertificates, ids: Iterable[str]) -> dict[str, ObservedCa]:
        del self
        rendezvous.wait()
        return dict.fromkeys(ids, IN_SYNC)

    monkeypatch.setattr(lookup, "sign_in", sign_in)
    monkeypatch.setattr(CaCertificates, "observe", observe)
    fleet = fleet_of(2 * at_once, cas)
    assert lookup.observe_fleet(fleet, scope=CAS_ALONE) == {
        account_region: Observations(dict.fromkeys(map(str, range(cas)), IN_SYNC))
        for account_region in fleet.account_regions
    }
    assert rendezvous.most == at_once


@pytest.mark.parametrize(("cas", "at_once"), [(1, 2), (5, 10), (20, 10)])
def test_calls_for_one_account_run_in_parallel_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, cas: int, at_once: int
) -> None:
    rendezvous = Rendezvous(at_once)

    def call(*_: object) -> None:
        rendezvous.wait()

    def sign_in(target: Target, *_: object) -> CallerIdentity:
        return CallerIdentity(None, target.account_id)

    monkeypatch.setattr(lookup, "sign_in", sign_in)
    monkeypatch.setattr(FleetAccount, "client", lambda *_: None)
    monkeypatch.setattr("iot_ca.aws.observation.describe", call)
    monkeypatch.setattr("iot_ca.aws.observation.read_tags", call)
    monkeypatch.setattr("iot_ca.aws.observation.arn", lambda _, certificate_id: certificate_id)
    fleet = fleet_of(1, cas)
    assert lookup.observe_fleet(fleet) == {
        fleet.account_regions[0]: Observations(dict.fromkeys(map(str, range(cas))))
    }
    assert rendezvous.most == at_once


def test_progress_is_reported_for_every_account_and_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def sign_in(target: Target, *_: object) -> CallerIdentity:
        wrong_account = target.account_id.endswith("0")
        return CallerIdentity(None, "9" * 12 if wrong_account else target.account_id)

    monkeypatch.setattr(lookup, "sign_in", sign_in)
    monkeypatch.setattr(CaCertificates, "observe", lambda _, ids: dict.fromkeys(ids, IN_SYNC))
    progress: list[None] = []
    lookup.observe_fleet(fleet_of(5, 1), lambda: progress.append(None), CAS_ALONE)
    assert len(progress) == 5


def observe_one(monkeypatch: pytest.MonkeyPatch, scope: Scope) -> Observations:
    """What is observed of one account with one registered CA."""
    monkeypatch.setattr(
        lookup, "sign_in", lambda target, *_: CallerIdentity(None, target.account_id)
    )
    monkeypatch.setattr(CaCertificates, "observe", lambda _, ids: dict.fromkeys(ids, IN_SYNC))
    monkeypatch.setattr(FleetAccount, "partition", "aws")
    (observed,) = lookup.observe_fleet(fleet_of(1, 1), scope=scope).values()
    return observed


def test_an_error_in_provisioning_or_a_listing_costs_that_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(lookup, "observe_provisioning", fail)
    monkeypatch.setattr(lookup, "observe_unlisted", fail)
    observed = observe_one(monkeypatch, Scope(unlisted=True))
    unforeseen = Unreadable("unforeseen ZeroDivisionError; run with IOT_CA_DEBUG=1 and report it")
    assert observed == Observations({"0": IN_SYNC}, "aws", {"0": unforeseen}, unforeseen)


def test_an_account_with_two_names_has_the_cas_of_both_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed: list[set[str]] = []

    def observe_unlisted(_: object, ids: Iterable[str]) -> tuple[()]:
        listed.append(set(ids))
        return ()

    monkeypatch.setattr(lookup, "observe_unlisted", observe_unlisted)
    monkeypatch.setattr(CaCertificates, "observe", lambda _, ids: dict.fromkeys(ids))
    monkeypatch.setattr(
        lookup, "sign_in", lambda target, *_: CallerIdentity(None, target.account_id)
    )
    fleet = fleet_of(1, 2)
    (account_region,) = fleet.account_regions
    halves = tuple(
        replace(account_region, account_name=name, cas={name: account_region.cas[name]})
        for name in account_region.cas
    )
    observed = lookup.observe_fleet(
        replace(fleet, account_regions=halves), scope=Scope(provisioning=False, unlisted=True)
    )
    # By each name, for the credentials of one may fail; the report has it once.
    assert listed == [{"0", "1"}, {"0", "1"}]
    assert [each.unlisted for each in observed.values()] == [(), ()]


@pytest.mark.parametrize("cas", [0, 1])
def test_an_account_that_cannot_be_entered_has_no_complete_list(
    monkeypatch: pytest.MonkeyPatch, cas: int
) -> None:
    def sign_in(*_: object) -> CallerIdentity:
        raise Failure("no role")

    monkeypatch.setattr(lookup, "sign_in", sign_in)
    scope = Scope(unlisted=True)
    (observed,) = lookup.observe_fleet(fleet_of(1, cas), scope=scope).values()
    assert observed.unlisted == Unreadable("no role")
    (observed,) = lookup.observe_fleet(fleet_of(1, cas)).values()
    assert observed.unlisted is None
