"""A provisioning role that was just created, and that AWS IoT does not know yet."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iot_ca.terraform.register import register
from sandbox.control import Call, Sandbox
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

    def calls() -> list[Call]:
        return sandbox.calls(operation="RegisterCACertificate", account=account.number)

    sandbox.delay_roles(3600)
    try:
        with ThreadPoolExecutor() as pool:
            said = pool.submit(register, json.dumps(request))
            while not calls() and not said.done():
                time.sleep(0.01)
            sandbox.delay_roles(0)
        assert "registered" in said.result()
    finally:
        sandbox.delay_roles(0)
    errors = [call.error for call in calls()]
    assert len(errors) > 1
    assert errors == ["InvalidRequestException"] * (len(errors) - 1) + [None]
    assert account.see(ca.id).template == TEMPLATE
