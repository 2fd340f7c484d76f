"""`make docs`: the tables of inputs and outputs say what variables.tf and outputs.tf say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.docs.__main__ import main, replace_section
from tools.docs.descriptions import Item, parse_description, plain_text
from tools.docs.markdown import inputs_table, outputs_table
from tools.docs.modules import as_hcl, read_inputs, read_outputs
from tools.docs.types import Attribute, Type, parse_type
from tools.errors import ToolError

README = """\
# A module

<!-- inputs -->
old
<!-- /inputs -->

Between.

<!-- outputs -->
<!-- /outputs -->

After.
"""
OUTPUT = 'output "id" {\n  description = "The ID."\n  value       = 1\n}\n'
OBJECT = """
variable "settings" {
  description = <<-EOT
    How it works:

    - `size`: how large
      it is.
    - `shape` (ROUND): see below.
      - `radius`: its radius. Default: one half. In metres.
      - `name`: its name.
  EOT
  type = map(object({
    size = number
    shape = optional(object({
      radius = optional(number)
      name   = optional(string, "x")
    }), { name = "y" })
  }))
}
"""


def rows(table: str) -> dict[str, list[str]]:
    """The cells of all rows by the name in the first one."""
    lines = [line for line in table.splitlines() if line.startswith("| ") and "`" in line]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in cells}


def input_rows(folder: Path, hcl: str) -> dict[str, list[str]]:
    """The rows of a module with these variables."""
    (folder / "variables.tf").write_text(hcl, encoding="utf-8")
    return rows(inputs_table(read_inputs(folder)))


def variable(description: str = '"Text."', more: str = "type = string") -> str:
    return f'variable "it" {{\n  description = {description}\n  {more}\n}}\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A root module and one other, with READMEs that are out of date."""
    for folder in (tmp_path, tmp_path / "modules" / "one"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(README, encoding="utf-8")
        (folder / "variables.tf").write_text(variable(), encoding="utf-8")
        (folder / "outputs.tf").write_text(OUTPUT, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("constraint", "short"),
    [
        ("string", "string"),
        ("${map(list(string))}", "map(list(string))"),
        ("${map(object({a = string, b = optional(bool, true)}))}", "map(object)"),
        ("${object({})}", "object"),
    ],
)
def test_a_type_is_shown_in_short(constraint: str, short: str) -> None:
    assert str(parse_type(constraint)) == short


def test_attributes_of_an_object_have_types_and_defaults() -> None:
    kind = parse_type(
        '${object({a = string, b = optional(list(string), ["x", "y"]), '
        "c = optional(object({d = optional(number)}), {d = 1}), e = optional(map(string), {})})}"
    )
    assert kind.attribute("a") == Attribute(Type("string"))
    assert kind.attribute("b") == Attribute(Type("list", Type("string")), True, '["x", "y"]')
    assert kind.attribute("c").default == "{ d = 1 }"
    assert kind.attribute("c", "d") == Attribute(Type("number"), True)
    assert kind.attribute("e").default == "{}"
    assert kind.names == {"a", "b", "c", "e"}


@pytest.mark.parametrize("constraint", ["object({a = })", "map(string", "string)", "object(a)", ""])
def test_a_text_that_is_not_a_type_is_refused(constraint: str) -> None:
    with pytest.raises(ToolError, match="is not a type constraint"):
        parse_type(f"${{{constraint}}}")


@pytest.mark.parametrize(
    ("default", "shown"),
    [
        ("null", "`null`"),
        ("true", "`true`"),
        ("-1.5", "`-1.5`"),
        ('"a|b"', r'`"a\|b"`'),
        ("[]", "`[]`"),
        ('["a", "b"]', '`["a", "b"]`'),
        ("{}", "`{}`"),
        ('{ a = "b", c = null }', '`{ a = "b", c = null }`'),
    ],
)
def test_a_default_is_shown_in_hcl(tmp_path: Path, default: str, shown: str) -> None:
    hcl = variable(more=f"type = any\n  default = {default}")
    assert input_rows(tmp_path, hcl)["it"] == ["Text.", "`any`", shown]


def test_a_nested_value_is_shown_in_hcl() -> None:
    assert as_hcl({"a": [1, False], "b": "${var.x}"}) == "{ a = [1, false], b = var.x }"


def test_a_variable_without_a_default_is_required(tmp_path: Path) -> None:
    assert input_rows(tmp_path, variable())["it"] == ["Text.", "`string`", "required"]


def test_the_description_of_a_null_default_is_its_cell(tmp_path: Path) -> None:
    hcl = variable('"One. Default: `a.b` or c. Two."', "type = string\n  default = null")
    assert input_rows(tmp_path, hcl)["it"] == ["One. Two.", "`string`", "`a.b` or c"]


def test_the_value_of_a_default_comes_before_its_description(tmp_path: Path) -> None:
    hcl = variable('"One. Default: two."', "type = number\n  default = 2")
    assert input_rows(tmp_path, hcl)["it"] == ["One. Default: two.", "`number`", "`2`"]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r'"a \"b\" \\ $${c}"', 'a "b" \\ ${c}'),
        ('"<<-EOT\n    a\n      b\n  EOT"', "a\n  b"),
        ('"<<EOT\na \\n %%{b}\nEOT"', "a \\n %{b}"),
    ],
)
def test_a_description_is_a_string_or_a_heredoc(expression: str, text: str) -> None:
    assert plain_text(expression) == text


