"""Two registrations of the same CA at once: nobody sees an error but that DEFAULT is taken.

Which run makes the next call is drawn by lot before each call, so that fifty runs are fifty ways
to get in between each other, and the same ones every time. A few more are real processes that
start at the same moment.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from iot_ca.aws import session as aws
from iot_ca.errors import Failures
from iot_ca.terraform.batch import REQUEST_VARIABLE
from iot_ca.terraform.register import register
from sandbox.control import Sandbox
from tests.support.accounts import OWN_TAGS, Account, Registered
from tests.support.certificates import CA, new_ca
from tests.support.faults.paths import TEMPLATE
from tests.support.faults.record import leftovers
from tests.support.sandbox.in_process import connect, in_this_process
from tools.checkout import ROOT

TIMES = 50
TAGS = {"stage": "production"}
OTHERS = {"owner": "somebody else", "cost-center": "4711"}
TAKEN = "another account holds this CA in DEFAULT mode"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS in this process: there are twenty thousand calls."""
    with in_this_process() as running:
        yield running


class Turns:
    """Lets one call of one run through at a time; whose it is, is drawn by lot."""

    def __init__(self, seed: int) -> None:
        self._lot = random.Random(seed)
        self._changed = threading.Condition()
        self._running: set[str] = set()
        self._waiting: dict[str, list[int]] = {}
        self._turn: int | None = None
        self.order: list[str] = []

    def begin(self, run: str) -> None:
        """A run begins; to be told of all before the first of them calls."""
        self._running.add(run)
        self._waiting[run] = []

    def end(self, run: str) -> None:
        """A run has ended, whichever way."""
        with self._changed:
            self._running.discard(run)
            self._draw()

    def before(self, run: str, operation: str) -> None:
        """A run is about to make a call: wait for its turn."""
        me = threading.get_ident()
        with self._changed:
            self._waiting[run].append(me)
            self._draw()
            assert self._changed.wait_for(lambda: self._turn == me, timeout=60), self.order
            self.order.append(f"{run}: {operation}")

    def after(self) -> None:
        """The call has been answered."""
        with self._changed:
            self._turn = None
            self._draw()

    def _draw(self) -> None:
        # Not before everybody has something to do: else the quicker one would always be first.
        if self._turn is None and all(self._waiting[run] for run in self._running):
            runs = sorted(self._running)
            if runs:
                self._turn = self._waiting[self._lot.choice(runs)].pop(0)
                self._changed.notify_all()


@dataclass
class Run:
    """One Terraform's wish: a CA in one account, written by a record of its own."""

    name: str
    account: Account
    mode: str = "SNI_ONLY"
    settings: dict[str, Any] = field(default_factory=dict)
    is_absent_in_plan: bool = True

    def request(self, ca: CA, key_file: str) -> str:
        """What `register` is asked for."""
        proof = {"verification": {"ca_private_key_file": key_file}}
        wanted = {
            "auto_registration": True,
            "template_name": TEMPLATE,
            "tags": TAGS,
            "certificate_mode": self.mode,
        }
        return json.dumps(
            {
                "name": "root",
                "target": {
                    "account_id": self.account.number,
                    "region": self.account.region,
                    "credentials": {"profile": f"{self.account.number}/{self.name}"},
                },
                "certificate_authority": {
                    "certificate_pem": ca.pem,
                    **wanted,
                    **(proof if "DEFAULT" in (self.mode, self.settings.get("from")) else {}),
                    **{k: v for k, v in self.settings.items() if k != "from"},
                },
                "revision": f"register {self.name}",
                "is_absent_in_plan": self.is_absent_in_plan,
                "owner": self.name,
            }
        )


