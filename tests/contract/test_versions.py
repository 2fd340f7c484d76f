"""Modules and examples work on the Terraform that they say they need.

The oldest that can be run here is Terraform 1.6, on which OpenTofu's 1.6 is built. Terraform 1.5
differs from it in no construct of a configuration but an expression as the ID of an `import` block
(changelog of Terraform 1.6).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.hcl import MODULES, read
from tools.checkout import ROOT, copy_configuration
from tools.engine.discovery import Engine, oldest_engine, version_numbers
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

Version = tuple[int, ...]
CI = os.environ.get("CI") == "true"

EXAMPLES = sorted(
    {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("main.tf")}
)


def required(folder: str) -> Version:
    """Return the version that a folder, or the one that it belongs to, asks for."""
    place = ROOT / folder
    while not (version := _required(place)):
        place = place.parent
    return version


def _required(place: Path) -> Version | None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in place.glob("*.tf"))
    match = re.search(r'required_version\s*=\s*">= (\d+\.\d+)"', text)
    return version_numbers(match[1]) if match else None


@pytest.fixture(scope="session")
def oldest() -> Engine:
    """The oldest Terraform there is."""
    engine = oldest_engine()
    if isinstance(engine, str):
        # PyPI has none for later Pythons; a run that should have it must not pass without.
        (pytest.fail if CI and sys.version_info < (3, 13) else pytest.skip)(engine)
    return engine


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all configurations, without tests, whose mocks came with Terraform 1.7."""
    copy = tmp_path_factory.mktemp("oldest")
    copy_configuration(ROOT, copy)
    for path in copy.rglob("tests"):
        shutil.rmtree(path)
    return copy


# The root calls every other module.
@pytest.mark.parametrize("folder", [".", "modules/iam-policies", *EXAMPLES])
def test_the_oldest_terraform_validates_the_configurations_for_it(
    folder: str, oldest: Engine, checkout: Path, providers: Providers
) -> None:
    terraform = Terraform(checkout / folder, oldest, environment(providers))
    done = terraform.run("init", "-backend=false", check=False)
    if required(folder) > version_numbers(oldest.version):
        assert "Unsupported Terraform Core version" in done.output
        return
    assert done.status == 0, done.output
    assert terraform.validate().status == 0


def test_the_oldest_terraform_is_the_one_that_the_documents_name(oldest: Engine) -> None:
    assert version_numbers(oldest.version)[:2] == (1, 6)


def test_every_module_asks_for_terraform_1_5() -> None:
    assert {required(folder) for folder in MODULES} == {(1, 5)}
    assert [folder for folder in MODULES if "import" in read(folder)] == []


def test_an_example_that_needs_more_says_so_in_its_readme() -> None:
    more = [folder for folder in EXAMPLES if required(folder) > required(".")]
    assert "examples/migration" in more
    for folder in more:
        place = ROOT / folder
        while not (place / "README.md").exists():
            place = place.parent
        version = ".".join(map(str, required(folder)))
        assert f"Terraform {version}" in (place / "README.md").read_text(encoding="utf-8"), folder


def test_the_aws_provider_is_one_that_heeds_the_type_of_a_template() -> None:
    for folder in MODULES:
        for block in read(folder)["terraform"]:
            for providers in block.get("required_providers", []):
                if "aws" in providers:
                    assert providers["aws"]["version"] == ">= 5.61", folder