def test_pipes_are_escaped_in_every_cell(tmp_path: Path) -> None:
    hcl = variable('"`a|b` | c. Default: d|e."', "type = string\n  default = null")
    assert input_rows(tmp_path, hcl)["it"] == [r"`a\|b` \| c.", "`string`", r"d\|e"]


def test_paragraphs_and_lists_stay_apart_in_a_cell(tmp_path: Path) -> None:
    hcl = variable("<<-EOT\n    One\n    line.\n\n    Two:\n    - a\n    - b\n  EOT")
    assert input_rows(tmp_path, hcl)["it"][0] == "One line.<br><br>Two:<br>- a<br>- b"


def test_an_object_has_a_table_for_its_attributes(tmp_path: Path) -> None:
    table = input_rows(tmp_path, OBJECT)
    assert table == {
        "settings": ["How it works.", "`map(object)`", "required"],
        "size": ["How large it is.", "`number`", "required"],
        "shape": ["ROUND: see below.", "`object`", '`{ name = "y" }`'],
        "radius": ["Its radius. In metres.", "`number`", "one half"],
        "name": ["Its name.", "`string`", '`"x"`'],
    }


def test_links_lead_to_the_tables_of_attributes(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(OBJECT, encoding="utf-8")
    text = inputs_table(read_inputs(tmp_path))
    links, anchors = re.findall(r"\]\(#(\w+)\)", text), re.findall(r'<a name="(\w+)">', text)
    assert links == ["input_settings", "input_settings_shape"]
    assert anchors == links
    assert "Attributes of each element of `settings`:" in text
    assert "Attributes of `settings.shape`:" in text


def test_every_row_has_an_anchor_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "variables.tf").write_text(variable(), encoding="utf-8")
    assert '| <a name="input_it"></a>`it` |' in inputs_table(read_inputs(tmp_path))


def test_paragraphs_after_the_first_are_with_the_attributes(tmp_path: Path) -> None:
    hcl = OBJECT.replace("How it works:", "How it works.\n\n    And why:")
    (tmp_path / "variables.tf").write_text(hcl, encoding="utf-8")
    summary, _, details = inputs_table(read_inputs(tmp_path)).partition("\n\n")
    assert "| How it works. |" in summary
    assert details.startswith('And why:\n\n<a name="input_settings"></a>Attributes of')


def test_an_item_may_name_several_attributes_and_have_paragraphs() -> None:
    text = "A.\n\n- `a`,\n  `b` (X): one.\n\n  Two.\n  - `c`: three.\n- `d`: four."
    assert parse_description(text, with_list=True).items == (
        Item(("a", "b"), "X: one. <br><br> Two.", (Item(("c",), "Three."),)),
        Item(("d",), "Four."),
    )


