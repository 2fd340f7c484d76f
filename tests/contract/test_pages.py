"""The documents: their length and links, and whether what they tell to type exists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import get_session

from iot_ca.diagnosis import command as diagnose
from iot_ca.fleet import inventory_command, status
from iot_ca.ownership import csr
from tests.support.documents import (
    anchors,
    aws_calls,
    command_lines,
    documents,
    links,
    program_arguments,
)
from tests.support.readmes import code_blocks
from tools.checkout import ROOT

DOCUMENTS = documents()
MAX_README_LINES = 180
# IAM names these actions otherwise than AWS's API names the calls.
IAM_ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}
# Options of the AWS CLI itself.
GLOBAL_OPTIONS = {"cli-read-timeout", "endpoint-url", "output", "profile", "query", "region"}
PARSERS: dict[str, Callable[[Sequence[str]], object]] = {
    "csr": lambda arguments: csr._parser().parse_args(arguments),
    "diagnose": diagnose._options,
    "inventory": inventory_command._options,
    "status": status._options,
}


def read(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def dead_links(document: Path) -> list[str]:
    """Return the links of a document that lead to no file or to no anchor."""
    dead = []
    for link in links(read(document)):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if target.is_dir() and anchor:
            target = target / "README.md"
        if not target.exists() or (anchor and anchor not in anchors(read(target))):
            dead.append(link)
    return dead


def test_the_readme_is_short_before_its_tables() -> None:
    prose = read(ROOT / "README.md").partition("<!-- inputs -->")[0]
    assert len(prose.splitlines()) <= MAX_README_LINES


def test_every_link_and_anchor_of_the_documents_exists() -> None:
    dead = {document.relative_to(ROOT): dead_links(document) for document in DOCUMENTS}
    assert {document: links for document, links in dead.items() if links} == {}
    assert sum(len(links(read(document))) for document in DOCUMENTS) > 150


def test_anchors_are_those_of_github() -> None:
    text = "# What? A `b-c`\n```sh\n# no heading\n```\n## 0. One\n## 0. One\n<a name='x'></a>\n"
    assert anchors(text) == {"what-a-b-c", "0-one", "0-one-1"}
    assert anchors('<a name="input_x"></a>') == {"input_x"}
    assert links("[a](b.md#c) `[d](e)` [f](https://g)\n```md\n[h](i)\n```\n") == ["b.md#c"]


def test_each_page_is_linked_from_the_readme() -> None:
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= set(links(read(ROOT / "README.md")))


def test_the_snippets_pin_a_version_that_is_not_older_than_the_newest() -> None:
    pinned = {
        version
        for document in DOCUMENTS
        for block in code_blocks(read(document), "hcl")
        for version in re.findall(r'^  version += "([^"]+)"$', block, re.MULTILINE)
    }
    (version,) = pinned
    changelog = read(ROOT / "CHANGELOG.md")
    released = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\]", changelog, re.MULTILINE)
    numbers = tuple(map(int, version.split(".")))
    assert len(numbers) == 3
    assert all(numbers >= tuple(map(int, release)) for release in released)


def test_the_shell_blocks_of_the_documents_are_shell() -> None:
    for document in DOCUMENTS:
        blocks = "\n".join(code_blocks(read(document), "sh"))
        checked = subprocess.run(
            ["sh", "-n"], input=blocks, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, f"{document}\n{checked.stderr}"


def test_the_program_accepts_the_options_that_the_documents_give() -> None:
    calls = [
        call
        for document in DOCUMENTS
        for line in command_lines(read(document))
        for call in program_arguments(line)
    ]
    assert {command for command, *_ in calls} == PARSERS.keys()
    for command, *arguments in calls:
        PARSERS[command](arguments)


def unknown_options(service: str, operation: str, options: set[str], session: Any) -> set[str]:
    """Return the options that the AWS CLI lacks, or the operation if it lacks that."""
    model = session.get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return {operation}
    shape = model.operation_model(operations[operation]).input_shape
    members = shape.members if shape else {}
    return options - {xform_name(name, "-") for name in members} - GLOBAL_OPTIONS


def test_the_aws_cli_has_the_options_that_the_documents_give() -> None:
    session = get_session()
    calls = [
        call
        for document in DOCUMENTS
        for line in command_lines(read(document))
        for call in aws_calls(line)
    ]
    assert len(calls) > 30
    wrong = {call[:2]: unknown_options(*call, session) for call in calls}
    assert {call: options for call, options in wrong.items() if options} == {}
    assert unknown_options("iot", "describe-thing", {"thing-nam", "query"}, session) == {
        "thing-nam"
    }


@pytest.mark.parametrize("runbook", ["JITP did not provision", "an alarm of JITR"])
def test_a_runbook_names_the_permissions_of_its_commands(runbook: str) -> None:
    page = read(ROOT / "docs" / "jitp-and-jitr.md")
    (section,) = (part for part in page.split("\n## ") if part.startswith(f"Runbook: {runbook}"))
    rows = "\n".join(line for line in section.splitlines() if line.startswith("| "))
    session = get_session()
    needed = set()
    for line in command_lines(section):
        for service, operation, _ in aws_calls(line):
            names = session.get_service_model(service).operation_names
            (name,) = (name for name in names if xform_name(name, "-") == operation)
            needed.add(IAM_ACTIONS.get(f"{service}:{name}", f"{service}:{name}"))
    assert len(needed) > 5
    assert needed - set(re.findall(r"`([a-z]+:[A-Z]\w+)`", rows)) == set()
