"""Fixtures for the runs with faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sandbox.control import Sandbox
from tests.e2e.support import Account
from tests.faults.support import TEMPLATE, Program


@pytest.fixture
def account(sandbox: Sandbox, new_account: Callable[[], str], region: str) -> Account:
    """An account of the test's own, with a provisioning template."""
    made = Account(sandbox, new_account(), region)
    made.create_template(TEMPLATE)
    return made


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Program:
    """The program, with a line to the sandbox that fails on demand."""
    return Program(monkeypatch, sandbox)
