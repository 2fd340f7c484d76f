"""The notes of a release are its section of the changelog."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools import release_notes
from tools.checkout import ROOT
from tools.release_notes import main, notes

CHANGELOG = """# Changelog

## [Unreleased]

- d

## [1.1.0] - 2026-01-01

### Added

- b

## [1.0.0] - 2025-01-01

- a
"""


def test_a_version_has_its_section() -> None:
    assert notes(CHANGELOG, "1.1.0") == "## [1.1.0] - 2026-01-01\n\n### Added\n\n- b\n"
    assert notes(CHANGELOG, "1.0.0") == "## [1.0.0] - 2025-01-01\n\n- a\n"


@pytest.mark.parametrize("version", ["2.0.0", "1.1", "1x1.0", "Unreleased", ""])
def test_a_version_without_a_dated_section_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match="needs one section"):
        notes(CHANGELOG, version)


@pytest.mark.parametrize("changelog", ["## [1.0.0] - 2025-01-01\n\n", CHANGELOG + CHANGELOG])
def test_an_empty_or_repeated_section_is_refused(changelog: str) -> None:
    with pytest.raises(ValueError, match="needs one section"):
        notes(changelog, "1.0.0")


def test_the_command_prints_the_notes_or_one_line_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release_notes, "ROOT", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    assert main(["1.0.0"]) == 0
    assert capsys.readouterr().out == notes(CHANGELOG, "1.0.0")
    for arguments in (["9.9.9"], [], ["1.0.0", "1.1.0"]):
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)


def test_the_release_workflow_and_the_guide_use_the_command() -> None:
    path = ROOT / ".github" / "workflows" / "release.yml"
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    commands = [step.get("run", "") for step in workflow["jobs"]["release"]["steps"]]
    assert any(command.startswith("python3 -m tools.release_notes ") for command in commands)
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert 'python3 -m tools.release_notes "$version" > notes.md' in guide
