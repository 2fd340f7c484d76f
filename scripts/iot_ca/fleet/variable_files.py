"""Files of Terraform variables (`.tfvars`, `.hcl`, `.tfvars.json`) as plain values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iot_ca.errors import Failure
from iot_ca.fleet import hcl
from iot_ca.fleet.layers import require_object

HCL_SUFFIXES = (".tfvars", ".hcl")

# The variables that `status` reads. Any others belong to the user's configuration and may hold
# what this program can't read, such as an expression.
_VARIABLES = frozenset(
    {"accounts", "certificate_authorities", "certificate_file", "region", "regions"}
)


def load(path: Path) -> dict[str, Any]:
    """Return the variables of one file that `status` reads, as plain values.

    Raises Failure if the file can't be read or one of these variables is not plain.
    """
    if path.suffix == ".json":
        return _load_json(path)
    if path.suffix not in HCL_SUFFIXES:
        raise Failure(f"{path} is not a .tfvars, .hcl or .tfvars.json file")
    variables = hcl.parse(read_text(path), str(path))
    return {name: hcl.plain_value(variables[name], name) for name in _VARIABLES & variables.keys()}


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file; raise Failure if it can't be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{path} can't be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8") from None
    except ValueError:  # a zero character, which no system has in a path
        raise Failure(f"{json.dumps(str(path))} can't be the path of a file") from None


def is_encodable(text: str) -> bool:
    """Return whether the text can be written: half of a surrogate pair, such as U+D800, can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _load_json(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        document = require_object(json.loads(text), str(path))
        variables = {name: document[name] for name in _VARIABLES & document.keys()}
        broken = [
            name
            for name, value in variables.items()
            if not is_encodable(json.dumps(value, ensure_ascii=False))
        ]
    except (ValueError, RecursionError):
        raise Failure(f"{path} is not valid JSON") from None
    if broken:
        raise Failure(f"{broken[0]} holds a character that Unicode does not have")
    return variables
