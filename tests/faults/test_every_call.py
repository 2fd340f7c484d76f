"""A fault at every call, before and after its effect, on every path: all end as they should.

"As they should" is how the same path ends without a fault. In addition: an error is
one line, a run that fails in the middle of a change of mode without dying leaves the CA as it was,
and nothing that remembers the change is left in the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.faults.injection import FAULTS, Call, Fault, FaultyProgram
from tests.support.faults.paths import PATHS, Way, apply, begin
from tests.support.faults.record import leftovers, seen, template_of
from tests.support.sandbox.in_process import in_this_process, keep_state


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS in this process: there are a hundred thousand calls."""
    with in_this_process() as running:
        yield running


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PATHS)
def test_every_fault_ends_in_the_desired_state(
    name: str,
    program: FaultyProgram,
    account: Account,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    path = PATHS[name]
    start = begin(path, program, account, tmp_path)
    ca = start.ca
    before = seen(account, ca)
    template = template_of(account, ca) if before else {}
    if path.step is apply:
        start.planned = start.plan()
    begin_again = keep_state(account.number, account.region)
    assert path.step(replace(start), None) is None
    calls = program.line.calls
    assert calls
    assert all(each.operation for each in calls)
    goal = seen(account, ca)
    assert leftovers(account) == []

    tried = 0
    missing = set(path.only) - {call.operation for call in calls}
    assert not missing
    for (kind, after), call in itertools.product(FAULTS, dict.fromkeys(calls)):
        if path.only and call.operation not in path.only:
            continue
        if (kind, after) == ("outage", True) and not call.writes:
            # The same as one before the next call.
            continue
        fault = Fault(kind, after, call)
        begin_again()
        terraform = replace(start)

        trouble = path.step(terraform, fault)

        told = f"{name}: {fault}: {trouble}"
        if kind == "kill":
            assert trouble == "killed", told
        if kind in ("cut", "busy") or (kind == "storm" and call == _registration(path, calls)):
            assert trouble is None, told
        if kind == "refuse" and _can_be_rolled_back(path):
            now = seen(account, ca)
            assert now is not None, told
            assert now == before or now.mode == path.wanted["certificate_mode"], told
            assert now != before or template_of(account, ca) == template, told
        for _ in range(2):
            # A plan tells whether there is anything left to do; then an apply must do it.
            if trouble is not None:
                trouble = path.step(terraform, None)
        assert trouble is None, told
        assert seen(account, ca) == goal, told
        assert leftovers(account) == [], told
        if path.step is apply:
            assert terraform.plan() == terraform.revision, told
        tried += 1
    record_property("faults", tried)


def _registration(path: Way, calls: list[Call]) -> Call | None:
    """The call that registers a CA which a change of mode has deleted; None on another path."""
    if "allow_mode_change" not in path.wanted:
        return None
    return [call for call in calls if call.operation == "RegisterCACertificate"][-1]


def _can_be_rolled_back(path: Way) -> bool:
    """Whether a change of mode that AWS refuses in the middle can be taken back."""
    return "allow_mode_change" in path.wanted and "force_mode_change" not in path.wanted


def test_a_mode_change_makes_no_needless_call(
    program: FaultyProgram, account: Account, tmp_path: Path
) -> None:
    terraform = begin(PATHS["change to DEFAULT"], program, account, tmp_path)
    assert terraform.apply() is None
    writes = [call for call in program.line.calls if call.writes]
    assert writes == [
        Call("RegisterCACertificate", 0),  # a probe: it exists already
        Call("CreateThingGroup", 0),
        Call("DeleteCACertificate", 0),  # a probe: it is ACTIVE
        Call("UpdateCACertificate", 0),
        Call("DeleteCACertificate", 1),
        Call("RegisterCACertificate", 1),
        Call("DeleteThingGroup", 0),
    ]
