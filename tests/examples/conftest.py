"""Fixtures for the tests of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import RunningProviders, Workspace
from tests.examples.support import REGION, NewExample
from tools.lint_terraform import copy_configuration
from tools.providers import Providers
from tools.terraform import ROOT, Engine, Terraform, environment

if TYPE_CHECKING:
    from sandbox.control import Sandbox


@pytest.fixture
def new_example(
    tmp_path: Path, engine: Engine, providers: Providers, installed: Path, sandbox: Sandbox
) -> Iterator[NewExample]:
    """Copies the checkout: `new_example(name, account)` is the example in it, as it is."""
    started: list[RunningProviders] = []

    def copy(name: str, account: str) -> Terraform:
        copy_configuration(ROOT, tmp_path)
        settings = environment(providers, sandbox.environment(account, REGION))
        folder = tmp_path / "examples" / name
        started.append(RunningProviders(installed, folder, settings))
        return Workspace(folder, engine, settings, installed=installed, running=started[-1])

    yield copy
    for each in started:
        each.stop()
