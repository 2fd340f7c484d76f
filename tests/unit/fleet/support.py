"""What the unit tests of a fleet share: files of variables, and rows of a report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from iot_ca import model
from iot_ca.certificates import pem as pem_text
from iot_ca.errors import Failure
from iot_ca.fleet import inventory
from iot_ca.fleet.assessment import Report, Row
from iot_ca.fleet.inventory import ConfiguredCa
from iot_ca.model import DesiredCa, ObservedCa
from tests.unit.support import ec_key, issue, pem

NOW = datetime.now(timezone.utc)
ROOT = issue(ec_key(), end=NOW + timedelta(days=400, hours=1))
OTHER = issue(ec_key(), common_name="other")
CERTIFICATE = pem_text.read(pem(ROOT))

TAGS = {model.ORIGIN_TAG: "registered", model.OWNER_TAG: "me", model.REVISION_TAG: "register 1"}
# ROOT in AWS as `configured()` configures it.
IN_SYNC = ObservedCa("SNI_ONLY", "ACTIVE", True, tags=TAGS)


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


def configured(**more: Any) -> ConfiguredCa:
    """ROOT as a file configures it."""
    desired = DesiredCa(CERTIFICATE.pem, **more)
    return ConfiguredCa(desired, "template_name" in more, "auto_registration" in more)


def a_row(**more: Any) -> Row:
    """A row of a CA in sync, but for `more`."""
    row = Row(
        account="production",
        account_id="111111111111",
        region="eu-west-1",
        ca="root",
        certificate_id="ab" * 32,
        state="in sync",
        wrong=(),
        wanted_mode="SNI_ONLY",
        wanted_status="ACTIVE",
        not_after=NOW + timedelta(days=400, hours=1),
        days=400,
        registered=True,
        mode="SNI_ONLY",
        status="ACTIVE",
        auto_registration=True,
        template="factory",
        managed="registered",
        revision="register 1",
    )
    return replace(row, **more)


def a_report(*rows: Row, **more: Any) -> Report:
    """A report of these rows."""
    return Report(rows, NOW, **more)
