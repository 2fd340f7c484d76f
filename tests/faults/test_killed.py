"""A real process that is killed by SIGKILL in the middle of a change of mode loses nothing.

Without a chance to tidy up: at each of its writing calls, before the call has an effect, and after
it but before the answer is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from iot_ca.terraform.batch import REQUEST_VARIABLE
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.faults.injection import Call, FaultyProgram
from tests.support.faults.paths import TEMPLATE
from tests.support.faults.record import Record, leftovers, seen
from tools.checkout import ROOT

OTHERS = {"owner": "somebody else", "cost-center": "4711"}
# Long enough to be killed in, on the slowest machine.
WAIT = 60

# As of "the calls of a change of mode are the least there can be".
WRITES = [
    Call("RegisterCACertificate", 0),
    Call("CreateThingGroup", 0),
    Call("DeleteCACertificate", 0),
    Call("UpdateCACertificate", 0),
    Call("DeleteCACertificate", 1),
    Call("RegisterCACertificate", 1),
    Call("DeleteThingGroup", 0),
]


@pytest.mark.parametrize(
    ("mode", "when"),
    [("DEFAULT", "before"), ("DEFAULT", "after"), ("SNI_ONLY", "after")],
)
def test_the_next_run_finishes_the_work_of_a_killed_one(
    mode: str,
    when: str,
    program: FaultyProgram,
    sandbox: Sandbox,
    account: Account,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    for call in WRITES:
        ca = new_ca(f"Root {call}")
        wanted = {
            "certificate_mode": mode,
            "allow_mode_change": True,
            "template_name": TEMPLATE,
            "status": "INACTIVE" if mode == "SNI_ONLY" else "ACTIVE",
            "tags": {"stage": "production"},
            "verification": {"ca_private_key_file": ca.key_file(tmp_path)},
        }
        account.register_default(ca) if mode == "SNI_ONLY" else account.register(ca)
        account.tag(ca, OTHERS)
        terraform = Record(program, account, ca, wanted)
        revision = terraform.plan()

        _kill_at(call, when, sandbox, terraform, revision)

        told = f"{when} {call}"
        # A record whose provisioner failed is tainted: the next apply makes it anew.
        assert terraform.apply() is None, told
        assert terraform.plan() == terraform.revision, told
        found = seen(account, ca)
        assert found is not None, told
        assert (found.mode, found.status) == (mode, wanted["status"]), told
        assert (found.auto_registration, found.template) == ("ENABLE", TEMPLATE), told
        assert found.user_tags == {**OTHERS, "stage": "production"}, told
        assert found.tags["iot-ca:origin"] == "adopted", told
        assert leftovers(account) == [], told
    record_property("faults", len(WRITES))


def _kill_at(call: Call, when: str, sandbox: Sandbox, terraform: Record, revision: str) -> None:
    """Run `register` in a process of its own, and kill it at a call, before or after its effect."""
    place = {"operation": call.operation, "account": terraform.account.number, "skip": call.number}
    if when == "after":
        # Carried out, but the answer gets lost; the program is killed as it tries again.
        sandbox.fault("cut_after", **place)  # type: ignore[arg-type]
    sandbox.fault("cut_before", **place, seconds=WAIT)  # type: ignore[arg-type]
    environment = {
        **os.environ,
        **sandbox.environment(terraform.account.number, terraform.account.region),
        REQUEST_VARIABLE: json.dumps(terraform.request(revision)),
    }
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "iot_ca"), "register"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while sandbox.faults():
            assert process.poll() is None, f"{when} {call}: {process.communicate()}"
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -9
