"""Fixtures for the runs with faults."""

from __future__ import annotations

import pytest

from sandbox.control import Sandbox
from tests.faults.support import Program


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Program:
    """The program, with a line to the sandbox that fails on demand."""
    return Program(monkeypatch, sandbox)
