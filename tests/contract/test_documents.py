"""What is written about the module agrees with it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contract.hcl import ROOT, Type, blocks, output_attributes, read, variable_type

README = ROOT / "README.md"
HEADER = re.compile(r"^# /// script\n(.*?)^# ///$", re.DOTALL | re.MULTILINE)


def section(name: str, readme: Path = README) -> str:
    """What is between two markers of a README."""
    document = readme.read_text(encoding="utf-8")
    assert document.count(f"<!-- {name} -->") == 1
    assert document.count(f"<!-- /{name} -->") == 1
    return document.partition(f"<!-- {name} -->")[2].partition(f"<!-- /{name} -->")[0]


def tables(name: str, readme: Path = README) -> list[dict[str, list[str]]]:
    """The tables of a section: their rows by what is in the first column."""
    found: list[dict[str, list[str]]] = []
    row_before = False
    for line in section(name, readme).splitlines():
        if not line.startswith("|"):
            row_before = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not row_before:
            found.append({})
        elif not set(cells[0]) <= set("- :"):
            for key in re.findall(r"`([^`]+)`", cells[0]):
                assert key not in found[-1], f"{key} is listed twice"
                found[-1][key] = cells
        row_before = True
    return found


def all_attributes(kind: Type, before: str = "") -> set[str]:
    """The attributes of the objects in a map, those within them as `outer.inner`."""
    inner = kind.of if kind.name == "map" and kind.of else kind
    names = set()
    for name, attribute in inner.attributes:
        names.add(before + name)
        if attribute.type.name == "object":
            names |= all_attributes(attribute.type, f"{before}{name}.")
    return names


def test_the_readme_lists_every_input_and_nothing_else() -> None:
    assert set(tables("inputs")[0]) == set(blocks(".", "variable"))


@pytest.mark.parametrize("name", blocks(".", "variable"))
def test_the_readme_has_the_type_and_default_of_an_input(name: str) -> None:
    _, description, kind, default = tables("inputs")[0][name]
    variable = blocks(".", "variable")[name]
    assert len(description) > 10
    constraint = variable["type"].removeprefix("${").removesuffix("}")
    assert constraint.startswith(kind.strip("`").rstrip(")"))
    if "default" not in variable:
        assert default == "required"
    else:
        written = re.sub(r"[\s\"'`]", "", default)
        assert written == re.sub(r"[\s\"'`]", "", str(variable["default"]))


def test_the_readme_of_jitr_lists_its_inputs_and_outputs_as_they_are() -> None:
    folder = "modules/jitr"
    readme = ROOT / folder / "README.md"
    variables = blocks(folder, "variable")
    (inputs,) = tables("inputs", readme)
    assert list(inputs) == list(variables)
    for name, (_, _, kind, default) in inputs.items():
        variable = variables[name]
        assert kind.strip("`") == variable["type"].removeprefix("${").removesuffix("}"), name
        given = "required" if "default" not in variable else str(variable["default"])
        bare = [re.sub(r"[\s\"'`:=]", "", text) for text in (default, given)]
        assert bare[0] == bare[1].replace("None", "null"), name
    (outputs,) = tables("outputs", readme)
    assert list(outputs) == list(blocks(folder, "output"))


def test_the_readme_lists_every_attribute_of_a_ca_and_nothing_else() -> None:
    kind = variable_type(".", "certificate_authorities")
    assert set(tables("inputs")[1]) == all_attributes(kind)


def test_the_readme_has_the_default_of_every_attribute() -> None:
    kind = variable_type(".", "certificate_authorities")
    for name, (_, _, type_, default) in tables("inputs")[1].items():
        attribute = kind.attribute(*name.split("."))
        written = type_.strip("`").partition("(")[0]
        assert attribute.type.name == written, name
        assert (default == "required") == (not attribute.optional), name
        if attribute.default is not None:
            # Compared without spaces: the two are formatted by different hands.
            bare = [re.sub(r"\s", "", each) for each in (default.strip("`"), attribute.default)]
            assert bare[0] == bare[1], name


def test_a_setting_of_jitr_has_the_default_of_its_module_in_the_readme() -> None:
    (module,) = tables("inputs", ROOT / "modules" / "jitr" / "README.md")
    compared = 0
    for name, (_, _, _, default) in tables("inputs")[1].items():
        setting = name.removeprefix("provisioning.")
        if setting != name and setting in module and module[setting][3] != "`null`":
            assert default == module[setting][3], name
            compared += 1
    assert compared


def test_the_readme_lists_every_output_and_nothing_else() -> None:
    assert set(tables("outputs")[0]) == set(blocks(".", "output"))


def test_the_readme_lists_every_attribute_of_an_output_and_nothing_else() -> None:
    _, *attributes = tables("outputs")
    for name, rows in zip(blocks(".", "output"), attributes, strict=True):
        written = output_attributes(name)
        assert written, name
        assert set(rows) == written, name


def test_the_readme_names_the_versions_that_are_required() -> None:
    document = README.read_text(encoding="utf-8")
    (block,) = read(".")["terraform"]
    terraform = block["required_version"].removeprefix(">= ")
    (providers,) = block["required_providers"]
    aws = providers["aws"]["version"].removeprefix(">= ")
    assert f"Terraform {terraform} or later" in document
    assert f"`hashicorp/aws` {aws} or later" in document
    for name in providers:
        assert name.startswith("__") or f"`{providers[name]['source']}`" in document, name
    (python,) = re.findall(r'requires-python = ">=([\d.]+)"', _header())
    assert f"Python {python} or later" in document


def test_the_links_of_the_documents_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        content = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", content):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_changelog_says_what_is_new() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(Unreleased|\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert sections
    assert len(sections) == len(set(sections))
    assert re.search(r"^- ", changelog, re.MULTILINE)


def test_the_program_asks_for_the_packages_of_the_requirements() -> None:
    (line,) = re.findall(r"dependencies = (\[.*\])", _header())
    requirements = (ROOT / "requirements.in").read_text(encoding="utf-8")
    listed = {each for each in requirements.splitlines() if each and not each.startswith("#")}
    assert set(ast.literal_eval(line)) == listed


def test_the_requirements_are_locked_in_versions_that_are_asked_for() -> None:
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for requirement in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines():
        if requirement and not requirement.startswith("#"):
            name, _, least = requirement.partition(">=")
            (version,) = set(re.findall(rf"^{name}==([\d.]+)", locked, re.MULTILINE))
            assert _numbers(version) >= _numbers(least)
    assert "--hash=sha256:" in locked


def _header() -> str:
    script = (ROOT / "scripts" / "iot_ca.py").read_text(encoding="utf-8")
    (header,) = HEADER.findall(script)
    lines: list[str] = [line.removeprefix("#").removeprefix(" ") for line in header.splitlines()]
    return "\n".join(lines)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
