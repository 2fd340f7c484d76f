"""Records that are lost or tainted: the next apply makes new ones, which own the CA."""

from __future__ import annotations

import pytest

from tests.support.accounts import OWNER
from tests.support.certificates import new_ca
from tests.support.terraform.addresses import deregistration, records, registration
from tests.support.terraform.stack import Stack

pytestmark = pytest.mark.one_engine("which record owns a CA is in its tags, for any engine")


def test_the_successor_of_a_forgotten_or_tainted_record_owns_the_ca(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    account = stack.account
    names = ("hook-forgotten", "hook-tainted", "all-forgotten", "tainted")
    cas = {name: new_ca(name) for name in names}
    stack.want(
        {
            name: {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}
            for name, ca in cas.items()
        }
    )
    stack.apply()
    owners = {name: account.see(ca.id).tags[OWNER] for name, ca in cas.items()}
    stack.terraform.run("state", "rm", deregistration("hook-forgotten"))
    stack.terraform.run("state", "rm", *records("all-forgotten", ""))
    stack.terraform.run("taint", deregistration("hook-tainted"))
    stack.terraform.run("taint", registration("tainted"))

    repaired = stack.apply()

    assert repaired.warnings == []
    for name in names:
        with subtests.test("the new record owns the CA", ca=name):
            same = name == "tainted"
            assert (account.see(cas[name].id).tags[OWNER] == owners[name]) is same
    steady = stack.plan()
    assert (steady.status, steady.changes, steady.warnings) == (0, {}, [])

    stack.destroy()

    for name, ca in cas.items():
        with subtests.test("destroy deletes the CA", ca=name):
            assert account.look(ca.id) is None
    assert stack.terraform.addresses() == []
