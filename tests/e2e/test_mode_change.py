"""The mode of a registered CA is changed if that is allowed and can be rolled back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.addresses import records, registration, template
from tests.support.terraform.stack import Stack

pytestmark = pytest.mark.one_engine("how a mode is changed is the program's doing")

OTHERS = {"owner": "somebody else", "cost-center": "4711"}
TAGS = {"stage": "production"}


def test_the_mode_of_adopted_cas_is_changed_back_and_forth(
    stack: Stack,
    new_account_by_hand: Callable[[], Account],
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    account = stack.account
    names = ["there-and-back", "forced", "not-allowed", "no-way-back", "taken"]
    cas = {name: new_ca(name) for name in names}
    for name in ("there-and-back", "taken"):
        account.register(cas[name])
    for name in ("forced", "not-allowed", "no-way-back"):
        account.register_default(cas[name])
    for ca in cas.values():
        account.tag(ca, OTHERS)
    new_account_by_hand().register_default(cas["taken"])
    before = {name: account.see(cas[name].id) for name in names}

    def wanted(name: str, mode: str, **settings: Any) -> dict[str, Any]:
        return {
            "certificate_pem": cas[name].pem,
            "certificate_mode": mode,
            "provisioning": {"type": "JITP"},
            "tags": TAGS,
            **settings,
        }

    def proof(name: str) -> dict[str, Any]:
        return {"verification": {"ca_private_key_file": cas[name].key_file(tmp_path, name)}}

    allowed = {"allow_mode_change": True}
    authorities = {
        "there-and-back": wanted("there-and-back", "DEFAULT", **allowed, **proof("there-and-back")),
        "forced": wanted("forced", "SNI_ONLY", **allowed, force_mode_change=True),
        "not-allowed": wanted("not-allowed", "SNI_ONLY"),
        "no-way-back": wanted("no-way-back", "SNI_ONLY", **allowed),
        "taken": wanted("taken", "DEFAULT", **allowed, **proof("taken")),
    }
    stack.want(authorities)
    refused = stack.plan(fails=True)

    with subtests.test("what is not allowed fails in the plan, with what to do"):
        line = refused.error("not-allowed")
        assert "registered in DEFAULT mode, wanted SNI_ONLY" in line
        assert 'set certificate_mode = "DEFAULT", or set allow_mode_change = true' in line
    with subtests.test("a change without a rollback fails in the plan"):
        line = refused.error("no-way-back")
        assert "keep verification until the mode has been changed" in line
        assert "force_mode_change = true" in line
    with subtests.test("nobody else fails, and nothing is written"):
        assert len([line for line in refused.errors if "iot_ca: " in line]) == 2
        assert refused.writes == []

    del authorities["not-allowed"], authorities["no-way-back"]
    stack.want(authorities)
    changed = stack.apply(fails=True)

    with subtests.test("refused by AWS: said so, and as it was"):
        line = changed.error("taken")
        assert "another account holds this CA in DEFAULT mode" in line
        assert "the mode was not changed, it is registered in SNI_ONLY mode as before" in line
        now = account.see(cas["taken"].id).settings
        assert (now.mode, now.status, now.auto_registration, now.template, now.tags) == (
            "SNI_ONLY",
            before["taken"].status,
            before["taken"].auto_registration,
            None,
            OTHERS,
        )
        assert len([line for line in changed.errors if "iot_ca: " in line]) == 1

    def changed_to(name: str, mode: str) -> None:
        now = account.see(cas[name].id)
        assert (now.mode, now.status, now.auto_registration) == (mode, "ACTIVE", "ENABLE")
        assert now.template == name
        assert now.user_tags == {**OTHERS, **TAGS}
        assert now.tags["iot-ca:origin"] == "adopted"
        assert account.iot.list_thing_groups()["thingGroups"] == []

    for name, mode in (("there-and-back", "DEFAULT"), ("forced", "SNI_ONLY")):
        with subtests.test("changed, with template, settings and everybody's tags", ca=name):
            changed_to(name, mode)

    # What was refused is given up; the other goes back.
    del authorities["taken"]
    stack.want(authorities)
    given_up = stack.apply()
    with subtests.test("giving up the refused one leaves it to its owners"):
        assert account.see(cas["taken"].id).settings.tags == OTHERS
        assert account.see(cas["taken"].id).status == "ACTIVE"
        assert given_up.calls_about(cas["there-and-back"].id, write=True) == []
    assert stack.plan().status == 0

    authorities["there-and-back"] = wanted(
        "there-and-back", "SNI_ONLY", **allowed, **proof("there-and-back")
    )
    stack.want(authorities)
    back = stack.apply()

    with subtests.test("and back"):
        changed_to("there-and-back", "SNI_ONLY")
        assert back.changes.keys() <= {
            *records("there-and-back", ""),
            template("there-and-back"),
        }, back.changes
        assert registration("there-and-back") in back.changes
        assert back.calls_about(cas["forced"].id, write=True) == []
    assert stack.plan().status == 0
