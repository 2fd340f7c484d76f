"""Changes behind Terraform's back: seen, named, repaired by one apply, and then quiet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import ORIGIN, OWNER, REVISION, TEMPLATE_BODY, Account
from tests.support.certificates import CA, new_ca
from tests.support.terraform.addresses import registration
from tests.support.terraform.stack import Stack


@dataclass(frozen=True)
class Drift:
    """One thing that somebody does to a CA by hand.

    says: what the warning says about it; repair: the calls that repair it, in order.
    """

    do: Callable[[Account, CA], None]
    says: str
    repair: tuple[str, ...]
    jitp: bool = False


def _deactivate(account: Account, ca: CA) -> None:
    account.update(ca, newStatus="INACTIVE")


def _stop_auto_registration(account: Account, ca: CA) -> None:
    account.update(ca, newAutoRegistrationStatus="DISABLE")


def _attach_another_template(account: Account, ca: CA) -> None:
    account.create_template("by-hand")
    account.update(ca, registrationConfig={"templateName": "by-hand"})


def _attach_an_inline_body(account: Account, ca: CA) -> None:
    config = {"templateBody": TEMPLATE_BODY, "roleArn": account.provisioning_role("inline")}
    account.update(ca, registrationConfig=config)


def _detach_the_template(account: Account, ca: CA) -> None:
    account.update(ca, removeAutoRegistration=True)
    account.update(ca, newAutoRegistrationStatus="ENABLE")


def _change_a_tag(account: Account, ca: CA) -> None:
    account.tag(ca, {"stage": "broken"})


def _remove_a_tag(account: Account, ca: CA) -> None:
    account.untag(ca, "stage")


def _remove_the_revision(account: Account, ca: CA) -> None:
    account.untag(ca, REVISION)


def _delete(account: Account, ca: CA) -> None:
    account.delete(ca)


def _delete_and_register_again(account: Account, ca: CA) -> None:
    account.delete(ca)
    account.register(ca)


UPDATE = ("UpdateCACertificate", "TagResource")
TAG = ("TagResource",)
DRIFTS = {
    "status": Drift(_deactivate, "status is INACTIVE, wanted ACTIVE", UPDATE),
    "auto-registration": Drift(
        _stop_auto_registration, "auto-registration is DISABLE, wanted ENABLE", UPDATE
    ),
    "config-changed": Drift(
        _attach_another_template, "template is by-hand, wanted config-changed", UPDATE, jitp=True
    ),
    "config-inline": Drift(
        _attach_an_inline_body,
        "template is an inline body, wanted config-inline",
        UPDATE,
        jitp=True,
    ),
    "config-removed": Drift(
        _detach_the_template, "template is none, wanted config-removed", UPDATE, jitp=True
    ),
    "tag-changed": Drift(_change_a_tag, "tag stage is broken, wanted production", TAG),
    "tag-removed": Drift(_remove_a_tag, "tag stage is missing, wanted production", TAG),
    "revision-removed": Drift(_remove_the_revision, f"tag {REVISION} is missing", TAG),
    "deleted": Drift(
        _delete,
        "not registered. The CA was deleted outside Terraform",
        ("RegisterCACertificate",),
        jitp=True,
    ),
    "registered-again": Drift(
        _delete_and_register_again,
        "tag stage is missing, wanted production; "
        f"tag {ORIGIN} is missing; tag {OWNER} is missing; tag {REVISION} is missing. "
        "The CA was deleted and registered again, or lost this module's tags, outside Terraform",
        TAG,
    ),
}

# What the revision says, where it is more than that something is repaired.
ACTIONS = {
    "status": "repair status INACTIVE -@3E ACTIVE ",
    "deleted": "register ",
    "registered-again": "adopt ",
}


@pytest.mark.one_engine("what drift is, the program says; saved plans repair it on both")
def test_drift_is_named_repaired_once_and_then_gone(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    account = stack.account
    cas = {name: new_ca(name) for name in [*DRIFTS, "untouched", "tagged-by-others"]}
    stack.want(
        {
            name: {
                "certificate_pem": ca.pem,
                "auto_registration": True,
                "tags": {"stage": "production"},
                "provisioning": {
                    "type": "JITP" if name in DRIFTS and DRIFTS[name].jitp else "NONE"
                },
            }
            for name, ca in cas.items()
        }
    )
    first = stack.apply()
    assert first.warnings == []
    before = {name: account.see(ca.id) for name, ca in cas.items()}
    for name, drift in DRIFTS.items():
        drift.do(account, cas[name])
    account.tag(cas["tagged-by-others"], {"owner": "somebody else"})

    plan = stack.plan()

    assert plan.status == 2
    assert plan.changes == {registration(name): "replace" for name in DRIFTS}
    assert plan.writes == []
    for name, drift in DRIFTS.items():
        with subtests.test("one warning in words", drift=name):
            where = f"{name} (account {account.number}, {account.region}) before apply"
            assert plan.warning(name) == [f"{where}: {drift.says}."]
    for name in ("untouched", "tagged-by-others"):
        with subtests.test("no warning", ca=name):
            assert plan.warning(name) == []

    repair = stack.apply()

    for name, ca in cas.items():
        with subtests.test("repaired by these calls alone", drift=name):
            wanted = DRIFTS[name].repair if name in DRIFTS else ()
            assert repair.calls_about(ca.id, write=True) == list(wanted)
        with subtests.test("AWS has it as before", drift=name):
            settings = before[name].settings
            expected = {**settings.tags}
            if name == "registered-again":
                expected[ORIGIN] = "adopted"
            if name == "tagged-by-others":
                expected["owner"] = "somebody else"
            after = account.see(ca.id)
            action = ACTIONS.get(name, "repair " if name in DRIFTS else "register ")
            assert after.tags[REVISION].startswith(action)
            assert after.settings.tags == expected
            assert (after.mode, after.status) == (settings.mode, settings.status)
            assert after.auto_registration == settings.auto_registration
            assert after.template == settings.template

    steady = stack.plan()

    assert (steady.status, steady.changes, steady.warnings) == (0, {}, [])


@pytest.mark.one_engine("what a change is, the program says")
def test_a_change_of_the_configuration_is_announced_without_a_warning(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    account = stack.account
    names = ("status", "tags", "by-hand-already", "adopted", "template")
    cas = {name: new_ca(name) for name in names}
    account.register(cas["adopted"], setAsActive=False)
    plain = {
        name: {"certificate_pem": ca.pem, "auto_registration": True} for name, ca in cas.items()
    }
    stack.want(plain)

    first = stack.plan("-out=first.plan")
    assert first.warnings == []
    assert stack.run("apply", "first.plan", expected={0}).warnings == []
    with subtests.test("an adoption says what it changes"):
        adopted = account.see(cas["adopted"].id)
        assert adopted.tags[REVISION].startswith("adopt status INACTIVE -@3E ACTIVE@2C tags ")
    account.update(cas["by-hand-already"], newStatus="INACTIVE")
    stack.want(
        {
            **plain,
            "status": {**plain["status"], "status": "INACTIVE"},
            "by-hand-already": {**plain["by-hand-already"], "status": "INACTIVE"},
            "tags": {**plain["tags"], "tags": {"stage": "production"}},
            "template": {**plain["template"], "provisioning": {"type": "JITP"}},
        }
    )

    plan = stack.plan("-out=change.plan")
    change = stack.run("apply", "change.plan", expected={0})

    changed = [name for name in names if name != "adopted"]
    assert {registration(name) for name in changed} <= plan.changes.keys()
    assert registration("adopted") not in plan.changes
    assert (plan.warnings, change.warnings) == ([], [])
    for name, action in {
        "status": "update status ACTIVE -@3E INACTIVE ",
        "by-hand-already": "update ",
        "tags": "update tags ",
        "template": "update template none -@3E template ",
    }.items():
        with subtests.test("the record says what it does", ca=name):
            assert account.see(cas[name].id).tags[REVISION].startswith(action)
    steady = stack.plan()
    assert (steady.status, steady.changes, steady.warnings) == (0, {}, [])

    # A setting that is undone outside Terraform now is drift, no matter where the change came from.
    for name in ("status", "by-hand-already"):
        account.update(cas[name], newStatus="ACTIVE")
    drifted = stack.plan()
    for name in ("status", "by-hand-already"):
        where = f"{name} (account {account.number}, {account.region}) before apply"
        assert drifted.warning(name) == [f"{where}: status is ACTIVE, wanted INACTIVE."]


@pytest.mark.one_engine("the record is made by Terraform, and judged by the program's answer")
def test_a_registration_that_failed_is_no_drift(stack: Stack, sandbox: Sandbox) -> None:
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem}})
    sandbox.fault("error", operation="RegisterCACertificate", code="AccessDeniedException")
    stack.apply(fails=True)

    again = stack.plan("-out=again.plan")
    stack.run("apply", "again.plan", expected={0})
    stack.account.delete(ca)
    deleted = stack.plan()
    stack.apply()

    assert again.warnings == []
    assert deleted.warning("root")[0].endswith(
        "not registered. The CA was deleted outside Terraform."
    )
    steady = stack.plan()
    assert (steady.status, steady.warnings) == (0, [])
