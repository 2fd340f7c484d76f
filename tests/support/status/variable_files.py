"""Files of variables, as the users of `status` write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import inventory
from tests.support.certificates import NOW, ec_key, issue, pem

ROOT = issue(ec_key(), end=NOW + timedelta(days=400, hours=1))
OTHER = issue(ec_key(), common_name="other")


def hcl_literal(value: Any) -> str:
    """A value as a person would write it in HCL."""
    if isinstance(value, dict):
        inner = "".join(
            f"  {hcl_literal(str(key))} = {hcl_literal(item)}\n" for key, item in value.items()
        )
        return "{\n" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(hcl_literal, value)) + "]"
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        quoted = quoted.replace("\r", "\\r").replace("\t", "\\t")
        return '"' + quoted.replace("${", "$${").replace("%{", "%%{") + '"'
    return json.dumps(value)


def write_hcl(folder: Path, variables: Mapping[str, Any], name: str = "accounts.tfvars") -> Path:
    """Write a file of variables in HCL, and root-ca.pem and other-ca.pem next to it."""
    (folder / "root-ca.pem").write_text(pem(ROOT), encoding="utf-8")
    (folder / "other-ca.pem").write_text(pem(OTHER), encoding="utf-8")
    path = folder / name
    text = "".join(f"{key} = {hcl_literal(value)}\n" for key, value in variables.items())
    path.write_text(text, encoding="utf-8")
    return path


def write_json(folder: Path, variables: Mapping[str, Any]) -> Path:
    """Write the same as JSON."""
    write_hcl(folder, {})
    path = folder / "accounts.tfvars.json"
    path.write_text(json.dumps(variables), encoding="utf-8")
    return path


def account(**more: Any) -> dict[str, Any]:
    """An account with the settings that it needs, and more."""
    return {"account_id": "111111111111", "region": "eu-west-1", **more}


# The variables of one account with one CA.
ONE = {"accounts": {"one": account()}, "certificate_file": "root-ca.pem"}


def failure_text(variables: Mapping[str, Any], folder: Path, **more: Any) -> str:
    """The message about variables that can't be used."""
    with pytest.raises(Failure) as failed:
        inventory.read([write_json(folder, variables)], **more)
    return str(failed.value)
