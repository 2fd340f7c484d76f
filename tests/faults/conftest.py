"""Fixtures for the runs with faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.faults.injection import FaultyProgram
from tests.support.faults.paths import TEMPLATE


@pytest.fixture
def account(sandbox: Sandbox, new_account: Callable[[], str], region: str) -> Account:
    """An account of the test's own, with a provisioning template."""
    made = Account(sandbox, new_account(), region)
    made.create_template(TEMPLATE)
    return made


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> FaultyProgram:
    """The program, with a line to the sandbox that fails on demand."""
    return FaultyProgram(monkeypatch, sandbox)
