"""One sandbox that runs functions for all tests of this folder; an account of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iot_ca.aws import session
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


@pytest.fixture(scope="session", autouse=True)
def _models_are_read_once() -> Iterator[None]:
    """Share botocore's loader among the runs: reading the models takes longest of a run."""
    loader = session._loader(session.new_session(None))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(session, "_loader", lambda _: loader)
        yield


@pytest.fixture
def scene(
    sandbox: Sandbox, aws: Clients, tmp_path: Path, account: str, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """An empty account, a CA that is not registered, and a device of it."""
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "IOT_CA_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    return Scene(sandbox, aws, sandbox.devices(REGION), tmp_path, account, monkeypatch)
