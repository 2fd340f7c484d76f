"""Which accounts, regions and CAs a file names, and what it wants of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_ca.errors import Failure
from iot_ca.fleet import inventory as fleet
from iot_ca.fleet.inventory import Fleet
from iot_ca.model import Credentials
from tests.unit.support import ec_key, issue, pem

ROOT = issue(ec_key())
OTHER = issue(ec_key(), common_name="other")
README = Path(__file__).parents[2] / "examples" / "workspaces" / "README.md"


def hcl(value: Any) -> str:
    """A value as somebody would write it in HCL."""
    if isinstance(value, dict):
        inner = "".join(f"  {hcl(str(key))} = {hcl(item)}\n" for key, item in value.items())
        return "{\n" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(hcl, value)) + "]"
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        quoted = quoted.replace("\r", "\\r").replace("\t", "\\t")
        return '"' + quoted.replace("${", "$${").replace("%{", "%%{") + '"'
    return json.dumps(value)


def write_hcl(folder: Path, variables: Mapping[str, Any], name: str = "accounts.tfvars") -> Path:
    """A file of variables in HCL, beside the certificate of ROOT."""
    (folder / "root-ca.pem").write_text(pem(ROOT), encoding="utf-8")
    (folder / "other-ca.pem").write_text(pem(OTHER), encoding="utf-8")
    path = folder / name
    text = "".join(f"{key} = {hcl(value)}\n" for key, value in variables.items())
    path.write_text(text, encoding="utf-8")
    return path


def write_json(folder: Path, variables: Mapping[str, Any]) -> Path:
    """The same as JSON."""
    write_hcl(folder, {})
    path = folder / "accounts.tfvars.json"
    path.write_text(json.dumps(variables), encoding="utf-8")
    return path


def account(**more: Any) -> dict[str, Any]:
    """An account with what it needs, and more."""
    return {"account_id": "111111111111", "region": "eu-west-1", **more}


def one(folder: Path, **more: Any) -> Fleet:
    """The fleet of one account."""
    variables = {"accounts": {"one": account(**more)}, "certificate_file": "root-ca.pem"}
    return fleet.read([write_json(folder, variables)])


def facts(found: Fleet) -> list[Any]:
    """Everything in a fleet, to be compared."""
    return [
        sorted((name, each.certificate_id) for name, each in found.certificates.items()),
        [(place.account, place.target, dict(place.wanted)) for place in found.places],
    ]


def said(variables: Mapping[str, Any], folder: Path, **more: Any) -> str:
    """What is said of variables that can't be used."""
    with pytest.raises(Failure) as failed:
        fleet.read([write_json(folder, variables)], **more)
    return str(failed.value)


def test_the_file_of_the_example_is_read_as_its_readme_has_it(tmp_path: Path) -> None:
    (block,) = re.findall(r"```hcl\n# terraform.tfvars\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "ca.pem").write_text(pem(ROOT))
    (tmp_path / "terraform.tfvars").write_text(block)

    found = fleet.read(
        [tmp_path / "terraform.tfvars"], [f"factory={tmp_path / 'ca.pem'}"], ["eu-west-1"]
    )

    targets = {place.account: place.target for place in found.places}
    assert {name: (each.account_id, each.region) for name, each in targets.items()} == {
        "production": ("111111111111", "eu-west-1"),
        "staging": ("222222222222", "eu-west-1"),
        "development": ("333333333333", "eu-central-1"),
    }
    assert targets["production"].credentials == Credentials(
        role_arn="arn:aws:iam::111111111111:role/terraform"
    )
    assert targets["staging"].credentials == Credentials(profile="iot-staging")
    modes = {
        place.account: place.wanted["factory"].authority.certificate_mode for place in found.places
    }
    assert modes == {"production": "DEFAULT", "staging": "SNI_ONLY", "development": "SNI_ONLY"}


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
regions = st.sampled_from(["eu-west-1", "us-east-1", "us-gov-west-1", "ap-southeast-2"])
overrides = st.fixed_dictionaries(
    {},
    optional={
        "certificate_mode": st.sampled_from(["SNI_ONLY", "DEFAULT", None]),
        "status": st.sampled_from(["ACTIVE", "INACTIVE"]),
        "auto_registration": st.booleans(),
        "template_name": texts,
    },
)
accounts = st.dictionaries(
    texts.filter(bool),
    st.builds(
        lambda digits, where, more, mine: {"account_id": digits, "regions": where, **more, **mine},
        st.from_regex(r"[0-9]{12}", fullmatch=True).filter(str.isascii),
        st.one_of(
            st.lists(regions, min_size=1, unique=True),
            st.dictionaries(regions, overrides, min_size=1),
        ),
        st.fixed_dictionaries({}, optional={"profile": texts, "role_arn": texts, "team": texts}),
        overrides,
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=25)
@given(accounts)
def test_hcl_and_json_mean_the_same(
    tmp_path_factory: pytest.TempPathFactory, named: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("fleet")
    variables = {"accounts": named, "certificate_file": "root-ca.pem"}

    from_hcl = fleet.read([write_hcl(folder, variables)])

    assert facts(from_hcl) == facts(fleet.read([write_json(folder, variables)]))
    assert [place.account for place in from_hcl.places] == [
        name for name, each in named.items() for _ in each["regions"]
    ]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])).filter(bool))