def test_an_output_has_a_table_for_its_attributes(tmp_path: Path) -> None:
    text = "<<-EOT\n    All:\n\n    - `a`, `b`: letters.\n  EOT"
    hcl = f'output "it" {{\n  description = {text}\n  value = {{}}\n}}\n{OUTPUT}'
    (tmp_path / "outputs.tf").write_text(hcl, encoding="utf-8")
    table = outputs_table(read_outputs(tmp_path))
    assert rows(table) == {"it": ["All."], "id": ["The ID."], "a": ["Letters."]}
    assert "| `a`, `b` |" in table


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- `size`: how large\n      it is.", "", r"does not describe `settings.size`; add `- "),
        ("      - `radius`: its radius.", "      - `r`: its radius.", "`settings.shape.radius`"),
        ("    - `size`:", "    - `sort`: a.\n    - `size`:", "describes `settings.sort`, which"),
        ("- `size`: how", "- size: how", "does not begin like"),
        ("- `name`: its name.", "- `name`:", "`settings.shape.name`"),
    ],
)
def test_a_description_must_fit_the_type(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OBJECT
    (tmp_path / "variables.tf").write_text(OBJECT.replace(old, new), encoding="utf-8")
    with pytest.raises(ToolError, match=message) as caught:
        read_inputs(tmp_path)
    assert "variables.tf: variable `settings`" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("hcl", "message"),
    [
        (variable('""'), "variable `it` has no description"),
        (variable(more=""), "variable `it` has no type"),
        ('variable "it" {', "variables.tf is not HCL"),
    ],
)
def test_an_incomplete_variable_is_refused(tmp_path: Path, hcl: str, message: str) -> None:
    with pytest.raises(ToolError, match=message):
        input_rows(tmp_path, hcl)


def test_conditions_do_not_disturb(tmp_path: Path) -> None:
    more = 'type = string\n\n  validation {\n    condition = f("}")\n    error_message = "a"\n  }'
    assert list(input_rows(tmp_path, variable(more=more) + variable().replace("it", "b"))) == [
        "it",
        "b",
    ]


def test_only_the_text_between_the_markers_changes(checkout: Path) -> None:
    assert main([], checkout) == 0
    for readme in (checkout / "README.md", checkout / "modules" / "one" / "README.md"):
        text = readme.read_text(encoding="utf-8")
        assert text.startswith("# A module\n\n<!-- inputs -->\n<!-- Generated by `make docs`")
        assert "<!-- /inputs -->\n\nBetween.\n\n<!-- outputs -->\n" in text
        assert text.endswith("<!-- /outputs -->\n\nAfter.\n")
        assert "old" not in text
        assert rows(text) == {"it": ["Text.", "`string`", "required"], "id": ["The ID."]}


def test_the_check_writes_nothing_and_names_the_remedy(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], checkout) == 1
    assert capsys.readouterr().err == (
        "run `make docs`: inputs and outputs are out of date in README.md, modules/one/README.md\n"
    )
    assert (checkout / "README.md").read_text(encoding="utf-8") == README
    main([], checkout)
    assert main(["--check"], checkout) == 0


@pytest.mark.parametrize(
    "text",
    [
        README.replace("<!-- inputs -->", ""),
        README.replace("<!-- /inputs -->", ""),
        README.replace("Between.", "<!-- inputs -->"),
        README.replace("inputs", "x").replace("After.", "<!-- /inputs --><!-- inputs -->"),
    ],
)
def test_a_missing_marker_is_named_and_nothing_written(
    checkout: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    last = checkout / "modules" / "one" / "README.md"
    last.write_text(text, encoding="utf-8")
    assert main([], checkout) == 1
    error = capsys.readouterr().err
    assert "one/README.md must have the markers <!-- inputs --> and <!-- /inputs --> once" in error
    assert (checkout / "README.md").read_text(encoding="utf-8") == README


def test_a_section_that_is_replaced_again_stays_the_same() -> None:
    once = replace_section(README, "inputs", "| a |", Path("README.md"))
    assert replace_section(once, "inputs", "| a |", Path("README.md")) == once
