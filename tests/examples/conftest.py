"""Fixtures for the tests of the examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.terraform.shell import REGION, NewExample
from tests.support.terraform.workspace import NewFolder
from tools.checkout import ROOT, copy_configuration
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

if TYPE_CHECKING:
    from sandbox.control import Sandbox


@pytest.fixture
def new_example(
    tmp_path: Path, providers: Providers, workspace_in: NewFolder, sandbox: Sandbox
) -> NewExample:
    """Copies the checkout: `new_example(name, account)` is the example in it, as it is."""

    def copy(name: str, account: str) -> Terraform:
        copy_configuration(ROOT, tmp_path)
        settings = environment(providers, sandbox.environment(account, REGION))
        return workspace_in(tmp_path / "examples" / name, settings)

    return copy
