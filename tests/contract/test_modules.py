"""What holds for every module that a user may call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.hcl import MODULES, blocks, folders, read, text, variable_type
from tools.checkout import ROOT

VARIABLES = [(folder, name) for folder in MODULES for name in blocks(folder, "variable")]
OUTPUTS = [(folder, name) for folder in MODULES for name in blocks(folder, "output")]


def strings(value: Any) -> Iterator[str]:
    """All texts in a nested value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def test_every_module_is_looked_at() -> None:
    assert tuple(folders()) == MODULES


@pytest.mark.parametrize(("folder", "name"), VARIABLES)
def test_a_variable_has_a_description_a_type_and_no_null_by_accident(
    folder: str, name: str
) -> None:
    variable = blocks(folder, "variable")[name]
    assert len(variable["description"]) > 10
    assert variable["type"]
    # hcl2 writes null as the text.
    null_by_default = "default" in variable and variable["default"] in (None, "null", "${null}")
    assert variable.get("nullable", True) is null_by_default


@pytest.mark.parametrize(("folder", "name"), OUTPUTS)
def test_an_output_has_a_description(folder: str, name: str) -> None:
    assert len(blocks(folder, "output")[name]["description"]) > 10


@pytest.mark.parametrize(("folder", "name"), VARIABLES)
def test_a_description_names_every_attribute(folder: str, name: str) -> None:
    described = set(re.findall(r"`(\w+)`", blocks(folder, "variable")[name]["description"]))
    assert variable_type(folder, name).names <= described


@pytest.mark.parametrize("folder", MODULES)
def test_a_module_brings_no_provider_and_no_backend(folder: str) -> None:
    module = read(folder)
    assert "provider" not in module
    for block in module["terraform"]:
        assert {key for key in block if not key.startswith("__")} <= {
            "required_version",
            "required_providers",
        }


@pytest.mark.parametrize("folder", MODULES)
def test_a_module_names_no_path_of_one_machine(folder: str) -> None:
    for literal in strings(read(folder)):
        # The name of a log group only looks like a path.
        if literal.startswith("/aws/lambda/"):
            continue
        assert not re.search(r'(?:^|")(?:/|~/|[A-Z]:\\)[\w.-]+/', literal), literal
        assert "path.cwd" not in literal
    assert not re.search(r"path\.root|abspath\(", text(folder))


@pytest.mark.parametrize("folder", MODULES)
def test_nothing_secret_is_taken_in_and_nothing_is_declared_harmless(folder: str) -> None:
    # Of the certificates, which are public, a map that holds no secret, names, and a count.
    harmless = {
        ".": ("sensitive(var.certificate_authorities)", 'sensitive(join(", ", ['),
        "modules/lookup": ("sensitive(sha256(", 'sensitive(join(", ", '),
        "modules/jitr": ("sensitive(length(var.subject_attributes)))",),
    }
    declared = re.findall(r"^[^#\n]*nonsensitive\((.*)", text(folder), re.MULTILINE)
    assert bool(declared) is (folder in harmless)
    for argument in declared:
        assert argument.startswith(harmless[folder])
    for kind in ("variable", "output"):
        for name, block in blocks(folder, kind).items():
            assert "sensitive" not in block, name
    # A key and its passphrase may only be named by where they are.
    for name in re.findall(r"^\s*(\w*(?:private_key|pass)\w*)\s*=", text(folder), re.MULTILINE):
        assert name.endswith(("_file", "_secret_arn", "_passphrase_env")), name


def test_versions_are_the_same_everywhere() -> None:
    required: dict[str, set[tuple[str, str]]] = {}
    terraform = set()
    for folder in MODULES:
        for block in read(folder)["terraform"]:
            terraform.add(block["required_version"])
            for providers in block.get("required_providers", []):
                for name, wanted in providers.items():
                    if not name.startswith("__"):
                        required.setdefault(name, set()).add((wanted["source"], wanted["version"]))
    assert len(terraform) == 1
    assert {name: len(wanted) for name, wanted in required.items()} == {
        "aws": 1,
        "external": 1,
    }


def test_the_root_module_requires_the_versions_of_its_modules() -> None:
    def providers(folder: str) -> set[str]:
        return {
            name
            for block in read(folder)["terraform"]
            for required in block.get("required_providers", [])
            for name in required
            if not name.startswith("__")
        }

    called = [
        call["source"].removeprefix("./")
        for block in read(".")["module"]
        for name, call in block.items()
        if not name.startswith("__")
    ]
    assert called
    assert providers(".") == set().union(*(providers(folder) for folder in called))


def test_a_module_has_the_usual_files() -> None:
    # A concern of its own has a file of its own.
    more = {"modules/lookup": {"default_tags.tf"}}
    for folder in MODULES:
        files = {path.name for path in (ROOT / folder).glob("*.tf")}
        usual = {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}
        assert usual | more.get(folder, set()) == files