@dataclass
class AtOnce:
    """Runs the program's `register` several times at once, in this process."""

    sandbox: Sandbox
    turns: Turns = field(default_factory=lambda: Turns(0))

    def __call__(self, requests: dict[str, str], seed: int) -> dict[str, str]:
        """The errors of those runs that failed, by their names."""
        self.turns = Turns(seed)
        for name in requests:
            self.turns.begin(name)

        def run(name: str) -> str | None:
            try:
                register(requests[name])
            except Failures as failures:
                (line,) = failures.lines()
                return line
            finally:
                self.turns.end(name)
            return None

        with ThreadPoolExecutor(len(requests)) as pool:
            answers = dict(zip(requests, pool.map(run, requests), strict=True))
        return {name: line for name, line in answers.items() if line is not None}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> AtOnce:
    """The program, in several threads: a profile is an account and a run's name."""
    runs = AtOnce(sandbox)
    make_session, make_client = aws.new_session, aws._client
    one_at_a_time = threading.Lock()

    @functools.cache
    def session(profile: str) -> Any:
        made: Any = make_session(None)
        made.set_credentials(profile.split("/")[0], "sandbox")
        made.set_config_variable("region", "eu-west-1")
        made.run_name = profile.split("/")[1]
        return made

    @functools.cache
    def client(made_by: Any, service: str, region: str) -> Any:
        made = make_client(made_by, service, region)
        run = made_by.run_name

        def before(model: Any, **_: Any) -> None:
            runs.turns.before(run, model.name)

        made.meta.events.register("before-call", before)
        made.meta.events.register("after-call", lambda **_: runs.turns.after())
        connect(made, sandbox.endpoint)
        return made

    def locked(make: Callable[..., Any]) -> Callable[..., Any]:
        def get(*arguments: Any) -> Any:
            with one_at_a_time:
                return make(*arguments)

        return get

    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint)
    monkeypatch.setattr(aws, "new_session", locked(session))
    monkeypatch.setattr(aws, "_client", locked(client))
    monkeypatch.setattr("iot_ca.waiting.sleep", lambda _: None)
    # Before Python 3.12 a cached property lets one thread in at a time, whichever object it asks.
    cached = aws.Account.__dict__["registration_code"]
    monkeypatch.setattr(cached, "lock", contextlib.nullcontext(), raising=False)
    return runs


@pytest.fixture
def other(sandbox: Sandbox, new_account: Callable[[], str], region: str) -> Account:
    """A second account, with a template of the same name."""
    made = Account(sandbox, new_account(), region)
    made.create_template(TEMPLATE)
    return made


def as_wanted(account: Account, ca: CA, mode: str, by: set[str]) -> Registered:
    """The CA is registered as every run wants it, and one of `by` was the last to write."""
    found = account.see(ca.id)
    assert (found.mode, found.status, found.auto_registration) == (mode, "ACTIVE", "ENABLE")
    assert found.template == TEMPLATE
    assert TAGS.items() <= found.user_tags.items()
    owner = found.tags["iot-ca:owner"]
    assert owner in by
    # Of one and the same run: a mixture would be converged in nobody's eyes.
    assert found.tags["iot-ca:revision"] == f"register {owner}"
    assert leftovers(account) == []
    return found


@pytest.mark.parametrize(
    ("mode", "is_absent"), [("SNI_ONLY", True), ("SNI_ONLY", False), ("DEFAULT", True)]
)
def test_two_states_register_a_ca_in_one_account(
    mode: str, is_absent: bool, at_once: AtOnce, account: Account, tmp_path: Path
) -> None:
    runs = [Run(name, account, mode, is_absent_in_plan=is_absent) for name in ("one", "two")]
    orders = set()
    for seed in range(TIMES):
        ca = new_ca(f"Root {seed}")
        key_file = ca.key_file(tmp_path)

        errors = at_once({run.name: run.request(ca, key_file) for run in runs}, seed)

        told = f"seed {seed}: {at_once.turns.order}"
        assert errors == {}, told
        found = as_wanted(account, ca, mode, {"one", "two"})
        assert found.tags["iot-ca:origin"] == "registered", told
        assert found.user_tags == TAGS, told
        assert set(found.own_tags) == {
            OWN_TAGS + name for name in ("revision", "origin", "owner", "managed-tags")
        }, told
        # Each as much as one alone needs, and once more for what the other did meanwhile.
        assert len(at_once.turns.order) <= 40, told
        orders.add(tuple(at_once.turns.order))
    assert len(orders) > TIMES / 2


