"""Which attributes are settings, which are misspelled ones, and which are the user's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from iot_ca.fleet import inventory
from iot_ca.fleet.settings import SETTINGS
from tests.support.status.variable_files import ONE, account, failure_text, write_json
from tools.checkout import ROOT as REPOSITORY


@pytest.mark.parametrize(
    ("key", "setting"),
    [
        ("template_nam", "template_name"),
        ("template_nmae", "template_name"),
        ("statuss", "status"),
        ("Status", "status"),
        ("certifcate_mode", "certificate_mode"),
        ("certificateMode", "certificate_mode"),
        ("certificate-mode", "certificate_mode"),
        ("autoregistration", "auto_registration"),
        ("provisionning", "provisioning"),
    ],
)
def test_a_misspelled_setting_is_refused_in_every_layer(
    tmp_path: Path, key: str, setting: str
) -> None:
    typo = {key: "x"}
    ca = {"certificate_file": "root-ca.pem"}
    in_region = {"account_id": "1" * 12, "regions": {"eu-west-1": typo}}
    own = account(certificate_authorities={"root": typo})
    fleets: dict[str, dict[str, Any]] = {
        'accounts["one"]': {"accounts": {"one": account(**typo)}},
        'accounts["one"].regions["eu-west-1"]': {"accounts": {"one": in_region}},
        'accounts["one"].certificate_authorities["root"]': {"accounts": {"one": own}},
        'certificate_authorities["root"]': {
            "certificate_authorities": {"root": {**ca, **typo}},
        },
        'regions["eu-west-1"]': {"regions": {"eu-west-1": typo}},
    }
    for path, change in fleets.items():
        variables = {"certificate_authorities": {"root": ca}, **ONE, **change}
        shown = json.dumps(key) if "-" in key else key
        assert failure_text(variables, tmp_path) == (
            f"{path} has {shown}, which is not a setting; did you mean {setting}? "
            "If it is your own, rename it"
        )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"rolearn": "x"},
            'accounts["one"] has rolearn, which is not a setting; did you mean role_arn?',
        ),
        ({"profil": "x"}, "did you mean profile?"),
        ({"acount_id": "1" * 12}, "did you mean account_id?"),
        (
            {"provisioning": {"type": "JITP", "template_nam": "x"}},
            'accounts["one"].provisioning has template_nam,',
        ),
        ({"Tags\n": {}}, '["one"] has "Tags\\n", which'),
    ],
)
def test_a_misspelled_setting_of_one_kind_of_layer_is_refused(
    tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    text = failure_text({**ONE, "accounts": {"one": account(**more)}}, tmp_path)
    assert message in text
    assert len(text.splitlines()) == 1


def test_a_misspelling_is_reported_before_its_consequence(tmp_path: Path) -> None:
    change = {"certificate_authorities": {"root": {"certificate_fil": "root-ca.pem"}}}
    assert "did you mean certificate_file?" in failure_text({**ONE, **change}, tmp_path)


def test_attributes_of_the_user_are_ignored_and_noted_once(tmp_path: Path) -> None:
    """Also names that share a word with a setting, and a setting without effect in its layer."""
    own = {
        "team": "x",
        "certificate_id": "x",
        "certificate_file": "x",
        "region_id": 1,
        "state": "x",
    }
    variables = {
        "certificate_file": "root-ca.pem",
        "statuss": "a variable of the user's own",
        "accounts": {
            "one": account(**own),
            "two": {
                "account_id": "2" * 12,
                "team": "y",
                "regions": {"eu-west-1": {"profile": "x"}},
            },
        },
    }
    fleet = inventory.read([write_json(tmp_path, variables)])
    assert fleet.unknown_attributes == (*(f"{key} (account)" for key in own), "profile (region)")
    (note,) = inventory.notes(fleet)
    assert note.endswith(": " + ", ".join(fleet.unknown_attributes))
    assert inventory.notes(inventory.read([write_json(tmp_path, ONE)])) == []


def test_the_settings_are_those_of_the_root_module() -> None:
    """An attribute that a plan reads is neither noted nor taken for a misspelling."""
    text = (REPOSITORY / "variables.tf").read_text(encoding="utf-8")
    (attributes,) = re.findall(r"^  type = map\(object\(\{\n(.*?)^  \}\)\)$", text, re.M | re.S)
    (inner,) = re.findall(r"^    provisioning = .*?\n(.*?)^    \}", attributes, re.M | re.S)
    only_status = {"certificate_file", "template_name"}
    assert SETTINGS["CA"] == only_status | set(re.findall(r"^    (\w+) ", attributes, re.M))
    assert SETTINGS["provisioning"] == set(re.findall(r"^      (\w+) ", inner, re.M))
