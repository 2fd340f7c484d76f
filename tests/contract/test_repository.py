"""What GitHub, git and editors read of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from tools.checkout import ROOT

WORKFLOWS = sorted(path.name for path in (ROOT / ".github" / "workflows").glob("*.yml"))
# Of a name without the word "test".
MAX_TEST_NAME = 60
# What the module, the program as a package, and their users need.
RELEASED = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs",
    "examples",
    "main.tf",
    "modules",
    "outputs.tf",
    "pyproject.toml",
    "requirements.txt",
    "scripts",
    "variables.tf",
    "versions.tf",
}


def git(*arguments: str) -> bytes:
    """Return what git prints about the checkout."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow as a dictionary."""
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def steps(name: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


def test_there_are_workflows_for_changes_and_for_releases() -> None:
    assert WORKFLOWS == ["ci.yml", "release.yml"]
    assert ".ci/run" in [step.get("run") for step in steps("ci.yml")]
    jobs = workflow("release.yml")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["release"]["needs"] == "test"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_and_permissions_are_least(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    assert workflow(name)["permissions"] == {"contents": "read"}
    granted = [job.get("permissions", {}) for job in workflow(name)["jobs"].values()]
    assert [permissions for permissions in granted if permissions] == (
        [{"contents": "write"}] if name == "release.yml" else []
    )


def test_an_archive_has_only_the_files_that_users_need() -> None:
    archive = git("archive", "--format=tar", "--worktree-attributes", "HEAD")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        archived = {member.name for member in tar.getmembers() if member.isfile()}
    tracked = git("ls-tree", "-r", "--name-only", "-z", "HEAD").decode().split("\0")
    wanted = {name for name in tracked if name and _is_released(PurePosixPath(name))}
    assert archived == wanted
    assert {PurePosixPath(name).parts[0] for name in wanted} >= RELEASED


def _is_released(path: PurePosixPath) -> bool:
    is_test = path.parts[0] == "modules" and path.parts[2] == "tests"
    is_picture = path.parts[0] == "docs" and path.suffix == ".png"
    return path.parts[0] in RELEASED and not is_test and not is_picture


def test_git_treats_a_zip_as_binary() -> None:
    answer = git("check-attr", "binary", "text", "--", "modules/jitr/function.zip").decode()
    assert "binary: set" in answer
    assert "text: unset" in answer


def test_code_that_tests_share_is_in_the_support_package() -> None:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        folder = path.relative_to(ROOT / "tests").parts[0]
        if folder != "support":
            assert path.name == "conftest.py" or path.name.startswith("test_"), path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
                assert f"{node.module}.".startswith("tests.support."), (path, node.module)


def test_names_of_tests_are_short_and_without_pronouns() -> None:
    names = {
        name.removeprefix("test_")
        for pattern, definition in (
            ("tests/**/test_*.py", r"^ *def (test_\w+)"),
            ("**/tests/*.tftest.hcl", r'^run "(\w+)"'),
        )
        for path in git("ls-files", "--", f":(glob){pattern}").decode().splitlines()
        for name in re.findall(definition, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(names) > 1000
    assert [name for name in sorted(names) if len(name) > MAX_TEST_NAME] == []
    assert [name for name in sorted(names) if {"it", "they", "them"} & set(name.split("_"))] == []
