"""No construct is newer than the Terraform that a module or an example says it needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.contract.hcl import MODULES, ROOT, read
from tests.contract.versions import FUNCTIONS, LEAST, UNKNOWN, Version, needs, needs_of
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.providers.environment import environment

EXAMPLES = sorted(
    {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("main.tf")}
)


def required(folder: str) -> Version:
    """The version that a folder, or the one that it belongs to, asks for."""
    place = ROOT / folder
    while not (found := _required(place)):
        place = place.parent
    return found


def _required(place: Path) -> Version | None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in place.glob("*.tf"))
    found = re.search(r'required_version\s*=\s*">= (\d+)\.(\d+)"', text)
    return (int(found[1]), int(found[2])) if found else None


@pytest.mark.parametrize("folder", [*MODULES, *EXAMPLES])
def test_nothing_is_newer_than_the_terraform_that_is_asked_for(folder: str) -> None:
    found = needs_of(ROOT / folder)
    assert found
    assert [need for need in found if need.version > required(folder)] == []


def test_the_modules_ask_for_terraform_1_5_and_all_of_them_need_no_more() -> None:
    assert {required(folder) for folder in MODULES} == {(1, 5)}
    used = {need.construct for folder in MODULES for need in needs_of(ROOT / folder)}
    assert {"check", "plantimestamp()", "strcontains()", "jsonencode()"} <= used


def test_an_example_that_needs_more_than_the_module_says_so_in_its_readme() -> None:
    more = [folder for folder in EXAMPLES if required(folder) > required(".")]
    assert "examples/migration" in more
    for folder in more:
        place = ROOT / folder
        while not (place / "README.md").exists():
            place = place.parent
        wanted = ".".join(map(str, required(folder)))
        assert f"Terraform {wanted}" in (place / "README.md").read_text(encoding="utf-8"), folder


@pytest.mark.parametrize(
    ("text", "version", "construct"),
    [
        (
            'locals {\n  a = "x ${upper(templatestring(local.b, {}))}"\n}',
            (1, 9),
            "templatestring()",
        ),
        ("locals {\n  a = issensitive(var.a)\n}", (1, 8), "issensitive()"),
        (
            "locals {\n  a = provider::aws::arn_parse(var.a)\n}",
            (1, 8),
            "provider::aws::arn_parse()",
        ),
        ("locals {\n  a = not_yet(var.a)\n}", UNKNOWN, "not_yet()"),
        ("locals {\n  a = <<-E\n    ${issensitive(var.a)}\n  E\n}", (1, 8), "issensitive()"),
        ("removed {\n  from = a.b\n}", (1, 7), "removed"),
        ('ephemeral "a" "b" {\n}', (1, 10), "ephemeral"),
        ('invention "a" {\n}', UNKNOWN, "invention"),
        ('variable "a" {\n  ephemeral = true\n}', (1, 10), "variable: ephemeral"),
        ('resource "a" "b" {\n  secret_wo = "c"\n}', (1, 11), "resource: secret_wo"),
        ("import {\n  for_each = var.a\n}", (1, 7), "import: for_each"),
        (
            'resource "a" "b" {\n  lifecycle {\n    action_trigger {\n    }\n  }\n}',
            (1, 14),
            "lifecycle: action_trigger",
        ),
        (
            'variable "a" {\n  validation {\n    condition = var.a > var.b\n  }\n}',
            (1, 9),
            "validation of a: var.b",
        ),
        (
            'variable "a" {\n  validation {\n    error_message = "no ${local.c}"\n  }\n}',
            (1, 9),
            "validation of a: local.c",
        ),
    ],
)
def test_what_is_newer_is_found(text: str, version: Version, construct: str) -> None:
    assert (version, construct) in [(need.version, need.construct) for need in needs(text + "\n")]


def test_a_type_and_the_variable_itself_need_nothing() -> None:
    text = """
variable "a" {
  type = map(object({ b = optional(string) }))
  validation {
    condition = length(var.a) > 0
  }
}
"""
    assert {need.version for need in needs(text)} == {LEAST}


def test_the_functions_are_those_that_terraform_has(engine: Engine, tmp_path: Path) -> None:
    """None is left out, or misspelt and so never found: at most what came with this version."""
    terraform = Terraform(tmp_path, engine, environment(None))
    told = json.loads(terraform.run("metadata", "functions", "-json").stdout)
    has = {name for name in told["function_signatures"] if "::" not in name}
    numbers = engine.version.split(".")
    running = (int(numbers[0]), int(numbers[1]))
    assert {name for name, version in FUNCTIONS.items() if version <= running} <= has
    newer = has - FUNCTIONS.keys()
    assert not newer or running > max(FUNCTIONS.values()), newer


def test_the_aws_provider_is_one_that_heeds_the_type_of_a_template() -> None:
    for folder in MODULES:
        for block in read(folder)["terraform"]:
            for providers in block.get("required_providers", []):
                if "aws" in providers:
                    assert providers["aws"]["version"] == ">= 5.61", folder
