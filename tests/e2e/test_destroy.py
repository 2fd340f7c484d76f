"""Leaving: what was registered is deleted, what was adopted stays, and the wish counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca, new_leaf
from tests.support.terraform.outcome import Outcome
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform


@pytest.mark.one_engine("what leaving means is the program's doing; order is tested on both")
def test_each_ca_is_restored_or_follows_on_destroy(stack: Stack, subtests: pytest.Subtests) -> None:
    account = stack.account
    jitp = {"type": "JITP"}
    wishes: dict[str, dict[str, Any]] = {
        "registered": {"provisioning": jitp},
        "adopted": {"provisioning": jitp, "auto_registration": False},
        "adopted-deleted": {"on_destroy": "delete"},
        "deactivated": {"on_destroy": "deactivate", "provisioning": jitp},
        "retained-later": {"provisioning": jitp},
        "removed-registered": {},
        "removed-adopted": {"provisioning": jitp},
        "removed-deactivated": {"on_destroy": "deactivate"},
        "gone": {"provisioning": jitp},
    }
    cas = {name: new_ca(name) for name in wishes}
    for name in ("adopted", "adopted-deleted", "removed-adopted"):
        account.register(cas[name], allowAutoRegistration=False)
    authorities = {name: {"certificate_pem": cas[name].pem, **wishes[name]} for name in wishes}
    stack.want(authorities)
    stack.apply()
    leaving = [name for name in wishes if name.startswith("removed-")]
    staying = [name for name in wishes if name not in leaving]
    authorities["retained-later"]["on_destroy"] = "retain"
    stack.want({name: authorities[name] for name in staying})

    removal = stack.apply()

    for name in staying:
        with subtests.test("removing others leaves it alone", ca=name):
            assert removal.calls_about(cas[name].id, write=True) == []
    with subtests.test("removed from the map: what was registered is deleted"):
        assert account.look(cas["removed-registered"].id) is None
    with subtests.test("removed from the map: what was adopted stays, without its template"):
        left = account.see(cas["removed-adopted"].id)
        assert (left.status, left.auto_registration, left.template) == ("ACTIVE", "ENABLE", None)
        assert "removed-adopted" not in account.templates()
    with subtests.test("removed from the map: deactivated"):
        assert account.see(cas["removed-deactivated"].id).status == "INACTIVE"

    account.delete(cas["gone"])
    stack.destroy()

    for name in ("registered", "adopted-deleted", "gone"):
        with subtests.test("destroy deletes it, or finds it gone", ca=name):
            assert account.look(cas[name].id) is None
    with subtests.test("destroy leaves what was adopted, without its template"):
        left = account.see(cas["adopted"].id)
        assert (left.status, left.auto_registration, left.template) == ("ACTIVE", "DISABLE", None)
    with subtests.test("destroy deactivates"):
        left = account.see(cas["deactivated"].id)
        assert (left.status, left.template) == ("INACTIVE", None)
    with subtests.test("destroy retains what it registered, if told so after that"):
        left = account.see(cas["retained-later"].id)
        assert (left.status, left.auto_registration, left.template) == ("ACTIVE", "ENABLE", None)
    for name in ("removed-adopted", "removed-deactivated", "adopted", "deactivated"):
        with subtests.test("what stays carries nothing of the module", ca=name):
            assert account.see(cas[name].id).tags == {}
    assert account.templates() == set()
    assert stack.terraform.addresses() == []


@pytest.mark.one_engine("what a CA carries, and what that means, is the program's doing")
def test_a_retained_ca_is_not_deleted_by_the_state_that_adopts_the_ca(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    first, second = (
        Stack(new_workspace(account, name), sandbox, account, region) for name in ("one", "two")
    )
    ca = new_ca()
    tags = {"stage": "production"}
    first.want({"root": {"certificate_pem": ca.pem, "tags": tags, "on_destroy": "retain"}})
    first.apply()
    registered = first.account.see(ca.id)
    assert registered.own_tags

    first.destroy()

    left = first.account.see(ca.id)
    assert (left.own_tags, left.user_tags, left.status) == ({}, tags, "ACTIVE")
    assert left.generation == registered.generation

    second.want({"root": {"certificate_pem": ca.pem}})
    second.apply()
    assert second.account.see(ca.id).own_tags
    second.destroy()

    after = second.account.see(ca.id)
    assert (after.own_tags, after.user_tags, after.status) == ({}, tags, "ACTIVE")
    assert after.generation == registered.generation


@pytest.mark.one_engine("both engines leave out a provisioner whose configuration is gone")
def test_the_module_block_is_removed_after_its_map_and_leaves_nothing(stack: Stack) -> None:
    account = stack.account
    plain, jitp = new_ca("plain"), new_ca("jitp")
    stack.want(
        {
            "plain": {"certificate_pem": plain.pem},
            "jitp": {"certificate_pem": jitp.pem, "provisioning": {"type": "JITP"}},
        }
    )
    stack.apply()
    assert account.see(plain.id).status == account.see(jitp.id).status == "ACTIVE"

    stack.want({})
    stack.apply()

    assert account.look(plain.id) is account.look(jitp.id) is None
    assert account.templates() == set()
    assert account.iam.list_roles()["Roles"] == []

    stack.terraform.write('provider "aws" {}\n')
    removal = stack.apply()

    assert removal.writes == []
    assert stack.terraform.addresses() == []


@pytest.mark.one_engine("what is refused, and before which call, is the program's doing")
def test_a_ca_with_devices_is_kept_until_force_destroy_is_applied(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    account = stack.account
    cas = {name: new_ca(name) for name in ("removed", "destroyed")}
    authorities: dict[str, dict[str, Any]] = {
        name: {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}
        for name, ca in cas.items()
    }
    stack.want(authorities)
    stack.apply()
    for ca in cas.values():
        account.iot.register_certificate(
            certificatePem=new_leaf(ca, "device").pem, caCertificatePem=ca.pem, status="ACTIVE"
        )
    before = {name: account.see(ca.id) for name, ca in cas.items()}

    def refused(outcome: Outcome, *names: str) -> None:
        for name in names:
            line = outcome.error(name)
            assert "1 registered device certificate;" in line
            assert "apply force_destroy = true" in line
        assert [call.operation for call in outcome.calls if call.write and not call.error] == []
        assert {name: account.see(ca.id) for name, ca in cas.items()} == before
        assert account.templates() == set(cas)

    stack.want({"destroyed": authorities["destroyed"]})
    with subtests.test("removed from the map: refused, and nothing half done"):
        refused(stack.apply(fails=True), "removed")
    with subtests.test("destroy: refused, and nothing half done"):
        refused(stack.destroy(fails=True), "removed", "destroyed")

    for name in cas:
        authorities[name]["force_destroy"] = True
    stack.want(authorities)
    stack.apply()
    with subtests.test("force_destroy by itself changes no setting"):
        after = {name: account.see(ca.id).settings for name, ca in cas.items()}
        assert after["destroyed"] == before["destroyed"].settings
        assert after["removed"].user_tags == before["removed"].user_tags
        assert after["removed"].template == "removed"
    stack.want({"destroyed": authorities["destroyed"]})
    stack.apply()
    with subtests.test("removed from the map once it is applied"):
        assert account.look(cas["removed"].id) is None
        assert account.see(cas["destroyed"].id).status == "ACTIVE"
    stack.destroy()
    with subtests.test("destroyed once it is applied"):
        assert account.look(cas["destroyed"].id) is None
        assert account.templates() == set()
