"""A provisioning role that was just created, and that AWS IoT does not know yet."""

from __future__ import annotations

import json
import time

import pytest

from iot_ca.terraform.register import register
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.faults.paths import TEMPLATE


def test_a_ca_is_registered_as_soon_as_its_new_role_is_known(
    sandbox: Sandbox, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment(account.number, account.region).items():
        monkeypatch.setenv(name, value)
    ca = new_ca()
    authority = {"certificate_pem": ca.pem, "auto_registration": True, "template_name": TEMPLATE}
    request = {
        "name": "root",
        "target": {"account_id": account.number, "region": account.region},
        "certificate_authority": authority,
        "revision": "register 1",
        "owner": "me",
    }
    (role,) = account.iam.list_roles()["Roles"]
    age = time.time() - role["CreateDate"].timestamp()
    sandbox.delay_roles(age + 1.5)
    try:
        assert "registered" in register(json.dumps(request))
    finally:
        sandbox.delay_roles(0)
    calls = sandbox.calls(operation="RegisterCACertificate", account=account.number)
    assert [call.error for call in calls[:-1]] == ["InvalidRequestException"] * (len(calls) - 1)
    assert len(calls) > 1
    assert account.see(ca.id).template == TEMPLATE