@pytest.mark.parametrize(
    ("first", "second"),
    [("SNI_ONLY", "SNI_ONLY"), ("DEFAULT", "DEFAULT"), ("SNI_ONLY", "DEFAULT")],
)
def test_two_accounts_register_a_ca(
    first: str, second: str, at_once: AtOnce, account: Account, other: Account, tmp_path: Path
) -> None:
    runs = [Run("one", account, first), Run("two", other, second)]
    winners = set()
    for seed in range(TIMES):
        ca = new_ca(f"Root {seed}")
        key_file = ca.key_file(tmp_path)

        errors = at_once({run.name: run.request(ca, key_file) for run in runs}, seed)

        told = f"seed {seed}: {at_once.turns.order}: {errors}"
        assert len(errors) == (first == second == "DEFAULT"), told
        for run in runs:
            if run.name in errors:
                assert TAKEN in errors[run.name], told
                assert f"(account {run.account.number}, {run.account.region})" in errors[run.name]
                assert run.account.look(ca.id) is None, told
                assert leftovers(run.account) == [], told
            else:
                as_wanted(run.account, ca, run.mode, {run.name})
                winners.add(run.name)
    assert winners == {"one", "two"}


@pytest.mark.parametrize(("before", "after"), [("SNI_ONLY", "DEFAULT"), ("DEFAULT", "SNI_ONLY")])
def test_two_states_change_the_mode_of_a_ca(
    before: str, after: str, at_once: AtOnce, account: Account, tmp_path: Path
) -> None:
    settings = {"allow_mode_change": True, "from": before}
    runs = [Run(name, account, after, settings, False) for name in ("one", "two")]
    # 5, 15 and 56 have each lost something once.
    for seed in (5, 15, *range(50, 70)):
        ca = new_ca(f"Root {seed}")
        key_file = ca.key_file(tmp_path)
        account.register(ca) if before == "SNI_ONLY" else account.register_default(ca)
        account.tag(ca, OTHERS)

        errors = at_once({run.name: run.request(ca, key_file) for run in runs}, seed)

        told = f"seed {seed}: {at_once.turns.order}: {errors}"
        assert errors == {}, told
        found = as_wanted(account, ca, after, {"one", "two"})
        assert found.user_tags == {**OTHERS, **TAGS}, told
        assert found.tags["iot-ca:origin"] == "adopted", told


@pytest.mark.parametrize("modes", [("SNI_ONLY", "SNI_ONLY"), ("DEFAULT", "DEFAULT")])
def test_real_processes_register_a_ca_in_one_account_and_in_two(
    modes: tuple[str, str], sandbox: Sandbox, account: Account, other: Account, tmp_path: Path
) -> None:
    runs = [Run(f"run-{n}", where, modes[0]) for n, where in enumerate([account, account, other])]
    ca = new_ca("Root")
    key_file = ca.key_file(tmp_path)
    # Time for all of them to find the CA not there.
    sandbox.fault("latency", operation="RegisterCACertificate", times=len(runs), seconds=1)

    processes = [_start(sandbox, run, ca, key_file) for run in runs]
    errors = [process.communicate(timeout=60)[1] for process in processes]

    failed = [bool(process.returncode) for process in processes]
    assert all(bool(error) == bad for error, bad in zip(errors, failed, strict=True)), errors
    if modes == ("SNI_ONLY", "SNI_ONLY"):
        assert failed == [False, False, False], errors
    else:
        assert failed in ([False, False, True], [True, True, False]), errors
        for error in filter(None, errors):
            (line,) = error.splitlines()
            assert TAKEN in line
    for where in (account, other):
        held_by = {run.name for run, bad in zip(runs, failed, strict=True) if not bad}
        by = {run.name for run in runs if run.account == where} & held_by
        if by:
            as_wanted(where, ca, modes[0], by)
        else:
            assert where.look(ca.id) is None


def _start(sandbox: Sandbox, run: Run, ca: CA, key_file: str) -> subprocess.Popen[str]:
    request = json.loads(run.request(ca, key_file))
    del request["target"]["credentials"]
    environment = {
        **os.environ,
        **sandbox.environment(run.account.number, run.account.region),
        REQUEST_VARIABLE: json.dumps(request),
    }
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "iot_ca"), "register"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
