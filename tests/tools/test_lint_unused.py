"""`make lint` finds locals, variables and data sources of Terraform that nothing uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import lint_unused
from tools.checkout import ROOT
from tools.lint_unused import terraform_folders, unused_declarations


def unused(folder: Path, *texts: str) -> list[str]:
    """Return the addresses that are not used in a module with these files."""
    for number, text in enumerate(texts):
        (folder / f"{number}.tf").write_text(text, encoding="utf-8")
    return [item.address for item in unused_declarations(folder)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("locals {\n  used = 1\n  dead = 2\n}\noutput x { value = local.used }", "local.dead"),
        ('variable "dead" {}', "var.dead"),
        ('data "aws_region" "dead" {}', "data.aws_region.dead"),
        ('data "aws_region" "dead" {}\nlocals { x = var.data.aws_region.dead }\n'
         'variable "data" {}\noutput x { value = local.x }', "data.aws_region.dead"),
        ('# local.dead\nlocals { dead = "local.dead" }', "local.dead"),
        ('locals { dead = 1 }\noutput x { value = { local = "dead" }["local"] }', "local.dead"),
        ('locals { dead = 1 }\noutput x { value = [for each in [{}] : each.local.dead] }',
         "local.dead"),
        ('locals { dead = 1 }\noutput x { value = "$${local.dead}" }', "local.dead"),
        ('variable "dead" {\n  validation {\n    condition = var.dead != null\n'
         '    error_message = "Required."\n  }\n}', "var.dead"),
    ],
)  # fmt: skip
def test_a_dead_declaration_is_found(tmp_path: Path, text: str, address: str) -> None:
    assert unused(tmp_path, text) == [address]


@pytest.mark.parametrize(
    "use",
    [
        "local.x",
        "local.x.attribute[0].name",
        "local.x[*].name",
        'local.x["key"]',
        '"text ${local.x} text"',
        '"%{ if local.x }text%{ endif }"',
        '"${"${local.x}"}"',
        "{ (local.x) = 1 }",
        "{ for key, value in local.x : key => value }",
        "[for value in [1] : value if local.x]",
        "try(local.x, null)",
        "!local.x",
        "true ? 1 : -local.x",
        "<<-EOT\n  text ${local.x}\n  EOT\n",
    ],
)
def test_a_use_is_seen_in_any_place(tmp_path: Path, use: str) -> None:
    text = "locals {\n  x = 1\n}\n" + f"output y {{\n  value = {use}\n}}\n"
    assert unused(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        'variable "x" {}\nmodule "m" {\n  source = "./m"\n  x = var.x\n}',
        'variable "x" {}\nvariable "y" {\n  validation {\n    condition = var.x != var.y\n'
        '    error_message = "Equal."\n  }\n}\noutput o { value = var.y }',
        'data "aws_region" "x" {}\nresource "terraform_data" "y" {\n'
        "  depends_on = [data.aws_region.x]\n}",
        'data "aws_region" "x" {}\noutput o { value = try(data.aws_region.x[0].name, null) }',
        'data "aws_region" "x" {\n  lifecycle {\n    postcondition {\n'
        '      condition = self.name != ""\n      error_message = "None."\n    }\n  }\n}',
        'locals { x = 1 }\nresource "terraform_data" "y" {\n  provisioner "local-exec" {\n'
        '    command = "echo ${local.x}"\n  }\n}',
    ],
)
def test_a_use_in_a_block_is_seen(tmp_path: Path, text: str) -> None:
    assert unused(tmp_path, text) == []


def test_a_use_in_another_file_of_the_module_counts(tmp_path: Path) -> None:
    assert unused(tmp_path, "locals { x = 1 }", "output y { value = local.x }") == []


def test_a_use_in_another_module_does_not_count(tmp_path: Path) -> None:
    child = tmp_path / "child"
    child.mkdir()
    (child / "main.tf").write_text("output y { value = local.x }\n", encoding="utf-8")
    assert unused(tmp_path, "locals { x = 1 }") == ["local.x"]


def test_the_line_of_a_declaration_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("\nlocals {\n  a = 1\n\n  b = 2\n}\n", encoding="utf-8")
    assert [item.line for item in unused_declarations(tmp_path)] == [3, 5]


def test_all_configurations_of_the_checkout_are_read() -> None:
    folders = terraform_folders(ROOT)
    assert ROOT in folders
    assert {ROOT / "modules" / "jitp", ROOT / "examples" / "migration" / "before"} <= set(folders)


def test_the_command_names_its_findings_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint_unused, "ROOT", tmp_path)
    hidden = tmp_path / "modules" / "m" / ".terraform" / "modules"
    hidden.mkdir(parents=True)
    for folder in (hidden, tmp_path / "modules" / "m"):
        (folder / "main.tf").write_text('variable "x" {}\n', encoding="utf-8")
    assert lint_unused.main() == 1
    assert capsys.readouterr().err == "modules/m/main.tf:1: var.x is not used\n"
    (tmp_path / "modules" / "m" / "main.tf").write_text("", encoding="utf-8")
    assert lint_unused.main() == 0
