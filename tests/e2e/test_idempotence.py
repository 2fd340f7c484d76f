"""Nothing to do means nothing done; a change touches what it is about and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.accounts import ORIGIN, REVISION, TEMPLATE_BODY
from tests.support.certificates import new_ca, new_leaf
from tests.support.terraform.addresses import records, registration
from tests.support.terraform.outcome import PROGRAM
from tests.support.terraform.stack import Stack

TAGS = {"stage": "production", "team": "devices"}


@pytest.mark.own_python("as users have it, on both engines")
def test_only_changed_cas_are_written(stack: Stack, tmp_path: Path) -> None:
    account = stack.account
    names = ["jitp", "default", "changed", "removed", "added"]
    cas = {name: new_ca(name) for name in names}
    authorities: dict[str, dict[str, Any]] = {
        "jitp": {"certificate_pem": cas["jitp"].pem, "provisioning": {"type": "JITP"}},
        "default": {
            "certificate_pem": cas["default"].pem,
            "certificate_mode": "DEFAULT",
            "verification": {"ca_private_key_file": cas["default"].key_file(tmp_path)},
        },
        "changed": {"certificate_pem": cas["changed"].pem, "status": "INACTIVE", "tags": TAGS},
        "removed": {"certificate_pem": cas["removed"].pem},
    }
    stack.want(authorities)
    first = stack.apply()
    assert first.writes.count("RegisterCACertificate") == len(authorities)

    steady = stack.plan()

    assert (steady.status, steady.changes, steady.writes, steady.warnings) == (0, {}, [], [])
    for name in authorities:
        calls = sorted(steady.calls_about(cas[name].id))
        assert calls == ["DescribeCACertificate", "ListTagsForResource"], name
    by_program = [call for call in steady.calls if PROGRAM in call.user_agent]
    assert len(by_program) == 2 * len(authorities)

    assert stack.apply().writes == []

    account.tag(cas["changed"], {"owner": "somebody else"})
    authorities["added"] = {"certificate_pem": cas["added"].pem}
    authorities["changed"].update(status="ACTIVE", tags={"stage": "production"})
    del authorities["removed"]
    stack.want(authorities)
    plan = stack.plan()

    assert plan.changes == {
        **records("added", "create"),
        registration("changed"): "replace",
        **records("removed", "delete"),
    }

    change = stack.apply()

    for name in ("jitp", "default"):
        assert change.calls_about(cas[name].id, write=True) == [], name
    changed = account.see(cas["changed"].id)
    assert changed.status == "ACTIVE"
    assert changed.user_tags == {"stage": "production", "owner": "somebody else"}
    assert account.see(cas["added"].id).status == "ACTIVE"
    assert account.look(cas["removed"].id) is None
    assert stack.plan().status == 0


@pytest.mark.one_engine("it is a precondition that refuses, older than both engines")
def test_another_certificate_under_a_name_is_refused(
    stack: Stack,
) -> None:
    account = stack.account
    old, new = new_ca("Root 2025"), new_ca("Root 2026")
    stack.want({"root": {"certificate_pem": old.pem}})
    stack.apply()
    stack.want({"root": {"certificate_pem": new.pem}})

    refused = stack.plan(fails=True)

    assert any("root: certificate_pem is not the certificate" in line for line in refused.errors)
    assert refused.writes == []

    # As the message says: the new one next to the old one, then without it.
    stack.want({"root": {"certificate_pem": old.pem}, "root-2026": {"certificate_pem": new.pem}})
    stack.apply()
    assert account.see(old.id).status == account.see(new.id).status == "ACTIVE"
    stack.want({"root-2026": {"certificate_pem": new.pem}})
    left = stack.apply()
    assert left.calls_about(new.id, write=True) == []
    assert account.look(old.id) is None


@pytest.mark.one_engine("adoption is the program's doing; the plan only creates records")
def test_cas_registered_by_hand_are_adopted_and_left_behind(stack: Stack) -> None:
    account = stack.account
    cas = {name: new_ca(name) for name in ("as-wanted", "different", "inline")}
    path = stack.terraform.write(cas["as-wanted"].pem, "by-hand.pem")
    account.cli(
        *("iot", "register-ca-certificate", "--ca-certificate", f"file://{path}"),
        *("--certificate-mode", "SNI_ONLY", "--set-as-active", "--allow-auto-registration"),
    )
    account.register(
        cas["different"],
        setAsActive=False,
        allowAutoRegistration=False,
        tags=[{"Key": "stage", "Value": "test"}, {"Key": "owner", "Value": "somebody else"}],
    )
    account.register(
        cas["inline"],
        registrationConfig={
            "templateBody": TEMPLATE_BODY,
            "roleArn": account.provisioning_role(),
        },
    )
    before = {name: account.see(ca.id) for name, ca in cas.items()}
    stack.want(
        {
            "as-wanted": {"certificate_pem": cas["as-wanted"].pem, "auto_registration": True},
            "different": {
                "certificate_pem": cas["different"].pem,
                "auto_registration": True,
                "tags": TAGS,
            },
            "inline": {
                "certificate_pem": cas["inline"].pem,
                "provisioning": {"type": "JITP", "template_name": "adopted"},
            },
        }
    )

    plan = stack.plan()

    assert plan.status == 2
    assert plan.writes == []
    assert plan.warnings == []

    adoption = stack.apply()

    assert "RegisterCACertificate" not in adoption.writes
    assert "DeleteCACertificate" not in adoption.writes
    after = {name: account.see(ca.id) for name, ca in cas.items()}
    for name in cas:
        assert after[name].generation == before[name].generation, name
        assert (after[name].status, after[name].auto_registration) == ("ACTIVE", "ENABLE"), name
        assert after[name].tags[ORIGIN] == "adopted", name
    for name, changes in {
        "as-wanted": "tags",
        "different": "status INACTIVE -@3E ACTIVE@2C auto-registration DISABLE -@3E ENABLE@2C tags",
        "inline": "template an inline body -@3E adopted@2C tags",
    }.items():
        assert after[name].tags[REVISION].startswith(f"adopt {changes} "), name
    assert adoption.calls_about(cas["as-wanted"].id, write=True) == ["TagResource"]
    assert after["different"].user_tags == {**TAGS, "owner": "somebody else"}
    assert after["inline"].template == "adopted"
    assert stack.plan().status == 0

    stack.destroy()

    for name, ca in cas.items():
        left = account.see(ca.id)
        assert left.generation == before[name].generation, name
        assert (left.status, left.auto_registration, left.template) == ("ACTIVE", "ENABLE", None)
    assert account.templates() == set()


@pytest.mark.one_engine("which certificate a text means is for the program to say")
def test_line_ends_leading_text_and_a_chain_make_no_other_ca(stack: Stack) -> None:
    account = stack.account
    crlf, leading, bundle = (new_ca(name) for name in ("crlf", "leading", "bundle"))
    as_found = {
        "crlf": crlf.pem.replace("\n", "\r\n"),
        "leading": f"subject=CN = leading\n\n{leading.pem}",
        "bundle": bundle.pem + new_leaf(bundle, "device").pem,
    }
    stack.want({name: {"certificate_pem": pem} for name, pem in as_found.items()})

    first = stack.apply()

    outputs = first.outputs["certificate_authorities"]
    for name, ca in {"crlf": crlf, "leading": leading, "bundle": bundle}.items():
        assert outputs[name]["certificate_id"] == ca.id, name
        assert account.see(ca.id).status == "ACTIVE", name
    (note,) = first.warning("bundle")
    assert "certificate_pem holds 2 certificates; the first one is used" in note
    for name in ("crlf", "leading"):
        assert first.warning(name) == []

    stack.want(
        {
            "crlf": {"certificate_pem": crlf.pem},
            "leading": {"certificate_pem": leading.pem},
            "bundle": {"certificate_pem": bundle.pem},
        }
    )
    tidied = stack.plan()

    assert (tidied.status, tidied.warnings) == (0, [])