def test_a_string_comes_out_as_it_was_meant(text: str) -> None:
    written = "".join(
        rf"\U{ord(character):08x}" if not character.isprintable() else character
        for character in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    written = written.replace("${", "$${").replace("%{", "%%{")
    document = fleet.parse_hcl(f'accounts = "{written}"\n', "it")
    assert fleet._plain(document["accounts"], "accounts") == text


def test_other_ways_to_write_hcl(tmp_path: Path) -> None:
    (tmp_path / "root.tfvars").write_text(
        "\ufeff# the accounts\r\n"
        "accounts = {\r\n"
        '  "a-b" : { account_id : 111111111111, region = "eu-west-1", }, // a number\r\n'
        "  c = {\r\n"
        '    account_id = "\\u0032\\U0000003222222222\\u0032\\u0032"\r\n'
        "    region = null\r\n"
        '    regions = ["us-east-1",\r\n "eu-west-1",]\r\n'
        "    /* not the program's */ tags = { owner = null }\r\n"
        "  }\r\n"
        "}\r\n"
        "certificate_authorities = {\r\n  root = { certificate_pem = <<-EOT\r\n"
        + "".join(f"      {line}\r\n" for line in pem(ROOT).splitlines())
        + "    EOT\r\n  }\r\n}\r\n"
        "elsewhere = [for each in whatever : upper(each)]\r\n",
        newline="",
    )
    found = fleet.read([tmp_path / "root.tfvars"])
    assert [(place.account, place.target.account_id) for place in found.places] == [
        ("a-b", "111111111111"),
        ("c", "222222222222"),
        ("c", "222222222222"),
    ]
    assert list(found.certificates) == ["root"]


@pytest.mark.parametrize("place", ["inputs = {{\n{}\n}}\n", "locals {{\n{}\n}}\n"])
def test_the_files_of_terragrunt(tmp_path: Path, place: str) -> None:
    write_hcl(tmp_path, {})
    inner = f'accounts = {hcl({"one": account()})}\ncertificate_file = "root-ca.pem"'
    (tmp_path / "terragrunt.hcl").write_text(place.format(inner))
    assert len(fleet.read([tmp_path / "terragrunt.hcl"]).places) == 1


def test_of_several_files_the_last_one_counts(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    first = write_hcl(tmp_path, {"accounts": {"one": account()}, "certificate_file": "root-ca.pem"})
    second = write_hcl(tmp_path / "more", {"accounts": {"two": account()}})
    found = fleet.read([first, second])
    assert [place.account for place in found.places] == ["two"]
    assert list(found.certificates) == ["root-ca"]


def test_what_is_not_said_is_wanted_as_the_module_has_it(tmp_path: Path) -> None:
    (place,) = one(tmp_path).places
    wanted = place.wanted["root-ca"]
    authority = wanted.authority
    assert (authority.certificate_mode, authority.status) == ("SNI_ONLY", "ACTIVE")
    assert authority.auto_registration
    assert not wanted.template_matters


def test_the_nearest_word_counts(tmp_path: Path) -> None:
    """The CA's own settings, then the account's, then the region's, then those of a CA there."""
    variables = {
        "certificate_authorities": {
            "root": {"certificate_file": "root-ca.pem", "status": "INACTIVE"},
            "other": {
                "certificate_file": "other-ca.pem",
                "provisioning": {"type": "JITP"},
                "auto_registration": "false",
            },
        },
        "accounts": {
            "one": {
                "account_id": "111111111111",
                "certificate_mode": "DEFAULT",
                "regions": {
                    "eu-west-1": {},
                    "us-east-1": {
                        "certificate_mode": "SNI_ONLY",
                        "certificate_authorities": {"other": {"template_name": "mine"}},
                    },
                },
            },
            "two": account(certificate_authorities=["root"], status="ACTIVE"),
        },
    }
    found = fleet.read([write_json(tmp_path, variables)])
    seen = {
        (place.account, place.target.region, ca): (
            wanted.authority.certificate_mode,
            wanted.authority.status,
            wanted.authority.auto_registration,
            wanted.authority.template_name,
            wanted.template_matters,
        )
        for place in found.places
        for ca, wanted in place.wanted.items()
    }
    assert seen == {
        ("one", "eu-west-1", "root"): ("DEFAULT", "INACTIVE", True, None, False),
        ("one", "eu-west-1", "other"): ("DEFAULT", "ACTIVE", False, "other", True),
        ("one", "us-east-1", "other"): ("SNI_ONLY", "ACTIVE", False, "mine", True),
        ("two", "eu-west-1", "root"): ("SNI_ONLY", "ACTIVE", True, None, False),
    }


def test_an_empty_template_name_says_that_there_must_be_none(tmp_path: Path) -> None:
    (place,) = one(tmp_path, template_name="").places
    assert place.wanted["root-ca"].template_matters
    assert place.wanted["root-ca"].authority.template_name is None


def test_cas_that_are_given_take_the_place_of_those_in_the_file(tmp_path: Path) -> None:
    variables = {
        "certificate_authorities": {
            "root": {"certificate_file": "gone.pem", "status": "INACTIVE"},
        },
        "accounts": {"one": account(certificate_authorities=["root", "retired"])},
    }
    path = write_json(tmp_path, variables)
    found = fleet.read([path], [f"root={tmp_path / 'root-ca.pem'}"])
    assert found.places[0].wanted["root"].authority.status == "INACTIVE"


def test_a_ca_that_two_accounts_of_a_region_want_in_default_mode_is_noted(tmp_path: Path) -> None:
    default = {"certificate_mode": "DEFAULT"}
    variables = {
        "certificate_file": "root-ca.pem",
        "accounts": {
            "one": account(**default),
            "two": account(account_id="2" * 12, **default),
            "three": account(account_id="3" * 12, **default, region="us-east-1"),
        },
    }
    (note,) = fleet.contradictions(fleet.read([write_json(tmp_path, variables)]))
    assert note.startswith("one, two all want root-ca in DEFAULT mode in eu-west-1")


ONE = {"accounts": {"one": account()}, "certificate_file": "root-ca.pem"}


@pytest.mark.parametrize(
    ("key", "meant"),
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
def test_a_misspelled_setting_is_refused_wherever_it_stands(
    tmp_path: Path, key: str, meant: str
) -> None:
    typo = {key: "x"}
    ca = {"certificate_file": "root-ca.pem"}
    there = {"account_id": "1" * 12, "regions": {"eu-west-1": typo}}
    own = account(certificate_authorities={"root": typo})
    fleets: dict[str, dict[str, Any]] = {
        'accounts["one"]': {"accounts": {"one": account(**typo)}},
        'accounts["one"].regions["eu-west-1"]': {"accounts": {"one": there}},
        'accounts["one"].certificate_authorities["root"]': {"accounts": {"one": own}},
        'certificate_authorities["root"]': {
            "certificate_authorities": {"root": {**ca, **typo}},
        },
        'regions["eu-west-1"]': {"regions": {"eu-west-1": typo}},
    }
    for where, change in fleets.items():
        told = said({"certificate_authorities": {"root": ca}, **ONE, **change}, tmp_path)
        shown = json.dumps(key) if "-" in key else key
        assert told == (
            f"{where} has {shown}, which is no setting; did you mean {meant}? "
            "If it is your own, rename it"
        )


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (
            {"rolearn": "x"},
            'accounts["one"] has rolearn, which is no setting; did you mean role_arn?',
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
def test_so_are_those_of_one_place_alone(tmp_path: Path, more: dict[str, Any], wanted: str) -> None:
    told = said({**ONE, "accounts": {"one": account(**more)}}, tmp_path)
    assert wanted in told
    assert len(told.splitlines()) == 1


def test_a_misspelled_setting_is_told_before_what_it_leads_to(tmp_path: Path) -> None:
    change = {"certificate_authorities": {"root": {"certificate_fil": "root-ca.pem"}}}
    assert "did you mean certificate_file?" in said({**ONE, **change}, tmp_path)


def test_what_is_the_users_own_is_noted_once_and_left_alone(tmp_path: Path) -> None:
    """Also names that share a word with a setting, and a setting that does nothing where it is."""
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
    found = fleet.read([write_json(tmp_path, variables)])
    assert found.unread == (*(f"{key} (account)" for key in own), "profile (region)")
    (note,) = fleet.notes(found)
    assert note.endswith(": " + ", ".join(found.unread))
    assert fleet.notes(fleet.read([write_json(tmp_path, ONE)])) == []


def test_the_settings_are_those_of_the_root_module() -> None:
    """What a plan knows is neither noted nor taken for a misspelling."""
    text = (README.parents[2] / "variables.tf").read_text(encoding="utf-8")
    (attributes,) = re.findall(r"^  type = map\(object\(\{\n(.*?)^  \}\)\)$", text, re.M | re.S)
    (inner,) = re.findall(r"^    provisioning = .*?\n(.*?)^    \}", attributes, re.M | re.S)
    ours = {"certificate_file", "template_name"}
    assert fleet.SETTINGS["CA"] == ours | set(re.findall(r"^    (\w+) ", attributes, re.M))
    assert fleet.SETTINGS["provisioning"] == set(re.findall(r"^      (\w+) ", inner, re.M))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"accounts": None}, "the file names no accounts"),
        ({"accounts": []}, "accounts must be an object"),
        ({"accounts": {"one": "x"}}, 'accounts["one"] must be an object'),
        ({"accounts": {"one": account(account_id="1")}}, "must be twelve digits"),
        ({"accounts": {"one": account(account_id="\u0661" * 12)}}, "must be twelve digits"),
        ({"accounts": {"one": account(account_id=True)}}, "account_id must be a string"),
        ({"accounts": {"one": {"account_id": "1" * 12}}}, "has no region"),
        ({"accounts": {"one": account(regions=["us-east-1"])}}, "both region and regions"),
        ({"accounts": {"one": {"account_id": "1" * 12, "regions": []}}}, "a list of names or"),
        ({"accounts": {"one": {"account_id": "1" * 12, "regions": [1]}}}, "a list of names or"),
        ({"accounts": {"one": account(region="eu west")}}, "is no AWS region"),
        ({"accounts": {"one": account(region="x.evil.example/")}}, "is no AWS region"),
        ({"accounts": {"one": account(certificate_mode="sni")}}, '"SNI_ONLY" or "DEFAULT"'),
        ({"accounts": {"one": account(status=["ACTIVE"])}}, '"ACTIVE" or "INACTIVE"'),
        ({"accounts": {"one": account(auto_registration="no")}}, "must be true or false"),
        ({"accounts": {"one": account(auto_registration=[])}}, "must be true or false"),
        ({"accounts": {"one": account(certificate_authorities=["x"])}}, "names the CA x"),
        ({"certificate_file": None}, "no CA is named; give --ca NAME=FILE.pem"),
        ({"certificate_file": "none.pem"}, "none.pem can't be read: No such file"),
        ({"certificate_file": "\0"}, "\\u0000\" can't be the path of a file"),
        ({"certificate_file": "a" * 300}, "a can't be read: File name too long"),
        ({"accounts": {"\ud800": account()}}, "accounts holds a character that Unicode does not"),
        ({"accounts": {"one": account(template_name="\udfff")}}, "accounts holds a character"),
        ({"certificate_file": "\ud800.pem"}, "certificate_file holds a character that Unicode"),
        ({"certificate_authorities": {"a": {}}}, "either certificate_file or certificate_pem"),
        (
            {"certificate_authorities": {n: {"certificate_file": "root-ca.pem"} for n in "ab"}},
            "a and b are the same certificate",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, change: dict[str, Any], wanted: str
) -> None:
    told = said({**ONE, **change}, tmp_path)
    assert wanted in told
    assert len(told.splitlines()) == 1


def test_a_character_in_two_halves_is_one_and_what_is_not_needed_is_left_alone(
    tmp_path: Path,
) -> None:
    path = write_json(tmp_path, {**ONE, "accounts": {"\U0001f600": account()}, "other": "\ud800"})
    assert "\\ud83d\\ude00" in path.read_text(encoding="utf-8")
    assert [place.account for place in fleet.read([path]).places] == ["\U0001f600"]


def test_a_name_on_the_command_line_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """Python has the bytes of such arguments as halves of surrogate pairs."""
    told = said(ONE, tmp_path, cas=[f"\udcff={tmp_path / 'root-ca.pem'}"])
    assert told == "--ca has a name that is not UTF-8"


@pytest.mark.parametrize("ca", ["root", "=x.pem", "root=", ""])
def test_a_ca_is_given_by_name_and_file(tmp_path: Path, ca: str) -> None:
    assert said(ONE, tmp_path, cas=[ca]).startswith("--ca takes NAME=FILE")


def test_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    told = said({**ONE, "certificate_authorities": {"root": {"certificate_pem": secret}}}, tmp_path)
    assert told.startswith("CA root: certificate_pem holds a private key")
    assert "c2VjcmV0" not in told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("accounts = {\n  a = \n}\n", "is not valid HCL at line 2"),
        ("accounts = {", "is not valid HCL at "),
        ("accounts = var.accounts\n", "accounts holds an expression"),
        ('accounts = { one = { account_id = "${var.id}" } }\n', "accounts holds an expression"),
        ('accounts = { one = { account_id = "%{if true}%{endif}" } }\n', "holds an expression"),
        ("accounts = { (key) = {} }\n", "accounts holds an expression"),
        ('accounts = { one = "\\q" }\n', "holds an escape that HCL does not have"),
        ('accounts = { one = "\\U99999999" }\n', "a character that Unicode does not have"),
        ('accounts = { "\\ud800" = {} }\n', "accounts holds a character that Unicode does not"),
    ],
)
def test_only_values_are_read_from_hcl(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "accounts.tfvars"
    path.write_text(text)
    with pytest.raises(Failure) as failed:
        fleet.read([path])
    assert wanted in str(failed.value)
    assert len(str(failed.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("accounts.tf", b"", "is no .tfvars, .hcl or .tfvars.json file"),
        ("accounts.tfvars", None, "can't be read: No such file or directory"),
        ("accounts.tfvars", b"\xff", "is not UTF-8"),
        ("accounts.json", b"{", "is not valid JSON"),
        ("accounts.json", b"[]", "must be an object"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, wanted: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Failure) as failed:
        fleet.read([tmp_path / name])
    assert str(failed.value) == f"{tmp_path / name} {wanted}"


def test_the_certificate_is_a_certificate(tmp_path: Path) -> None:
    write_json(tmp_path, {})
    (tmp_path / "junk.pem").write_text("junk")
    assert said({**ONE, "certificate_file": "junk.pem"}, tmp_path).startswith("CA junk: ")
    assert x509.load_pem_x509_certificate((tmp_path / "root-ca.pem").read_bytes()) == ROOT
