"""What is written about the module agrees with it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import hcl2
import pytest
import yaml
from botocore import xform_name
from botocore.session import get_session

from tests.contract.hcl import MODULES, ROOT, Type, blocks, output_attributes, read, variable_type

README = ROOT / "README.md"
SUBMODULES = MODULES[1:]
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


@pytest.mark.parametrize("folder", SUBMODULES)
def test_the_readme_of_a_submodule_lists_its_inputs_and_outputs_as_they_are(folder: str) -> None:
    readme = ROOT / folder / "README.md"
    variables = blocks(folder, "variable")
    inputs, *attributes = tables("inputs", readme)
    assert list(inputs) == list(variables)
    for name, (_, description, kind, default) in inputs.items():
        variable = variables[name]
        assert len(description) > 10
        constraint = variable["type"].removeprefix("${").removesuffix("}")
        # Objects are named as such; their attributes are in a table of their own, or in the words.
        assert constraint.startswith(kind.strip("`").rstrip(")")), name
        assert constraint == kind.strip("`") or "object" in kind, name
        given = "required" if "default" not in variable else str(variable["default"])
        # As Python writes them, and as Terraform does.
        for python, hcl in {"None": "null", "True": "true", "False": "false"}.items():
            given = hcl if given == python else given
        bare = [re.sub(r"[\s\"'`:=]", "", text) for text in (default, given)]
        assert bare[0] == bare[1], name
        if "object" in kind and not attributes:
            assert variable_type(folder, name).names <= set(re.findall(r"`(\w+)`", description))
    (outputs,) = tables("outputs", readme)
    assert list(outputs) == list(blocks(folder, "output"))
    assert all(len(description) > 10 for _, description in outputs.values())


@pytest.mark.parametrize("folder", [".", "modules/lookup", "modules/registration"])
def test_the_readme_has_every_attribute_of_a_ca_and_its_default(folder: str) -> None:
    kind = variable_type(folder, "certificate_authorities")
    listed = tables("inputs", ROOT / folder / "README.md")[1]
    assert set(listed) == all_attributes(kind)
    for name, (_, _, type_, default) in listed.items():
        attribute = kind.attribute(*name.split("."))
        assert attribute.type.name == type_.strip("`").partition("(")[0], name
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


def test_the_way_a_ca_takes_lists_every_file_of_the_program() -> None:
    document = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = document.partition("scripts/iot_ca/\n")[2].partition("```")[0]
    files = {path.name for path in (ROOT / "scripts" / "iot_ca").glob("*.py")}
    assert re.findall(r"^  (\w+\.py) ", listed, re.MULTILINE).count("registry.py") == 1
    assert set(re.findall(r"^  (\w+\.py) ", listed, re.MULTILINE)) == files - {"__init__.py"}


# Keys of conditions look like actions.
CONDITIONS = {"iam:PassedToService"}
# Actions that no call of the program bears the name of.
IMPLIED = {"iam:PassRole", "kms:Decrypt"}


def test_the_permissions_are_those_that_the_program_needs() -> None:
    document = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    section = document.partition("## Least privilege")[2].partition("\n## ")[0]
    # The table alone: the words around it are also about what Terraform's provider calls.
    rows = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    written = set(re.findall(r"`([a-z-]+:[A-Z]\w+)`", rows)) - CONDITIONS
    called = {
        node.func.attr
        for path in (ROOT / "scripts" / "iot_ca").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    services = ("iot", "sts", "secretsmanager", "kms", "acm-pca")
    session = get_session()
    actions: dict[str, set[str]] = {}
    for service in services:
        for operation in session.get_service_model(service).operation_names:
            actions.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    needed = [actions[name] for name in sorted(called & set(actions))]
    assert len(needed) > 20
    # Several services have an operation of the same name: one of them is meant.
    assert [each for each in needed if not each & written] == []
    assert written - set().union(*needed) == IMPLIED


def test_the_links_of_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("modules/*/*.md"), *ROOT.glob("examples/*/*.md")]
    for document in documents:
        content = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", content):
            assert (document.parent / target).exists(), f"{document}: {target}"


def test_the_changelog_says_what_is_new() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(Unreleased|\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert sections
    assert len(sections) == len(set(sections))
    assert re.search(r"^- ", changelog, re.MULTILINE)


def test_the_notes_of_a_release_are_its_section_of_the_changelog(tmp_path: Path) -> None:
    """By the command that CONTRIBUTING gives."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ +(awk .*)$", contributing, re.MULTILINE)
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - 2026-01-01\n\n- b\n\n## [1.0.0] - x\n- a\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(changelog, encoding="utf-8")
    script = f"version=1.1.0\n{command}"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True)
    notes = (tmp_path / "notes.md").read_text(encoding="utf-8")
    assert notes == "## [1.1.0] - 2026-01-01\n\n- b\n\n"


def test_what_the_tests_need_is_what_continuous_integration_installs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n", " ")
    (installed,) = re.findall(r"^ *apt-get install (.*)$", script, re.MULTILINE)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"^apt-get install (.*)$", contributing, re.MULTILINE)
    packages = {each for each in installed.split() if not each.startswith("-")}
    assert {"git", "openssl", "chromium"} <= packages
    assert set(named.split()) == packages
    (needs,) = re.findall(r"^All of them need .*?\n\n", contributing, re.MULTILINE | re.DOTALL)
    for program in ("make", "git", "openssl", "Chromium"):
        assert program in needs, program


def test_the_hooks_before_a_commit_are_targets_of_the_makefile() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    (repository,) = hooks["repos"]
    assert repository["repo"] == "local"
    assert {hook["id"] for hook in repository["hooks"]} == {"fmt", "lint"}
    for hook in repository["hooks"]:
        assert hook["entry"] == f"make {hook['id']}"
        assert hook["id"] in targets
        # make takes no names of files.
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
        assert re.search(hook["files"], "main.tf")
        assert re.search(hook["files"], "scripts/iot_ca/drift.py")


def test_tflint_asks_for_nothing_that_does_not_come_with_it() -> None:
    settings = hcl2.loads((ROOT / ".tflint.hcl").read_text(encoding="utf-8"))
    (plugin,) = settings["plugin"]
    assert {name.strip('"') for name in plugin} == {"terraform"}
    (terraform,) = plugin.values()
    assert "source" not in terraform
    assert terraform["enabled"] is True
    rules = [name.strip('"') for rule in settings["rule"] for name in rule]
    assert all(rule.startswith("terraform_") for rule in rules)


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
    script = (ROOT / "scripts" / "iot_ca").read_text(encoding="utf-8")
    (header,) = HEADER.findall(script)
    lines: list[str] = [line.removeprefix("#").removeprefix(" ") for line in header.splitlines()]
    return "\n".join(lines)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
