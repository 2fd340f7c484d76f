"""The address of the module, from Terraform's list of module calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from iot_ca.terraform.module_address import address_prefix

ROOT = Path(__file__).parents[2]
UNKNOWN = "<address of this module>."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of Terraform."""
    monkeypatch.delenv("TF_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, calls: dict[str, object]) -> None:
    """Write a list of module calls as `terraform init` does; the working folder is among them."""
    modules = [{"Key": "", "Source": "", "Dir": "."}]
    modules += [{"Key": key, "Source": "x", "Dir": str(path)} for key, path in calls.items()]
    (folder / "modules").mkdir(parents=True)
    (folder / "modules" / "modules.json").write_text(json.dumps({"Modules": modules}))


@pytest.mark.parametrize(
    ("calls", "prefix"),
    [
        ({"iot_ca": ROOT, "iot_ca.lookup": ROOT / "modules/lookup"}, "module.iot_ca."),
        ({"iot_ca": f"{ROOT}/modules/.."}, "module.iot_ca."),
        ({"fleet": "fleet", "fleet.iot_ca": ROOT}, "module.fleet.module.iot_ca."),
        ({"staging": ROOT, "production": ROOT}, UNKNOWN),
        ({"another": "another"}, UNKNOWN),
    ],
)
def test_the_only_call_of_the_module_is_its_address(
    folder: Path, calls: dict[str, object], prefix: str
) -> None:
    write(folder / ".terraform", calls)
    assert address_prefix() == prefix


def test_the_root_module_has_no_prefix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iot_ca.terraform.module_address._MODULE_FOLDER", folder)
    write(folder / ".terraform", {})
    assert address_prefix() == ""


def test_the_data_folder_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_DATA_DIR", str(folder / "data"))
    write(folder / "data", {"iot_ca": ROOT})
    assert address_prefix() == "module.iot_ca."


@pytest.mark.parametrize(
    "text", [None, "", "no JSON", "[]", "{}", '{"Modules": [{}]}', '{"Modules": [{"Dir": 1}]}']
)
def test_an_unreadable_list_gives_a_placeholder(folder: Path, text: str | None) -> None:
    if text is not None:
        (folder / ".terraform" / "modules").mkdir(parents=True)
        (folder / ".terraform" / "modules" / "modules.json").write_text(text)
    assert address_prefix() == UNKNOWN
