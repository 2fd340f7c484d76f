"""Fixtures for the tests of `status`: a hub, a CA, the command, and a browser."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from iot_ca import cli as commands
from sandbox.control import Sandbox
from tests.support.certificates import NOW, ec_key, issue, pem
from tests.support.status.browser import Browser, BrowserMissingError
from tests.support.status.hub import Run, World


@pytest.fixture(scope="session")
def ca() -> x509.Certificate:
    """A CA with years to live."""
    return issue(ec_key(), end=NOW + timedelta(days=2000))


@pytest.fixture
def world(
    sandbox: Sandbox,
    tmp_path: Path,
    new_account: Callable[[], str],
    ca: x509.Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """No accounts yet; the program runs as the hub, and root.pem is the CA."""
    hub = new_account()
    for key, value in sandbox.environment(hub, "eu-west-1").items():
        monkeypatch.setenv(key, value)
    for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "IOT_CA_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "root.pem").write_text(pem(ca), encoding="utf-8")
    return World(sandbox, tmp_path, hub)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: its exit status and what it printed."""

    def status(*arguments: str) -> tuple[int, str, str]:
        exit_status = commands.run(["status", *arguments])
        out, err = capsys.readouterr()
        return exit_status, out, err

    return status


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One Chromium for all tests of a module: starting it takes longest.

    Without one these tests are skipped, which tests/conftest.py says at the end of the run; in
    continuous integration, where nobody may read that, they fail.
    """
    try:
        running = Browser(tmp_path_factory.mktemp("chromium"))
    except BrowserMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with running:
        yield running
