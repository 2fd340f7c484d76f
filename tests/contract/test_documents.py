"""What is written about the module agrees with it."""

from __future__ import annotations

import ast
import re

import hcl2
import yaml
from botocore import xform_name
from botocore.session import get_session

from tests.support.diagnose.cases import CASES
from tests.support.hcl import blocks, output_attributes, read
from tests.support.project import project
from tools.checkout import ROOT
from tools.docs.markdown import inputs_table
from tools.docs.modules import read_inputs, read_outputs

README = ROOT / "README.md"
PROGRAM = ROOT / "scripts" / "iot_ca"
HEADER = re.compile(r"^# /// script\n(.*?)^# ///$", re.DOTALL | re.MULTILINE)


def test_a_description_names_every_attribute_of_an_output() -> None:
    outputs = {output.name: output for output in read_outputs(ROOT)}
    lists = {"jitp_alarm_arns"}
    for name in outputs.keys() - lists:
        named = {attribute for item in outputs[name].description.items for attribute in item.names}
        assert named, name
        assert named == output_attributes(name), name
    assert lists < outputs.keys()


def defaults(folder: str, heading: str = "") -> dict[str, str]:
    """The last column of the table of inputs that follows a text, by the first column."""
    after = inputs_table(read_inputs(ROOT / folder)).partition(heading or "|")[2]
    table = after.partition("| --- |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {re.findall(r"`(\w+)`", row[0])[0]: row[-1] for row in rows}


def test_a_setting_of_jitr_has_the_default_of_its_module() -> None:
    module = defaults("modules/jitr")
    settings = defaults(".", "Attributes of `certificate_authorities.provisioning`:")
    variables = blocks("modules/jitr", "variable")
    unset = {name for name, body in variables.items() if body.get("default") in (None, "null")}
    shared = (settings.keys() & module.keys()) - unset
    assert {"on_refusal", "runtime", "subject_attributes", "log_retention_days"} <= shared
    assert {name: settings[name] for name in shared} == {name: module[name] for name in shared}


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


def test_contributing_lists_every_folder_of_the_program() -> None:
    document = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = document.partition("scripts/iot_ca/\n")[2].partition("```")[0]
    listed = re.findall(r"^  ([\w/]+(?:\.py|/)) +\S", tree, re.MULTILINE)
    modules = {path.name for path in PROGRAM.glob("*.py")} - {"__init__.py"}
    packages = {f"{path.parent.relative_to(PROGRAM)}/" for path in PROGRAM.glob("*/**/__init__.py")}
    assert sorted(listed) == sorted(modules | packages)


def test_contributing_names_files_that_exist() -> None:
    document = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = document.partition("### Where a change goes")[2].partition("\n## ")[0]
    names = re.findall(r"`([\w/]+\.(?:py|tf))`", table)
    assert {"ownership/ways.py", "certificates/validation.py", "variables.tf"} <= set(names)
    assert [n for n in names if not ((ROOT / n).is_file() or (PROGRAM / n).is_file())] == []


# Keys of conditions look like actions.
CONDITIONS = {"iam:PassedToService"}
# Actions that no call of the program bears the name of.
IMPLIED = {"iam:PassRole", "iam:GetRole", "kms:Decrypt"}


def test_the_permissions_are_those_that_the_program_needs() -> None:
    document = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    section = document.partition("## Least privilege")[2].partition("\n## ")[0]
    # The table alone: the words around it are also about what Terraform's provider calls.
    rows = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    written = set(re.findall(r"`([a-z-]+:[A-Z]\w+)`", rows)) - CONDITIONS
    called = {
        method.attr
        for path in PROGRAM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        # Called here, or passed to a function that calls it.
        for method in (node.func, *node.args)
        if isinstance(method, ast.Attribute)
    }
    services = ("iot", "sts", "secretsmanager", "kms", "acm-pca", "organizations")
    session = get_session()
    actions: dict[str, set[str]] = {}
    for service in services:
        for operation in session.get_service_model(service).operation_names:
            actions.setdefault(xform_name(operation), set()).add(f"{service}:{operation}")
    needed = [actions[name] for name in sorted(called & set(actions))]
    assert len(needed) > 20
    # Several services have an operation of the same name: one of them is meant.
    assert [alternatives for alternatives in needed if not alternatives & written] == []
    assert written - set().union(*needed) == IMPLIED


def test_the_changelog_has_a_section_for_new_changes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[(Unreleased|\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert sections
    assert len(sections) == len(set(sections))
    assert re.search(r"^- ", changelog, re.MULTILINE)


def test_continuous_integration_installs_the_programs_that_tests_need() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").replace("\\\n", " ")
    (installed,) = re.findall(r"^ *apt-get install (.*)$", script, re.MULTILINE)
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"^apt-get install (.*)$", contributing, re.MULTILINE)
    packages = {word for word in installed.split() if not word.startswith("-")}
    assert {"git", "openssl", "chromium", "curl"} <= packages
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


def test_tflint_needs_no_plugin_but_the_bundled_one() -> None:
    settings = hcl2.loads((ROOT / ".tflint.hcl").read_text(encoding="utf-8"))
    (plugin,) = settings["plugin"]
    assert {name.strip('"') for name in plugin} == {"terraform"}
    (terraform,) = plugin.values()
    assert "source" not in terraform
    assert terraform["enabled"] is True
    rules = [name.strip('"') for rule in settings["rule"] for name in rule]
    assert all(rule.startswith("terraform_") for rule in rules)


def test_the_programs_header_names_the_packages_dependencies() -> None:
    (line,) = re.findall(r"dependencies = (\[.*\])", _header())
    assert ast.literal_eval(line) == project()["dependencies"]
    (version,) = re.findall(r'requires-python = "(.*)"', _header())
    assert version == project()["requires-python"]


def test_the_lock_has_the_versions_that_the_package_requires() -> None:
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for requirement in project()["dependencies"]:
        name, _, least = requirement.partition(">=")
        (version,) = set(re.findall(rf"^{name}==([\d.]+)", locked, re.MULTILINE))
        assert _numbers(version) >= _numbers(least)
    assert "--hash=sha256:" in locked


def _header() -> str:
    script = (PROGRAM / "__main__.py").read_text(encoding="utf-8")
    (header,) = HEADER.findall(script)
    lines: list[str] = [line.removeprefix("#").removeprefix(" ") for line in header.splitlines()]
    return "\n".join(lines)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_troubleshooting_names_every_step_of_a_diagnosis() -> None:
    document = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    steps = document.partition("\n## Steps\n")[2].partition("\n## ")[0]
    first_column = "\n".join(line.split("|")[1] for line in steps.splitlines() if "|" in line)
    named = set(re.findall(r"`([^`]+)`", first_column))
    assert {case.check for case in CASES.values()} <= named
    symptoms = document.partition("\n## Symptoms\n")[2].partition("\n## ")[0]
    last_column = "\n".join(line.split("|")[2] for line in symptoms.splitlines() if "|" in line)
    mentioned = set(re.findall(r"`([^`]+)`", last_column)) - {"ACTIVE"}
    assert mentioned <= named, mentioned - named
