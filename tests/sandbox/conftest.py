"""One sandbox for all tests of this folder; every test begins with an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.control import Sandbox, start
from tests.support.sandbox.clients import Clients


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with start(run_functions=True) as running:
        yield running


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture(scope="session")
def all_clients(server: Sandbox) -> Clients:
    return Clients(server.endpoint)


@pytest.fixture
def aws(sandbox: Sandbox, all_clients: Clients) -> Clients:
    """Clients of an empty sandbox."""
    assert sandbox.endpoint == all_clients.endpoint
    return all_clients
