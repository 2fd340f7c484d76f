"""Plain values from HCL text: what a `.tfvars` or `.hcl` file assigns, without expressions."""

from __future__ import annotations

import re
from typing import Any

from iot_ca.errors import Failure

# HCL native syntax specification, "Template Expressions": what a quoted string may escape.
_ESCAPE = re.compile(
    r"\\(?:([nrt\"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([$%])\4\{|([$%])\{|\\"
)
_CONTROL_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def parse(text: str, file: str) -> dict[str, Any]:
    """Return the variables that HCL text assigns.

    Strings are still as they are written; `plain_value` reads a variable that is needed. The
    attributes of `inputs` and `locals`, where Terragrunt has them, count as variables.

    Raises:
        Failure: the text is not valid HCL, or python-hcl2 is not installed. `file` is the name in
            the message.
    """
    try:
        import hcl2
        from hcl2 import SerializationOptions
    except ImportError:  # versions before 8 lack SerializationOptions
        raise Failure(
            f"{file} is HCL, and python-hcl2 8 or later is not installed; install it with "
            "`python3 -m pip install 'python-hcl2>=8'`, or give a .tfvars.json file"
        ) from None
    options = SerializationOptions(with_comments=False, preserve_heredocs=False)
    try:
        document = hcl2.loads(text, serialization_options=options)
    except Exception as error:
        # The error's own text quotes the file, which may hold secrets.
        line = getattr(error, "line", None)
        position = f"line {line}" if isinstance(line, int) and line > 0 else "its end"
        raise Failure(f"{file} is not valid HCL at {position}") from None
    local_blocks = document.get("locals")
    blocks = local_blocks if isinstance(local_blocks, list) else [local_blocks]
    variables: dict[str, Any] = {}
    for scope in (document.get("inputs"), *blocks, document):
        if isinstance(scope, dict):
            variables.update(scope)
    return variables


def plain_value(value: Any, variable: str) -> Any:
    """Return a value of `parse` as JSON would hold it.

    Raises Failure, which names the variable, if the value contains an expression.
    """
    if isinstance(value, dict):
        return {
            _plain_key(key, variable): plain_value(item, variable)
            for key, item in value.items()
            if key != "__is_block__"
        }
    if isinstance(value, list):
        return [plain_value(item, variable) for item in value]
    return _plain_string(value, variable) if isinstance(value, str) else value


def _plain_key(key: str, variable: str) -> str:
    return _plain_string(key, variable) if key.startswith(('"', "${")) else key


def _plain_string(literal: str, variable: str) -> str:
    """Return a string literal's text, without quotes and escapes."""
    if len(literal) < 2 or not literal.startswith('"') or not literal.endswith('"'):
        raise Failure(f"{variable} holds an expression; only values can be read here")
    try:
        text = _ESCAPE.sub(lambda escape: _unescaped(escape, variable), literal[1:-1])
        _ = text.encode()  # half of a surrogate pair raises a ValueError too
    except (ValueError, OverflowError):
        raise Failure(f"{variable} holds a character that Unicode does not have") from None
    return text


def _unescaped(escape: re.Match[str], variable: str) -> str:
    control, short_code, long_code, doubled, template = escape.groups()
    if control:
        return _CONTROL_CHARACTERS[control]
    if short_code or long_code:
        return chr(int(short_code or long_code, 16))
    if doubled:
        return doubled + "{"
    problem = "an expression" if template else "an escape that HCL does not have"
    raise Failure(f"{variable} holds {problem}; only values can be read here")
