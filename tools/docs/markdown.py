"""Inputs and outputs as tables in Markdown, as GitHub and the Terraform Registry show it.

A row for each input or output. The attributes of an object are in a table of their own below, with
an anchor that the row links to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tools.docs.descriptions import Description, Item
from tools.docs.modules import Input, Output
from tools.docs.types import Attribute, Type

# What a description says of a default that HCL can't: `null` stands for it.
_DEFAULT = re.compile(r"\s*\bDefault: ((?:`[^`]*`|[^.`])+)\.(?=\s|$)")


def inputs_table(inputs: Sequence[Input]) -> str:
    """Return the tables of inputs."""
    rows = []
    details = []
    for item in inputs:
        has_details = item.type.object is not None
        text = _summary(item.description, has_details)
        text, default = _default(text, item.default is None, item.default)
        name = _name(item.name, f"input_{item.name}", has_details)
        rows.append((name, _cell(text), _code(str(item.type)), default))
        details += _input_details(item) if has_details else []
    return "\n\n".join([_table(("name", "description", "type", "default"), rows), *details])


def outputs_table(outputs: Sequence[Output]) -> str:
    """Return the tables of outputs."""
    rows = []
    details = []
    for output in outputs:
        has_details = bool(output.description.items)
        name = _name(output.name, f"output_{output.name}", has_details)
        rows.append((name, _cell(_summary(output.description, has_details))))
        details += _output_details(output) if has_details else []
    return "\n\n".join([_table(("name", "description"), rows), *details])


def _name(name: str, anchor: str, has_details: bool) -> str:
    """The first cell: a link to the details, or else the anchor itself."""
    return f"[{_code(name)}](#{anchor})" if has_details else f"{_anchor(anchor)}{_code(name)}"


def _summary(description: Description, has_details: bool) -> str:
    """The text of the main table; all paragraphs but the first are in the details, if any."""
    if not has_details:
        return "<br><br>".join(description.paragraphs)
    return re.sub(":$", ".", description.paragraphs[0]) if description.paragraphs else ""


def _input_details(item: Input) -> list[str]:
    """The rest of the description, and the tables of attributes."""
    parts = list(item.description.paragraphs[1:])
    for path, kind, items in _objects((item.name,), item.type, item.description.items):
        anchor = f"input_{'_'.join(path)}"
        owner = "" if kind.name == "object" else "each element of "
        parts.append(f"{_anchor(anchor)}Attributes of {owner}{_code('.'.join(path))}:")
        parts.append(_attributes(kind, items, anchor))
    return parts


def _output_details(output: Output) -> list[str]:
    heading = f"{_anchor(f'output_{output.name}')}Attributes of {_code(output.name)}:"
    rows = [
        (", ".join(map(_code, item.names)), _cell(item.text)) for item in output.description.items
    ]
    return [*output.description.paragraphs[1:], heading, _table(("attribute", "description"), rows)]


def _objects(
    path: tuple[str, ...], kind: Type, items: Sequence[Item]
) -> Iterator[tuple[tuple[str, ...], Type, Sequence[Item]]]:
    """The type and all attributes within it that are or hold objects: path, type and items."""
    if kind.object is None:
        return
    yield path, kind, items
    described = {name: item for item in items for name in item.names}
    for name, attribute in kind.object.attributes:
        yield from _objects((*path, name), attribute.type, described[name].items)


def _attributes(kind: Type, items: Sequence[Item], anchor: str) -> str:
    described = {name: item.text for item in items for name in item.names}
    attributes = kind.object.attributes if kind.object else ()
    rows = [_attribute(name, attribute, described[name], anchor) for name, attribute in attributes]
    return _table(("attribute", "description", "type", "default"), rows)


def _attribute(
    name: str, attribute: Attribute, text: str, anchor: str
) -> tuple[str, str, str, str]:
    text, default = _default(text, not attribute.optional, attribute.default)
    linked = f"[{_code(name)}](#{anchor}_{name})" if attribute.type.object else _code(name)
    return linked, _cell(text), _code(str(attribute.type)), default


def _default(text: str, required: bool, default: str | None) -> tuple[str, str]:
    """The description and the cell of the default, which may be a sentence of the description."""
    if required:
        return text, "required"
    if default not in (None, "null"):
        return text, _code(str(default))
    sentence = _DEFAULT.search(text)
    if not sentence:
        return text, _code("null")
    return (text[: sentence.start()] + text[sentence.end() :]).strip(), _cell(sentence[1])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _code(text: str) -> str:
    return f"`{_cell(text)}`"


def _anchor(name: str) -> str:
    return f'<a name="{name}"></a>'
