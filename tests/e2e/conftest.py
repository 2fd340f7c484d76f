"""Fixtures for the end-to-end tests: a real Terraform, the real aws provider, the sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 in this process must not read what the user has set for AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@pytest.fixture
def stack(workspace: Terraform, sandbox: Sandbox, account: str, region: str) -> Stack:
    """A root module in `workspace` for an account that no other test uses."""
    return Stack(workspace, sandbox, account, region)


@pytest.fixture
def new_account_by_hand(
    sandbox: Sandbox, new_account: Callable[[], str], region: str
) -> Callable[[], Account]:
    """Gives another account of its own at each call."""
    return lambda: Account(sandbox, new_account(), region)
