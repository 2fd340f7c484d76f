"""Modules and examples work on the Terraform that they say they need.

The oldest that can be run here is Terraform 1.6, on which OpenTofu's 1.6 is built. Terraform 1.5
differs from it in no construct of a configuration but an expression as the ID of an `import` block
(changelog of Terraform 1.6). The main job is done on the oldest and on the newest. The tests in
HCL are run on the newest, and on the oldest where they use nothing that it lacks.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca
from tests.support.hcl import MODULES, read
from tests.support.terraform.stack import Stack
from tests.support.terraform.workspace import RunningProviders, Workspace
from tools.checkout import ROOT, copy_configuration, folders
from tools.engine.discovery import Engine, find_engines, oldest_engine, version_numbers
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

Version = tuple[int, ...]
# Mocks and overrides came with Terraform 1.7: the tests of these folders run on the newest only.
TESTS_WITH_MOCKS = {".", "modules/jitp", "modules/jitp-alarms", "modules/jitr", "modules/lookup"}
TESTS_FOR_ALL = ["modules/_account", "modules/iam-policies", "modules/registration"]
CI = os.environ.get("CI") == "true"

EXAMPLES = sorted(
    {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("main.tf")}
)


def required(folder: str) -> Version:
    """Return the version that a folder, or the one that it belongs to, asks for."""
    directory = ROOT / folder
    while not (version := _required(directory)):
        directory = directory.parent
    return version


def _required(directory: Path) -> Version | None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in directory.glob("*.tf"))
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


@pytest.fixture(params=["oldest", "newest"])
def outermost(request: pytest.FixtureRequest) -> Engine:
    """The oldest Terraform there is, and the newest."""
    if request.param == "oldest":
        engine: Engine = request.getfixturevalue("oldest")
        return engine
    return max(find_engines(), key=lambda engine: version_numbers(engine.version))


@pytest.fixture
def running(installed: Path) -> Iterator[RunningProviders]:
    """Providers for the commands of a test."""
    providers = RunningProviders(installed)
    yield providers
    providers.stop()


@pytest.fixture
def outermost_workspace(
    outermost: Engine,
    tmp_path: Path,
    installed: Path,
    providers: Providers,
    running: RunningProviders,
    sandbox: Sandbox,
    account: str,
    region: str,
) -> Workspace:
    """A working folder of that Terraform, whose providers talk to the sandbox."""
    settings = environment(providers, sandbox.environment(account, region))
    return Workspace(tmp_path, outermost, settings, installed=installed, running=running)


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
def test_the_oldest_terraform_validates_the_configurations(
    folder: str,
    oldest: Engine,
    checkout: Path,
    providers: Providers,
    installed: Path,
    running: RunningProviders,
) -> None:
    terraform = Workspace(
        checkout / folder, oldest, environment(providers), installed=installed, running=running
    )
    done = terraform.run("init", "-backend=false", check=False)
    if required(folder) > version_numbers(oldest.version):
        assert "Unsupported Terraform Core version" in done.output
        return
    assert done.status == 0, done.output
    assert terraform.validate().status == 0


def test_the_main_job_on_the_oldest_and_the_newest_terraform(
    outermost_workspace: Workspace, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(outermost_workspace, sandbox, account, region)
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}})

    first = stack.plan()
    assert (first.status, first.writes) == (2, [])
    stack.apply()
    assert (stack.account.see(ca.id).status, stack.account.see(ca.id).template) == (
        "ACTIVE",
        "root",
    )
    steady = stack.plan()
    assert (steady.status, steady.writes, steady.warnings) == (0, [], [])
    stack.destroy()
    assert stack.account.look(ca.id) is None
    assert stack.account.templates() == set()


@pytest.mark.parametrize("folder", TESTS_FOR_ALL)
def test_the_oldest_terraform_passes_the_tests_without_mocks(
    folder: str, oldest: Engine, tmp_path: Path, providers: Providers
) -> None:
    copy_configuration(ROOT, tmp_path)
    terraform = Terraform(tmp_path / folder, oldest, environment(providers))
    terraform.init()
    done = terraform.run("test", check=False)
    assert done.status == 0, done.output
    assert re.search(r"[1-9]\d* passed, 0 failed", done.stdout), done.stdout


def test_each_folder_of_tests_is_for_all_versions_or_needs_mocks() -> None:
    files: dict[str, list[str]] = {}
    for folder in folders(ROOT):
        texts = [path.read_text(encoding="utf-8") for path in folder.glob("tests/*.tftest.hcl")]
        if texts:
            files[folder.relative_to(ROOT).as_posix()] = texts
    newer = re.compile(r"^\s*(mock_|override_)", re.MULTILINE)
    assert {name for name in files if any(map(newer.search, files[name]))} == TESTS_WITH_MOCKS
    assert sorted(files.keys() - TESTS_WITH_MOCKS) == TESTS_FOR_ALL


def test_the_oldest_terraform_is_the_one_that_the_documents_name(oldest: Engine) -> None:
    assert version_numbers(oldest.version)[:2] == (1, 6)
    page = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    assert f"- **{oldest.version}**, the oldest" in page
    named = page.partition("`terraform test` of ")[2].partition("(")[0]
    assert re.findall(r"`([\w/-]+)`", named) == TESTS_FOR_ALL


def test_every_module_asks_for_terraform_1_5() -> None:
    assert {required(folder) for folder in MODULES} == {(1, 5)}
    assert [folder for folder in MODULES if "import" in read(folder)] == []


def test_an_example_that_needs_more_says_so_in_its_readme() -> None:
    more = [folder for folder in EXAMPLES if required(folder) > required(".")]
    assert "examples/migration" in more
    for folder in more:
        directory = ROOT / folder
        while not (directory / "README.md").exists():
            directory = directory.parent
        version = ".".join(map(str, required(folder)))
        assert f"Terraform {version}" in (directory / "README.md").read_text(encoding="utf-8"), (
            folder
        )


def test_the_aws_provider_is_one_that_heeds_the_type_of_a_template() -> None:
    for folder in MODULES:
        for block in read(folder)["terraform"]:
            for providers in block.get("required_providers", []):
                if "aws" in providers:
                    assert providers["aws"]["version"] == ">= 5.61", folder
