"""Which files of variables can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from iot_ca.errors import Failure
from iot_ca.fleet import inventory
from tests.support.status.variable_files import ONE, account, write_json


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("accounts.tf", b"", "is not a .tfvars, .hcl or .tfvars.json file"),
        ("accounts.tfvars", None, "can't be read: No such file or directory"),
        ("accounts.tfvars", b"\xff", "is not UTF-8"),
        ("accounts.json", b"{", "is not valid JSON"),
        ("accounts.json", b"[]", "must be an object"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Failure) as failed:
        inventory.read([tmp_path / name])
    assert str(failed.value) == f"{tmp_path / name} {message}"


def test_a_surrogate_pair_in_json_is_one_character(tmp_path: Path) -> None:
    """A lone surrogate in a variable that is not needed does no harm."""
    path = write_json(tmp_path, {**ONE, "accounts": {"\U0001f600": account()}, "other": "\ud800"})
    assert "\\ud83d\\ude00" in path.read_text(encoding="utf-8")
    (account_region,) = inventory.read([path]).account_regions
    assert account_region.account_name == "\U0001f600"
