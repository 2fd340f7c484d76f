"""The modules and the program mean the same by the same names, in both directions."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_args

import pytest

from iot_ca.model import (
    CertificateMode,
    Credentials,
    DeregisterRequest,
    DesiredCa,
    OnDestroy,
    RegisterRequest,
    Status,
    Target,
    Verification,
)
from iot_ca.terraform import protocol
from iot_ca.terraform.protocol import InspectRequest, Result
from tests.support.hcl import blocks, output_attributes, read, text, variable_type
from tools.checkout import ROOT, copy_configuration
from tools.docs.types import Type
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

CAS = "certificate_authorities"
ROOT_CAS = variable_type(".", CAS)
LOOKUP_CAS = variable_type("modules/lookup", CAS)
REGISTRATION_CAS = variable_type("modules/registration", CAS)
PROVISIONING = ROOT_CAS.attribute("provisioning").type
# What the registration takes from the lookup, and for destroy alone.
ANSWERED = {"request", "certificate_id", "certificate_digest", "revision", "differences"}
FOR_DESTROY = {"template_name", "on_destroy", "force_destroy"}
# What modules/lookup adds to the request: the lookup does not know it.
DEFAULT_TAGS = {"default_tags", "default_tags_digest"}


def attributes(kind: type) -> set[str]:
    """The fields of a dataclass."""
    return {field.name for field in fields(kind)}


def provisioning_settings(kind: str) -> set[str]:
    """The attributes of `provisioning` that modules/KIND takes."""
    return PROVISIONING.names & set(blocks(f"modules/{kind}", "variable"))


def literal(value: object) -> str:
    """A default as it is written in Terraform."""
    return json.dumps(value)


def test_the_lookup_sends_the_query_that_the_program_reads() -> None:
    data = read("modules/lookup")["data"]
    lookups = {
        name: lookup["query"]
        for block in data
        for name, lookup in block.get("external", {}).items()
    }
    targets = {
        CAS: "${jsonencode(local.target)}",
        f"{CAS}_of_region": "${jsonencode({region = var.region, credentials = var.credentials})}",
    }
    assert set(lookups) == set(targets)
    for name, query in lookups.items():
        assert set(query) == attributes(InspectRequest)
        assert query[CAS] == f"${{jsonencode(var.{CAS})}}"
        assert query["target"] == targets[name]


def test_the_target_is_the_programs_target() -> None:
    assert _keys("modules/lookup", "target") == attributes(Target)
    assert variable_type("modules/registration", "target").names == attributes(Target)


@pytest.mark.parametrize(
    ("credentials", "where"),
    [
        (variable_type(".", "credentials"), "root"),
        (variable_type("modules/lookup", "credentials"), "lookup"),
        (
            variable_type("modules/registration", "target").attribute("credentials").type,
            "registration",
        ),
    ],
)
def test_credentials_are_the_programs_credentials(credentials: Type, where: str) -> None:
    assert credentials.names == attributes(Credentials), where
    assert all(attribute.optional for _, attribute in credentials.attributes)


def test_the_lookup_takes_the_attributes_that_the_program_takes() -> None:
    assert LOOKUP_CAS.names == attributes(DesiredCa) - DEFAULT_TAGS


def test_the_registration_forwards_only_the_request() -> None:
    assert REGISTRATION_CAS.names == ANSWERED | FOR_DESTROY
    # Of the request to deregister; the request to register is the lookup's.
    assert attributes(DeregisterRequest) >= FOR_DESTROY
    for name in REGISTRATION_CAS.names & LOOKUP_CAS.names:
        assert REGISTRATION_CAS.attribute(name) == LOOKUP_CAS.attribute(name), name


def test_the_registration_gets_each_answer_of_the_lookup() -> None:
    cas = _call("registration")[CAS].partition("=> {")[2]
    given = dict(re.findall(r"(?:^|, )(\w+) = ([^,}]+)", cas))
    assert set(given) == REGISTRATION_CAS.names
    for name in ANSWERED - {"certificate_digest"}:
        assert given[name] == f"module.lookup.{CAS}[name].{name}"
    # By way of the guard, which must have passed before.
    assert given["certificate_digest"] == "module.identity.certificate_digests[name]"
    for name in FOR_DESTROY - {"template_name"}:
        assert given[name] == f"ca.{name}"


def test_the_root_module_means_the_same_by_the_same_names() -> None:
    shared = ROOT_CAS.names & LOOKUP_CAS.names
    assert LOOKUP_CAS.names - shared == {"template_name"}
    # The root module's default depends on the type of provisioning, which the lookup does not know.
    for name in shared - {"auto_registration"}:
        assert ROOT_CAS.attribute(name) == LOOKUP_CAS.attribute(name), name
    # What the program has no business with, and where it goes.
    assert ROOT_CAS.names - shared == {"provisioning", "on_destroy", "force_destroy"}
    for name in ("on_destroy", "force_destroy"):
        assert ROOT_CAS.attribute(name) == REGISTRATION_CAS.attribute(name), name


def test_dangerous_settings_are_off_by_default() -> None:
    for name in ("allow_mode_change", "force_mode_change", "force_destroy"):
        assert ROOT_CAS.attribute(name).default == "false"


def test_the_root_module_passes_each_setting_to_the_lookup() -> None:
    """As it is, but for three attributes that the root module computes.

    None of them depends on the provider: the lookup would wait for it.
    """
    given, desired = (
        re.sub(r"\s+", " ", block[name])
        for name in (CAS, f"desired_{CAS}")
        for block in read(".")["locals"]
        if name in block
    )
    assert given == (
        f"${{{{for name, ca in nonsensitive(sensitive(var.{CAS})) : name => merge(ca, "
        '{auto_registration = coalesce(ca.auto_registration, ca.provisioning.type != "NONE"), '
        "tags = merge(var.tags, ca.tags)})}}"
    )
    assert desired == (
        f"${{{{for name, ca in local.{CAS} : name => merge(ca, "
        "{template_name = local.template_names[name]})}}"
    )
    assert _call("lookup")[CAS] == "${local.desired_certificate_authorities}"


def test_the_rule_of_verification_names_each_proof() -> None:
    (rule,) = re.findall(
        r'error_message = "verification takes exactly one of (.*)\."',
        (ROOT / "variables.tf").read_text(encoding="utf-8"),
    )
    proofs = attributes(Verification) - {"ca_private_key_passphrase_env"}
    assert set(re.split(", | and ", rule)) == proofs


@pytest.mark.parametrize("kind", [ROOT_CAS, LOOKUP_CAS])
def test_verification_is_the_programs_verification(kind: Type) -> None:
    verification = kind.attribute("verification")
    assert verification.type.names == attributes(Verification)
    assert verification.optional
    for name in verification.type.names:
        attribute = kind.attribute("verification", name)
        assert (attribute.type.name, attribute.optional, attribute.default) == (
            "string",
            True,
            None,
        ), name


@pytest.mark.parametrize(
    "field",
    [field for field in fields(DesiredCa) if field.name not in DEFAULT_TAGS],
    ids=lambda field: field.name,
)
def test_the_defaults_are_the_same_in_terraform_and_in_the_program(field: Any) -> None:
    attribute = LOOKUP_CAS.attribute(field.name)
    default = field.default if field.default is not MISSING else field.default_factory
    if default is MISSING:
        assert not attribute.optional
        return
    value = default() if default is field.default_factory else default
    assert attribute.optional
    assert attribute.default == (None if value is None else literal(value))


@pytest.mark.parametrize(
    ("attribute", "choices"),
    [("certificate_mode", CertificateMode), ("status", Status), ("on_destroy", OnDestroy)],
)
def test_the_choices_are_the_same_in_terraform_and_in_the_program(
    attribute: str, choices: Any
) -> None:
    matches = re.findall(rf"contains\(\[([^\]]*)\], (?:coalesce\()?ca\.{attribute}\b", text("."))
    assert [set(json.loads(f"[{choice}]")) for choice in matches] == [set(get_args(choices))]


@pytest.mark.parametrize("kind", ["jitp", "jitr"])
def test_the_settings_of_provisioning_are_those_of_its_modules(kind: str) -> None:
    folder = f"modules/{kind}"
    for name in provisioning_settings(kind):
        attribute = PROVISIONING.attribute(name)
        assert attribute.type == variable_type(folder, name), name
        # What is left out is null, and what null means is for the module to say.
        assert (attribute.optional, attribute.default) == (True, None), name
    assert set(blocks(folder, "variable")) == set(_call(kind))


def test_each_setting_of_provisioning_is_taken_by_a_module() -> None:
    jitp, jitr = (provisioning_settings(kind) for kind in ("jitp", "jitr"))
    assert PROVISIONING.names == {"type"} | jitp | jitr
    assert jitp & jitr == {"device_policy", "permissions_boundary_arn"}


@pytest.mark.parametrize("kind", ["jitp", "jitr"])
def test_a_provisioning_module_gets_the_settings_unchanged(kind: str) -> None:
    call = _call(kind)
    assert set(call) == set(blocks(f"modules/{kind}", "variable"))
    for name in provisioning_settings(kind) - {"template_name"}:
        value = rf"\${{(each\.value|local\.{CAS}\[each\.value])\.provisioning\.{name}}}"
        assert re.fullmatch(value, call[name]), name


@pytest.mark.parametrize(("kind", "other"), [("JITP", "JITR"), ("JITR", "JITP")])
def test_a_setting_of_one_type_is_refused_with_any_other(kind: str, other: str) -> None:
    only = provisioning_settings(kind.lower()) - provisioning_settings(other.lower())
    said = re.findall(rf'"Only {kind} has (\w[\w, ]+)\."', text("."))
    assert [set(re.split(", | and ", names)) for names in said] == [only]
    rule = re.findall(
        rf'type == "{kind}" \|\| alltrue.*?if (!?)contains\(\[(.*?)], key', text("."), re.DOTALL
    )
    assert len(rule) == 1
    ((negated, names),) = rule
    listed = set(json.loads(f"[{names}]"))
    assert (PROVISIONING.names - listed if negated else listed) == only


def test_a_setting_of_jitr_that_is_null_is_as_if_left_out(engine: Engine, tmp_path: Path) -> None:
    """With the variables of modules/jitr alone, which say what the default is."""
    folder = tmp_path / "jitr"
    folder.mkdir()
    shutil.copy2(ROOT / "modules" / "jitr" / "variables.tf", folder)
    settings = sorted(provisioning_settings("jitr"))
    echo = "\n".join(f"    {name} = var.{name}" for name in settings)
    (folder / "outputs.tf").write_text(f'output "settings" {{\n  value = {{\n{echo}\n  }}\n}}\n')
    needed = [
        name for name, block in blocks("modules/jitr", "variable").items() if "default" not in block
    ]
    terraform = Terraform(tmp_path, engine, environment(None))
    for call, given in {"left_out": [], "null": settings}.items():
        arguments = [*(f'{name} = "x"' for name in needed), *(f"{name} = null" for name in given)]
        lines = ['source = "./jitr"', *arguments]
        block = "\n".join(
            [
                f'module "{call}" {{',
                *lines,
                "}",
                f'output "{call}" {{',
                f"value = module.{call}.settings",
                "}",
            ]
        )
        terraform.write(block, f"{call}.tf")
    terraform.init()
    terraform.apply()
    outputs = terraform.output()
    assert outputs["null"] == outputs["left_out"]
    assert outputs["null"]["on_refusal"] == "INACTIVE"
    assert outputs["null"]["subject_attributes"] == {"serial_number": "SerialNumber"}


@pytest.mark.parametrize("kind", ["jitp", "jitr"])
def test_provisioning_resources_come_from_the_lookups_answer(kind: str) -> None:
    call = _call(kind)
    for name in ("certificate_id", "certificate_arn", "certificate_mode"):
        assert re.fullmatch(rf"\${{module\.lookup\.{CAS}\[each\.\w+]\.{name}}}", call[name])


def test_a_ca_is_registered_after_the_function_for_its_events() -> None:
    (call,) = [block["registration"] for block in read(".")["module"] if "registration" in block]
    assert call["depends_on"] == ["${module.jitr}"]


def test_terraform_reads_exactly_the_attributes_of_an_answer() -> None:
    results = attributes(Result)
    looked_up = re.findall(rf"module\.lookup\.{CAS}\[[\w.]+\]\.(\w+)", text("."))
    checked = re.findall(r"\bca\.(\w+)", " ".join(map(str, read("modules/lookup")["check"])))
    locals_ = " ".join(map(str, read("modules/lookup")["locals"]))
    # `default_tags.tf` makes of these what the others see.
    compared = {"is_reconciled", *DEFAULT_TAGS}
    assert set(re.findall(r"\banswer\.(\w+)", locals_)) >= compared
    assert set(looked_up) | set(checked) == results - compared
    described = set(re.findall(r"`(\w+)`", blocks("modules/lookup", "output")[CAS]["description"]))
    assert described == results - compared


def test_the_output_has_the_attributes_of_the_design() -> None:
    described = blocks(".", "output")[CAS]["description"]
    written = output_attributes(CAS)
    assert written == {
        *("certificate_id", "certificate_arn", "certificate_mode", "status"),
        *("auto_registration_status", "not_before", "not_after"),
        *("provisioning_template_name", "provisioning_template_arn"),
    }
    assert written <= set(re.findall(r"`(\w+)`", described))


def test_the_output_of_jitr_is_named_as_that_of_its_module() -> None:
    written = output_attributes("jitr")
    assert written
    assert written <= set(blocks("modules/jitr", "output"))
    for name in written:
        assert re.search(rf"^      {name} += jitr\.{name}$", text("."), re.MULTILINE), name
    described = blocks(".", "output")["jitr"]["description"]
    assert set(re.findall(r"`(\w+)`", described)) == written


def test_terraform_sends_exactly_the_requests_that_the_program_reads(
    engine: Engine, providers: Providers, tmp_path: Path
) -> None:
    """The real requests, caught by a stand-in for Python on their way to the program."""
    copy_configuration(ROOT, tmp_path)
    requests_folder = tmp_path / "requests"
    requests_folder.mkdir()
    catch = f'printf %s "$IOT_CA_REQUEST" > "{requests_folder}/$1.json"'
    # Each attribute with a value of its own, so that a test fails where two are mixed up.
    credentials = {"profile": "p", "role_arn": "r", "external_id": "e", "session_name": "s"}
    target = Target("111122223333", "eu-west-1", Credentials(**credentials))
    desired = DesiredCa(
        certificate_pem="PEM",
        certificate_mode="DEFAULT",
        status="INACTIVE",
        auto_registration=False,
        template_name="t",
        verification=Verification(
            ca_private_key_file="ca.key", ca_private_key_passphrase_env="CA_PASSPHRASE"
        ),
        allow_mode_change=True,
        force_mode_change=True,
        tags={"a": "1", "<&> ü": "ß \\"},
    )
    cas = {
        "root": {
            "request": json.dumps(
                {
                    **json.loads(
                        protocol.write_request("root", target, desired, "PEM", is_absent=True)
                    ),
                    "default_tags": {"cost": "12"},
                    "default_tags_digest": "0",
                }
            ),
            "certificate_id": "1f1a",
            "certificate_digest": "digest",
            "revision": "register 1",
            "template_name": "t",
            "on_destroy": "retain",
            "force_destroy": True,
        }
    }
    values = {
        "target": asdict(target),
        CAS: cas,
        "python_command": ["sh", "-c", catch],
    }
    module = tmp_path / "modules" / "registration"
    (module / "terraform.tfvars.json").write_text(json.dumps(values))
    terraform = Terraform(module, engine, environment(providers))
    terraform.init()
    terraform.apply()
    sent = (requests_folder / "register.json").read_text()
    request = protocol.read_register(sent)
    assert set(json.loads(sent)) == attributes(RegisterRequest)
    assert set(json.loads(sent)["certificate_authority"]) == (attributes(DesiredCa) - DEFAULT_TAGS)
    assert request == RegisterRequest(
        name="root",
        target=target,
        certificate_authority=desired,
        revision="register 1",
        owner=request.owner,
        is_absent_in_plan=True,
        default_tags={"cost": "12"},
        default_tags_digest="0",
    )
    terraform.destroy()
    sent = (requests_folder / "deregister.json").read_text()
    assert set(json.loads(sent)) == attributes(DeregisterRequest)
    assert protocol.read_deregister(sent) == DeregisterRequest(
        name="root",
        target=target,
        certificate_id="1f1a",
        # The record that registered the CA is the one that takes it out.
        owner=request.owner,
        template_name="t",
        on_destroy="retain",
        force_destroy=True,
    )


def test_the_least_that_terraform_sends_is_enough(
    engine: Engine, providers: Providers, tmp_path: Path
) -> None:
    copy_configuration(ROOT, tmp_path)
    catch = f'printf %s "$IOT_CA_REQUEST" > "{tmp_path}/$1.json"'
    target = {"account_id": "111122223333", "region": "eu-west-1"}
    request_text = json.dumps(
        {"name": "root", "target": target, "certificate_authority": {"certificate_pem": "PEM"}}
    )
    root = {
        "request": request_text,
        "certificate_id": "1f1a",
        "certificate_digest": "digest",
        "revision": "1",
    }
    values = {"target": target, CAS: {"root": root}, "python_command": ["sh", "-c", catch]}
    module = tmp_path / "modules" / "registration"
    (module / "terraform.tfvars.json").write_text(json.dumps(values))
    terraform = Terraform(module, engine, environment(providers))
    terraform.init()
    terraform.apply()
    request = protocol.read_register((tmp_path / "register.json").read_text())
    assert request.certificate_authority == DesiredCa("PEM")
    assert request.target.credentials == Credentials()
    terraform.destroy()
    taken_out = protocol.read_deregister((tmp_path / "deregister.json").read_text())
    assert (taken_out.template_name, taken_out.on_destroy) == (None, None)
    assert taken_out.force_destroy is False


def _call(kind: str) -> dict[str, Any]:
    """What the root module gives modules/KIND."""
    (call,) = [block[kind] for block in read(".")["module"] if kind in block]
    meta = {"source", "for_each"}
    return {k: v for k, v in call.items() if k not in meta and not k.startswith("__")}


def _keys(folder: str, local: str) -> set[str]:
    """The attributes of a local value that is an object."""
    (value,) = [block[local] for block in read(folder)["locals"] if local in block]
    return {key for key in value if not key.startswith("__")}
