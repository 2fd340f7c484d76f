"""JITP comes and goes: no CA ever names a template that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.certificates import new_ca
from tests.support.terraform.stack import Stack


@pytest.mark.one_engine("in which order things come and go is older than both engines")
def test_a_template_exists_before_and_after_the_ca(stack: Stack) -> None:
    account = stack.account
    names = ["switched-off", "switched-on", "renamed", "removed", "kept"]
    cas = {name: new_ca(name) for name in names}
    jitp = {"type": "JITP"}
    authorities: dict[str, dict[str, Any]] = {
        name: {"certificate_pem": ca.pem, "provisioning": jitp} for name, ca in cas.items()
    }
    authorities["switched-on"].pop("provisioning")
    authorities["renamed"]["provisioning"] = {"type": "JITP", "template_name": "before"}
    stack.want(authorities)

    first = stack.apply()

    for name in ("switched-off", "removed", "kept"):
        assert account.see(cas[name].id).template == name
        assert first.position("CreateProvisioningTemplate", templateName=name) < (
            first.position("RegisterCACertificate", certificateId=cas[name].id)
        )
        # Registered with its template in the one call: a device never meets the CA without it.
        assert first.calls_about(cas[name].id, write=True) == ["RegisterCACertificate"]
    assert account.templates() == {"switched-off", "before", "removed", "kept"}

    authorities["switched-off"].pop("provisioning")
    authorities["switched-off"]["auto_registration"] = True
    authorities["switched-on"]["provisioning"] = jitp
    authorities["renamed"]["provisioning"] = {"type": "JITP", "template_name": "after"}
    del authorities["removed"]
    stack.want(authorities)

    change = stack.apply()

    off = account.see(cas["switched-off"].id)
    # AWS disables auto-registration with the template; it was wanted and is back.
    assert (off.template, off.status, off.auto_registration) == (None, "ACTIVE", "ENABLE")
    assert change.position(
        "UpdateCACertificate", certificateId=cas["switched-off"].id, removeAutoRegistration="true"
    ) < change.position("DeleteProvisioningTemplate", templateName="switched-off")

    assert account.see(cas["switched-on"].id).template == "switched-on"
    assert change.position("CreateProvisioningTemplate", templateName="switched-on") < (
        change.position("UpdateCACertificate", certificateId=cas["switched-on"].id)
    )

    assert account.see(cas["renamed"].id).template == "after"
    assert (
        change.position("CreateProvisioningTemplate", templateName="after")
        < change.position("UpdateCACertificate", certificateId=cas["renamed"].id)
        < change.position("DeleteProvisioningTemplate", templateName="before")
    )

    assert account.look(cas["removed"].id) is None
    assert change.position("DeleteCACertificate", certificateId=cas["removed"].id) < (
        change.position("DeleteProvisioningTemplate", templateName="removed")
    )
    assert change.calls_about(cas["kept"].id, write=True) == []
    assert account.templates() == {"switched-on", "after", "kept"}
    for name in ("switched-off", "switched-on", "renamed"):
        assert "RegisterCACertificate" not in change.calls_about(cas[name].id), name
    assert stack.plan().status == 0

    destruction = stack.destroy()

    for name, template in {
        "switched-on": "switched-on",
        "renamed": "after",
        "kept": "kept",
    }.items():
        assert account.look(cas[name].id) is None
        assert destruction.position("DeleteCACertificate", certificateId=cas[name].id) < (
            destruction.position("DeleteProvisioningTemplate", templateName=template)
        )
    assert account.templates() == set()
    assert account.iam.list_roles()["Roles"] == []


@pytest.mark.one_engine("check blocks are older than both engines")
def test_a_plan_warns_of_provisioning_without_auto_registration(stack: Stack) -> None:
    jitp = {"type": "JITP"}
    jitr = {"type": "JITR"}
    stack.want(
        {
            "paused": {
                "certificate_pem": new_ca("paused").pem,
                "provisioning": jitp,
                "auto_registration": False,
            },
            "waiting": {
                "certificate_pem": new_ca("waiting").pem,
                "provisioning": jitr,
                "auto_registration": False,
            },
            "working": {"certificate_pem": new_ca("working").pem, "provisioning": jitp},
            "plain": {"certificate_pem": new_ca("plain").pem, "auto_registration": False},
        }
    )

    plan = stack.plan()

    assert plan.status == 2
    (warning,) = [line for line in plan.warnings if line.startswith("JITP ")]
    assert warning == (
        "JITP and JITR need auto_registration = true: no new device of paused, waiting is "
        "provisioned until then."
    )
