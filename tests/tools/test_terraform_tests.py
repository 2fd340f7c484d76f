"""Every `*.tftest.hcl` of the repository, by `terraform test`."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tools.checkout import ROOT, copy_configuration, folders
from tools.engine.terraform import Terraform

# `terraform test` reads these two folders of a module.
PLACES = (".", "tests")
FOLDERS = [
    folder.relative_to(ROOT).as_posix()
    for folder in folders(ROOT)
    if any(any((folder / subfolder).glob("*.tftest.hcl")) for subfolder in PLACES)
]


# Terraform 1.11 asks the aws provider for its schema anew in each run, a second or more of work.
@pytest.mark.newest_engine("mocks and validations mean the same in both; both apply, end to end")
@pytest.mark.parametrize("folder", FOLDERS)
def test_terraform_test(workspace: Terraform, folder: str) -> None:
    copy_configuration(ROOT, workspace.folder)
    module = dataclasses.replace(workspace, folder=workspace.folder / folder)
    module.init()
    done = module.run("test", check=False)
    assert done.status == 0, done.stdout + done.stderr
    counts = re.search(r"(\d+) passed, 0 failed", done.stdout)
    assert counts, done.stdout
    assert int(counts[1]) > 0, done.stdout


def test_no_test_file_is_out_of_reach() -> None:
    reached = {ROOT / folder / subfolder for folder in FOLDERS for subfolder in PLACES}
    everywhere = [path for top in ROOT.glob("[!.]*") for path in _below(top)]
    lost = [path for path in everywhere if path.parent not in {r.resolve() for r in reached}]
    assert lost == []


def _below(top: Path) -> list[Path]:
    return list(top.rglob("*.tftest.hcl")) if top.is_dir() else [top] * top.match("*.tftest.hcl")
