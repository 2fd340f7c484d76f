"""The module as it is used: copied to wherever, next to settings of the provider."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca
from tests.support.terraform.addresses import deregistration, registration
from tests.support.terraform.stack import Stack
from tools.checkout import ROOT
from tools.engine.terraform import Terraform


@pytest.mark.one_engine("both engines quote a command alike: it is a list of words")
def test_a_copy_in_a_path_with_spaces_and_an_apostrophe_works(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    copy = workspace.folder / "Ann's modules" / "iot ca"
    for part in ("modules", "scripts"):
        shutil.copytree(
            ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for path in ROOT.glob("*.tf"):
        shutil.copy(path, copy)
    stack = Stack(workspace, sandbox, account, region, source="./Ann's modules/iot ca")
    ca = new_ca()
    key_file = ca.key_file(copy.parent, "root's key.pem")
    stack.want(
        {
            "root": {
                "certificate_pem": ca.pem,
                "certificate_mode": "DEFAULT",
                "verification": {"ca_private_key_file": key_file},
            }
        }
    )

    stack.apply()

    assert stack.account.see(ca.id).mode == "DEFAULT"

    stack.destroy()

    assert stack.account.look(ca.id) is None


@pytest.mark.one_engine("default tags are merged inside the aws provider, the same for both")
def test_default_tags_of_the_provider_leave_the_plan_empty(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    provider = 'default_tags {\n    tags = { team = "devices", cost-center = "42" }\n  }'
    stack = Stack(workspace, sandbox, account, region, provider=provider)
    stack.want(
        {
            "root": {
                "certificate_pem": new_ca().pem,
                "tags": {"team": "fleet"},
                "provisioning": {"type": "JITP"},
            }
        }
    )
    stack.apply()

    steady = stack.plan()

    assert (steady.status, steady.changes, steady.warnings) == (0, {}, [])


@pytest.mark.one_engine("blocks that move are older than both engines")
def test_a_name_is_changed_with_moved_blocks_and_the_ca_is_left_alone(stack: Stack) -> None:
    ca = new_ca()
    stack.want({"before": {"certificate_pem": ca.pem}})
    stack.apply()
    registered = stack.account.see(ca.id)
    stack.want({"after": {"certificate_pem": ca.pem}})
    stack.terraform.write(
        "".join(
            f"moved {{\n  from = {address('before')}\n  to   = {address('after')}\n}}\n"
            for address in (registration, deregistration)
        ),
        "moved.tf",
    )

    assert stack.apply().writes == []

    assert stack.account.see(ca.id) == registered


@pytest.mark.one_engine("the order is that of create_before_destroy, older than both engines")
def test_a_name_is_changed_without_moved_blocks_and_the_ca_stays(
    stack: Stack, tmp_path: Path
) -> None:
    ca = new_ca()
    default = {"certificate_pem": ca.pem, "certificate_mode": "DEFAULT"}
    proof = {"verification": {"ca_private_key_file": ca.key_file(tmp_path)}}
    stack.want({"before": {**default, **proof, "provisioning": {"type": "JITP"}}})
    stack.apply()
    registered = stack.account.see(ca.id)
    # Without a proof it could not be registered again.
    stack.want({"after": {**default, "provisioning": {"type": "JITP"}}})

    renamed = stack.apply()

    assert not {"RegisterCACertificate", "DeleteCACertificate"} & set(renamed.writes)
    now = stack.account.see(ca.id)
    assert (now.mode, now.status, now.template) == ("DEFAULT", "ACTIVE", "after")
    assert now.generation == registered.generation
    assert stack.plan().status == 0

    stack.destroy()

    assert stack.account.look(ca.id) is None


@pytest.mark.one_engine("templates are keyed by their names, which no engine does")
def test_a_template_passes_from_one_ca_to_another_in_place(stack: Stack) -> None:
    old, new = new_ca("old"), new_ca("new")
    fleet = {"provisioning": {"type": "JITP", "template_name": "fleet"}}
    stack.want({"old": {"certificate_pem": old.pem, **fleet}, "new": {"certificate_pem": new.pem}})
    stack.apply()
    stack.want({"old": {"certificate_pem": old.pem}, "new": {"certificate_pem": new.pem, **fleet}})

    passed = stack.apply()

    assert not {"CreateProvisioningTemplate", "DeleteProvisioningTemplate"} & set(passed.writes)
    assert stack.account.see(old.id).template is None
    assert stack.account.see(new.id).template == "fleet"
    assert stack.plan().status == 0
