"""Fixtures for the tests of permissions: an account that enforces them, and a role in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iot_ca.ownership import private_ca
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.faults.paths import TEMPLATE
from tests.support.permissions.cases import World
from tests.support.permissions.keys import make_keys
from tests.support.permissions.policies import ANY_ID, render
from tests.support.permissions.roles import Role, RoleProgram

REGION = "eu-west-1"
# Of no other test: the sandbox is everybody's, and this account is all of this folder's.
NUMBER = "777000000001"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An account with everything in it that the cases need, and the policies for them."""
    account = Account(sandbox, NUMBER, REGION)
    account.create_template(TEMPLATE)
    keys = make_keys(account)
    role = Role(account)
    program = {
        "account_id": NUMBER,
        "regions": [REGION],
        "certificate_ids": [ANY_ID],
        "default_mode": True,
        "mode_change": True,
        "quota_check": True,
        "kms_key_arns": [keys.kms[0]],
        "secret_arns": [keys.secret[0], keys.own_key_secret[0]],
        "secret_kms_key_arns": [keys.own_key],
        "acm_pca_arns": [keys.private_ca[0]],
        "jitp_role_arns": [f"arn:aws:iam::{NUMBER}:role/role-{TEMPLATE}"],
    }
    documents = render(
        tmp_path_factory.mktemp("policies") / "configuration",
        {
            "program": program,
            # Without what lets an apply look at CAs that a plan may not look at.
            "everything": {
                **program,
                "quota_check": False,
                "jitp_template_names": ["devices"],
                "jitp_alarms": True,
                "jitr_names": ["proven"],
                "jitr_kms_key_arns": [keys.jitr_key],
            },
        },
    )
    sandbox.enforce_permissions(NUMBER)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(private_ca, "_POLL_INTERVAL_SECONDS", 0)
        yield World(account, role, RoleProgram(monkeypatch, sandbox, role), keys, documents)
