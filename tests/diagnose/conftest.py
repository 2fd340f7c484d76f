"""One sandbox that runs functions for all tests of this folder; an account of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.control import Sandbox, start
from tests.support.diagnose.scene import Scene
from tests.support.sandbox.clients import REGION, Clients


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS whose functions run."""
    with start(run_functions=True) as running:
        yield running


@pytest.fixture(scope="session")
def aws(sandbox: Sandbox) -> Clients:
    """Clients of that sandbox."""
    return Clients(sandbox.endpoint)


@pytest.fixture
def scene(
    sandbox: Sandbox, aws: Clients, tmp_path: Path, account: str, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """An empty account, a CA that is not registered, and a device of it."""
    return Scene(sandbox, aws, sandbox.devices(REGION), tmp_path, account, monkeypatch)
