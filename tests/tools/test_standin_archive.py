"""The stand-in for hashicorp/archive: what is in the file, and that it is the same every time."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.providers.configuration import LocatedProvider, cli_configuration, write_once
from tools.providers.environment import environment
from tools.providers.resolution import Providers
from tools.providers.stand_ins import install_stand_in
from tools.standin.archive import glob_pattern

REQUIRED = """
terraform {
  required_providers {
    archive = { source = "hashicorp/archive", version = ">= 2.4" }
  }
}
"""
Archive = Callable[[str], Terraform]


@pytest.fixture
def archive(tmp_path: Path, engine: Engine) -> Archive:
    """Writes a data source with the given arguments, and initialises."""
    cache = tmp_path / "cache"
    found = [LocatedProvider("hashicorp/archive", install_stand_in("hashicorp/archive", cache), "")]
    config = write_once(cache, "cli", "config.tfrc", cli_configuration(found))
    folder = tmp_path / "a folder"
    (folder / "source" / "deep").mkdir(parents=True)
    for name in ("b.py", "a.py", "deep/c.py", "deep/note.txt"):
        (folder / "source" / name).write_text(name, encoding="utf-8")
    terraform = Terraform(folder, engine, environment(Providers(config, ())))

    def prepare(arguments: str) -> Terraform:
        body = f'  output_path = "${{path.module}}/out/a.zip"\n{arguments}\n'
        terraform.write(
            f'{REQUIRED}data "archive_file" "it" {{\n  type = "zip"\n{body}}}\n'
            'output "it" { value = data.archive_file.it }\n'
        )
        terraform.init()
        return terraform

    return prepare


def _names(terraform: Terraform) -> list[str]:
    with zipfile.ZipFile(terraform.folder / "out" / "a.zip") as file:
        assert file.testzip() is None
        return file.namelist()


def test_a_folder(archive: Archive) -> None:
    terraform = archive(
        'source_dir = "${path.module}/source"\nexcludes = ["**/*.txt"]\noutput_file_mode = "0644"'
    )
    terraform.apply()
    assert _names(terraform) == ["a.py", "b.py", "deep/c.py"]
    content = (terraform.folder / "out" / "a.zip").read_bytes()
    told = terraform.output()["it"]
    digest = hashlib.sha256(content)
    assert told["output_size"] == len(content)
    assert told["output_sha256"] == digest.hexdigest()
    assert told["output_base64sha256"] == base64.b64encode(digest.digest()).decode()
    assert told["id"] == told["output_sha"] == hashlib.sha1(content).hexdigest()
    assert terraform.plan().status == 0
    (terraform.folder / "source" / "a.py").touch()
    assert terraform.plan().status == 0
    (terraform.folder / "source" / "a.py").write_text("changed", encoding="utf-8")
    assert terraform.plan().status == 2


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ('source_file = "${path.module}/source/deep/c.py"', ["c.py"]),
        ('source_content = "x"\nsource_content_filename = "d/x.py"', ["d/x.py"]),
        (
            "".join(f'source {{\n content = "x"\n filename = "{n}"\n}}\n' for n in ("z", "y")),
            ["y", "z"],
        ),
    ],
)
def test_other_sources(archive: Archive, arguments: str, names: list[str]) -> None:
    terraform = archive(arguments)
    terraform.apply()
    assert _names(terraform) == names
    assert terraform.plan().status == 0


def test_failures_are_errors_of_the_plan(archive: Archive) -> None:
    missing = archive('source_file = "${path.module}/nothing"').plan(check=False)
    assert missing.status == 1
    assert "Error: Archive creation error" in missing.stderr
    assert "could not archive missing file" in missing.output
    nothing = archive("").run("validate", check=False)
    assert "At least one of these attributes must be configured" in nothing.output
    both = archive('source_file = "a"\nsource_dir = "b"').run("validate", check=False)
    assert "cannot be specified when" in both.output


@pytest.mark.parametrize(
    ("pattern", "matches", "leaves"),
    [
        ("*.py", ["a.py"], ["d/a.py", "a.pyc"]),
        ("**/*.py", ["a.py", "d/a.py", "d/e/a.py"], ["a.txt"]),
        ("d/**", ["d/a", "d/e/a"], ["e/d"]),
        ("?[!a-c].{py,txt}", ["xz.py", "xz.txt"], ["xa.py", "xz.pyc"]),
        ("a,b", ["a,b"], ["a"]),
    ],
)
def test_patterns(pattern: str, matches: list[str], leaves: list[str]) -> None:
    compiled = glob_pattern(pattern)
    assert [name for name in matches + leaves if compiled.fullmatch(name)] == matches
