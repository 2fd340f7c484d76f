"""Each rule for a variable has a run of `terraform test` that fails without it.

The rules need neither provider nor program, so they are tried on the variables alone: Terraform
starts the aws provider for each run otherwise, which takes a hundred times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.hcl import MODULES
from tools.checkout import ROOT
from tools.engine.discovery import find_engines
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

VALIDATIONS = "validations.tftest.hcl"
WITHOUT_ITS_RULE = "_without_its_rule"

_RULE = re.compile(r"^  validation \{\n.*?^  \}\n", re.DOTALL | re.MULTILINE)
_MESSAGE = re.compile(r'error_message = "((?:[^"\\]|\\.)*)"')
_VARIABLE = re.compile(r'^variable "(\w+)"', re.MULTILINE)
_MOCK = re.compile(r"^mock_provider [^\n]*(?:\{\}|\{\n.*?^\})\n", re.DOTALL | re.MULTILINE)
_RUN = re.compile(r'^(?:# ([^\n]*)\n)?run "(\w+)" \{\n(.*?)^\}', re.DOTALL | re.MULTILINE)
_REFUSAL = re.compile(r"expect_failures = \[var\.(\w+)\]")


@dataclass(frozen=True)
class Rule:
    """A `validation` block, the variable that it is about, and what it says."""

    folder: str
    variable: str
    block: str
    message: str

    def __str__(self) -> str:
        words = re.findall(r"\w+", self.message)
        return "-".join([self.folder.replace("/", "."), self.variable, *words[:6]])


@dataclass(frozen=True)
class Refusal:
    """A run that expects a variable to be refused, and the beginning of what is said then."""

    name: str
    variable: str
    message: str

    def breaks(self, rule: Rule) -> bool:
        """Whether the comment above the run is the beginning of the rule's message."""
        about = self.message and rule.message.startswith(self.message)
        return bool(about) and self.variable == rule.variable


def rules(folder: str) -> list[Rule]:
    """All validations of a module."""
    text = (ROOT / folder / "variables.tf").read_text(encoding="utf-8")
    validations = []
    for match in _RULE.finditer(text):
        variable = _VARIABLE.findall(text, 0, match.start())[-1]
        message = _MESSAGE.search(match.group())
        assert message is not None, match.group()
        validations.append(
            Rule(folder, variable, match.group(), message.group(1).replace('\\"', '"'))
        )
    return validations


def refusals(folder: str) -> list[Refusal]:
    """All runs of a module's validations.tftest.hcl that expect a refusal."""
    path = ROOT / folder / "tests" / VALIDATIONS
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [
        Refusal(name, refused.group(1), message)
        for message, name, body in _RUN.findall(text)
        if (refused := _REFUSAL.search(body))
    ]


RULES = [rule for folder in MODULES for rule in rules(folder)]
FOLDERS = sorted({rule.folder for rule in RULES})


def test_the_rules_are_found() -> None:
    written = sum(
        len(re.findall(r"^\s+validation \{", (ROOT / folder / "variables.tf").read_text(), re.M))
        for folder in MODULES
    )
    assert len(RULES) == written > 20


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_refusal_names_the_rule_that_refuses(folder: str) -> None:
    for refusal in refusals(folder):
        assert [refusal.breaks(rule) for rule in rules(folder)].count(True) == 1, refusal


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_rule_has_a_refusal(folder: str) -> None:
    for rule in rules(folder):
        assert any(refusal.breaks(rule) for refusal in refusals(folder)), rule


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_refusal_needs_its_rule_and_no_other(
    folder: str,
    providers: Providers,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A refusal that another rule caused as well would still be refused without its own."""
    done = variables_alone(folder, providers, tmp_path).run("test", check=False)
    runs = re.findall(r'^  run "(\w+)"\.\.\. (\w+)', done.stdout, re.MULTILINE)
    passed = {name for name, ended in runs if ended == "pass"}
    failed = [name for name, ended in runs if ended != "pass"]
    names = {refusal.name for refusal in refusals(folder)}
    assert names <= passed, done.output
    assert sorted(failed) == sorted(f"{name}{WITHOUT_ITS_RULE}" for name in names), done.output
    # Not for another cause, such as a module that Terraform can't read.
    assert done.output.count("Missing expected failure") == len(names)
    record_property("rules", len(rules(folder)))


def variables_alone(folder: str, providers: Providers, target: Path) -> Terraform:
    """Write a module of nothing but the variables, and every run about them.

    Each refusal also runs against a copy of the variables that lacks the rule it is about, under
    a name of its own. One Terraform runs them all: starting it takes longer than a run.
    """
    text = (ROOT / folder / "variables.tf").read_text(encoding="utf-8")
    tests = (ROOT / folder / "tests" / VALIDATIONS).read_text(encoding="utf-8")
    (target / "variables.tf").write_text(text, encoding="utf-8")
    for number, rule in enumerate(rules(folder)):
        copy = target / f"without-{number}"
        copy.mkdir()
        (copy / "variables.tf").write_text(text.replace(rule.block, "", 1), encoding="utf-8")
    runs = [match.group() + "\n" for match in _RUN.finditer(tests)]
    for refusal in refusals(folder):
        (run,) = (run for run in runs if f'run "{refusal.name}" {{' in run)
        (number,) = (n for n, rule in enumerate(rules(folder)) if refusal.breaks(rule))
        module = f'{{\n  module {{\n    source = "./without-{number}"\n  }}\n'
        header = f'run "{refusal.name}" {{\n'
        runs.append(run.replace(header, f'run "{refusal.name}{WITHOUT_ITS_RULE}" {module}', 1))
    common = _MOCK.sub("", _RUN.sub("", tests))
    (target / "tests").mkdir()
    # Each run in a file of its own: Terraform skips the runs behind a failure in the same file.
    for number, run in enumerate(runs):
        path = target / "tests" / f"{number:03}.tftest.hcl"
        path.write_text(common + run, encoding="utf-8")
    terraform = Terraform(target, find_engines()[0], environment(providers))
    terraform.init()
    return terraform
