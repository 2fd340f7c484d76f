"""Leaving: what was registered is deleted, what was adopted stays, and the wish counts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.support import Stack, new_ca


@pytest.mark.one_engine("what leaving means is the program's doing; order is tested on both")
def test_each_ca_leaves_as_it_came_or_as_on_destroy_says(
    stack: Stack, subtests: pytest.Subtests
) -> None:
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
    assert account.templates() == set()
    assert stack.terraform.addresses() == []
