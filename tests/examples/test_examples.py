"""Each example does what its README says: init, plan, apply, and destroy leaves nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.accounts import Account
from tests.support.openssl import fingerprint, make_ca, make_device
from tests.support.readmes import code_blocks_below
from tests.support.terraform.outputs import as_output
from tests.support.terraform.shell import REGION, NewExample, run_as_typed, shell
from tools.checkout import ROOT
from tools.engine.terraform import Completed

if TYPE_CHECKING:
    from sandbox.control import Call, Sandbox

OTHER_REGION = "us-east-1"
EXAMPLES = {"hand-over", "migration", "multi-account", "rotation", "single-account", "workspaces"}


def test_each_example_is_tested_and_has_the_usual_files() -> None:
    folders = [folder for folder in (ROOT / "examples").iterdir() if any(folder.glob("*.tf"))]
    assert {folder.name for folder in folders} == EXAMPLES
    wanted = {"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf"}
    for folder in folders:
        assert wanted <= {path.name for path in folder.iterdir()}
        readme = (folder / "README.md").read_text(encoding="utf-8")
        commands = r"terraform init\n(export TF_WORKSPACE=\w+\n)?terraform plan\nterraform apply\n"
        assert re.search(commands, readme)


@pytest.mark.one_engine("the module is tested on both; an example only calls it")
def test_one_account_registers_two_cas(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    example = new_example("single-account", account)
    cloud = Account(sandbox, account, REGION)
    make_ca(example.folder)
    # All that a user's `init` does, the hashes of the providers included.
    example.run("init")
    assert example.plan().status == 2
    assert cloud.left() == []

    example.apply()

    certificate_id = fingerprint(example.folder / "root-ca.pem")
    found = cloud.describe(certificate_id)
    outputs = example.output()
    assert outputs["certificate_id"] == certificate_id
    assert outputs["certificate_authorities"] == {"factory": as_output(found, cloud)}
    assert (found["certificateMode"], found["status"]) == ("SNI_ONLY", "ACTIVE")
    assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
    assert example.plan().status == 0

    make_ca(example.folder, "legacy-ca")
    second = {"certificate_file": "legacy-ca.pem", "private_key_file": "legacy-ca.key"}
    example.write(json.dumps({"default_mode": {"legacy": second}}), "terraform.tfvars.json")
    example.apply()

    other = cloud.describe(fingerprint(example.folder / "legacy-ca.pem"))
    assert example.output()["certificate_authorities"] == {
        "factory": as_output(found, cloud),
        "legacy": as_output(other, cloud),
    }
    assert (other["certificateMode"], other["templateName"]) == ("DEFAULT", "legacy")
    assert example.plan().status == 0

    example.destroy()
    assert cloud.left() == []


@pytest.mark.one_engine("a change of mode is tested on both; an example only calls it")
def test_a_hand_over_goes_as_its_readme_says(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    example = new_example("hand-over", account)
    cloud = Account(sandbox, account, REGION)
    make_ca(example.folder)
    readme = (example.folder / "README.md").read_text(encoding="utf-8")
    (request,) = code_blocks_below(readme, "1. Register the CA and create the request", "sh")
    (signing,) = code_blocks_below(readme, "2. The owner of the CA signs the request", "sh")
    (change,) = code_blocks_below(readme, "3. Change to `DEFAULT` mode", "sh")
    request, change = (
        "\n".join(line for line in block.splitlines() if not line.startswith("terraform "))
        for block in (request, change)
    )
    example.init()
    example.apply()
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    assert cloud.describe(certificate_id)["certificateMode"] == "SNI_ONLY"
    by_others = [{"Key": "owner", "Value": "somebody else"}]
    arn = cloud.describe(certificate_id)["certificateArn"]
    cloud.client("iot").tag_resource(resourceArn=arn, tags=by_others)

    said = shell(example, request.replace("111111111111", account))
    assert "BEGIN CERTIFICATE REQUEST" in (example.folder / "verification.csr").read_text()
    assert f"account {account}, {REGION}" in said
    shell(example, signing)
    shell(example, change)
    plan = example.plan()

    assert plan.status == 2
    assert '"update mode SNI_ONLY -> DEFAULT ' in plan.output

    example.apply()

    found = cloud.describe(certificate_id)
    assert example.output()["certificate_authorities"] == {"factory": as_output(found, cloud)}
    assert (found["certificateMode"], found["status"]) == ("DEFAULT", "ACTIVE")
    assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
    tags = cloud.client("iot").list_tags_for_resource(resourceArn=arn)["tags"]
    assert by_others[0] in tags
    assert cloud.client("iot").list_thing_groups()["thingGroups"] == []
    assert example.plan().status == 0

    example.destroy()
    assert cloud.left() == []


def test_the_readme_of_rotation_names_each_step() -> None:
    folder = ROOT / "examples" / "rotation"
    steps = {path.name for path in folder.glob("*.tfvars")}
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\d-[\w-]+\.tfvars", readme)) == steps
    assert len(steps) == 4


@pytest.mark.one_engine("the steps differ in the map alone; replacing and removing run on both")
def test_a_rotation_goes_as_its_readme_says(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    """Every step as the README says, and after each: what AWS has, and nothing left to do."""
    example = new_example("rotation", account)
    cloud = Account(sandbox, account, REGION)
    iot = cloud.client("iot")
    make_ca(example.folder, "factory-2025", days=120)
    make_ca(example.folder, "factory-2026")
    old, new = (fingerprint(example.folder / f"factory-{year}.pem") for year in (2025, 2026))
    example.init()

    def take(step: str) -> tuple[Completed, list[Call]]:
        """Apply a step: what it said, and the calls that wrote. The next plan is empty."""
        text = (example.folder / f"{step}.tfvars").read_text(encoding="utf-8")
        example.write(text, "terraform.tfvars")
        sandbox.forget_calls()
        said = example.apply()
        written = sandbox.calls(account=account, write=True)
        assert example.plan().status == 0
        return said, written

    def has(certificate_id: str) -> tuple[str, str, str | None]:
        ca = cloud.describe(certificate_id)
        return ca["status"], ca["autoRegistrationStatus"], ca["templateName"]

    def devices(certificate_id: str) -> list[tuple[str, str]]:
        listed = iot.list_certificates_by_ca(caCertificateId=certificate_id)["certificates"]
        return [(device["certificateId"], device["status"]) for device in listed]

    def register_device(ca: str, name: str) -> str:
        signed = make_device(example.folder, ca, name)
        ca_pem = (example.folder / f"{ca}.pem").read_text(encoding="ascii")
        registered = iot.register_certificate(
            certificatePem=signed, caCertificatePem=ca_pem, status="ACTIVE"
        )
        return str(registered["certificateId"])

    before, _ = take("0-before")
    assert has(old) == ("ACTIVE", "ENABLE", "factory-2025")
    assert "factory-2025 (account" in before.output
    assert ". Register its successor under a name of its own" in before.output
    device = register_device("factory-2025", "pump-1")

    added, written = take("1-add-new")
    assert {"factory-2026"} == _names(added)
    assert "Plan: 7 to add, 0 to change, 0 to destroy." in added.stdout
    assert has(old) == ("ACTIVE", "ENABLE", "factory-2025")
    assert has(new) == ("ACTIVE", "ENABLE", "factory-2026")
    assert not any(old in call.parameters.values() for call in written)
    outputs = example.output()
    assert outputs["certificate_ids"] == {"factory-2025": old, "factory-2026": new}
    renewed = register_device("factory-2026", "pump-1-renewed")
    as_added = cloud.describe(new)
    template = iot.describe_provisioning_template(templateName="factory-2026")

    retired, written = take("2-retire-old")
    assert _changes(retired) == {_record("registration", "factory-2025"): "replaced"}
    assert has(old) == ("INACTIVE", "ENABLE", "factory-2025")
    assert devices(old) == [(device, "ACTIVE")]
    assert {call.operation for call in written} == {"UpdateCACertificate", "TagResource"}

    iot.update_certificate(certificateId=device, newStatus="INACTIVE")
    iot.delete_certificate(certificateId=device)
    assert devices(old) == []
    removed, _ = take("3-remove-old")
    assert {"factory-2025"} == _names(removed)
    assert "Plan: 0 to add, 0 to change, 7 to destroy." in removed.stdout
    assert _changes(removed)[_record("deregistration", "factory-2025")] == "destroyed"
    assert example.output()["certificate_authorities"] == {
        "factory-2026": outputs["certificate_authorities"]["factory-2026"]
    }
    assert cloud.left() == [as_added["certificateArn"], template["templateArn"]]
    assert [role["RoleName"][:22] for role in cloud.client("iam").list_roles()["Roles"]] == [
        "iot-jitp-factory-2026-"
    ]
    # Neither step wrote to the new CA, its template or its device.
    assert cloud.describe(new) == as_added
    again = iot.describe_provisioning_template(templateName="factory-2026")
    assert again["lastModifiedDate"] == template["lastModifiedDate"]
    assert devices(new) == [(renewed, "ACTIVE")]


@pytest.mark.timeout(600)
@pytest.mark.one_engine("the module is tested on both; an example only calls it")
def test_each_workspace_has_its_account_and_region(
    new_example: NewExample, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    """Modes that differ by account and by region; the environment's credentials, or by a role."""
    here, there = new_account(), new_account()
    production = Account(sandbox, here, REGION)
    production_us = Account(sandbox, here, OTHER_REGION)
    staging = Account(sandbox, there, REGION)
    # One set of credentials for all workspaces: the role is what leads into the other account.
    example = new_example("workspaces", here)
    accounts = {
        "production": {"account_id": here, "certificate_mode": "DEFAULT"},
        "production-us": {"account_id": here, "region": OTHER_REGION},
        "staging": {"account_id": there, "role_arn": _role(staging, trusted=here)},
    }
    example.write(json.dumps({"accounts": accounts}), "terraform.tfvars.json")
    # If a backend is configured and has a workspace, `init` refuses one that does not exist.
    example.write('terraform {\n  backend "local" {}\n}\n', "backend.tf")
    (example.folder / "terraform.tfstate.d" / "another").mkdir(parents=True)
    readme = (example.folder / "README.md").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "accounts-and-regions.md").read_text(encoding="utf-8")
    (commands,) = code_blocks_below(readme, "Run it", "sh")
    typed, removal = code_blocks_below(page, "One state for each account", "sh")
    assert typed.replace("development", "staging") == commands
    make_ca(example.folder)
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    wanted = (
        ("production", production, "DEFAULT"),
        ("production-us", production_us, "SNI_ONLY"),
        ("staging", staging, "SNI_ONLY"),
    )

    for workspace, cloud, mode in wanted:
        selected = {"TF_WORKSPACE": workspace}
        if workspace == "production":
            run_as_typed(example, commands.replace("staging", workspace))
        else:
            example.apply(env=selected)

        found = cloud.describe(certificate_id)
        told = json.loads(example.run("output", "-json", env=selected).stdout)
        outputs = {name: output["value"] for name, output in told.items()}
        assert outputs == {
            "account_id": cloud.number,
            "region": cloud.region,
            "certificate_authorities": {"factory": as_output(found, cloud)},
        }
        assert (found["certificateMode"], found["status"]) == (mode, "ACTIVE")
        assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
        assert example.plan(env=selected).status == 0
        assert (example.folder / "terraform.tfstate.d" / workspace / "terraform.tfstate").is_file()

    # As the README shows it, and with the environment that production is applied with.
    command = (sys.executable, ROOT / "scripts" / "iot_ca", "status", "terraform.tfvars.json")
    options = ("--ca", "factory=root-ca.pem", "--region", REGION, "--json")
    looked = subprocess.run(
        [*command, *options],
        cwd=example.folder,
        env={**os.environ, **sandbox.environment(production.number, REGION)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (looked.returncode, looked.stderr) == (0, "")
    seen = {row["account"]: row for row in json.loads(looked.stdout)["certificate_authorities"]}
    assert {name: (row["mode"], row["state"], row["template"]) for name, row in seen.items()} == {
        name: (mode, "in_sync", "factory") for name, _, mode in wanted
    }

    for workspace, cloud, _ in wanted:
        if workspace == "production":
            run_as_typed(example, removal.replace("development", workspace))
        else:
            example.destroy(env={"TF_WORKSPACE": workspace})
        assert cloud.left() == []
    listed = example.run("workspace", "list").stdout.split()
    assert set(listed) == {"*", "default", "another", "production-us", "staging"}


@pytest.mark.timeout(600)
@pytest.mark.one_engine("the module is tested on both; an example only calls it")
def test_multi_account_as_typed(new_example: NewExample, sandbox: Sandbox) -> None:
    """The README's own commands and accounts, with real roles: the sandbox enforces their trust."""
    example = new_example("multi-account", "444444444444")
    readme = (example.folder / "README.md").read_text(encoding="utf-8")
    *_, certificate, roles = code_blocks_below(readme, "Try it without an account", "sh")
    run_as_typed(example, certificate.replace("cd examples/multi-account\n", ""))
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    places = {
        "production/eu-west-1": (Account(sandbox, "111111111111", REGION), "DEFAULT"),
        "production/us-east-1": (Account(sandbox, "111111111111", OTHER_REGION), "DEFAULT"),
        "staging/eu-west-1": (Account(sandbox, "222222222222", REGION), "SNI_ONLY"),
        "development/us-east-1": (Account(sandbox, "333333333333", OTHER_REGION), "SNI_ONLY"),
    }
    sandbox.forget_calls()

    run_as_typed(example, roles)

    # Neither the provider nor the program did anything with the credentials that they started from.
    by = {call.principal.rpartition("/")[0] for call in sandbox.calls(service="iot")}
    accounts = {cloud.number for cloud, _ in places.values()}
    assert by == {f"arn:aws:sts::{account}:assumed-role/terraform" for account in accounts}
    outputs = example.output()["certificate_authorities"]
    assert outputs.keys() == places.keys()
    for place, (cloud, mode) in places.items():
        found = cloud.describe(certificate_id)
        assert outputs[place] == {"factory": as_output(found, cloud)}
        assert (found["certificateMode"], found["status"]) == (mode, "ACTIVE")
        assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
    assert example.plan().status == 0

    # An account that no longer trusts these credentials is refused, before anything is written.
    staging = places["staging/eu-west-1"][0]
    trust = {"Version": "2012-10-17", "Statement": _trust("555555555555")}
    staging.client("iam").update_assume_role_policy(
        RoleName="terraform", PolicyDocument=json.dumps(trust)
    )
    refused = example.plan(check=False)
    assert refused.status == 1
    assert "arn:aws:iam::222222222222:role/terraform" in refused.output
    staging.client("iam").update_assume_role_policy(
        RoleName="terraform",
        PolicyDocument=json.dumps({**trust, "Statement": _trust("444444444444")}),
    )

    example.destroy()
    for cloud, _ in places.values():
        assert cloud.left() == []


@pytest.mark.one_engine("the module is tested on both; an example only calls it")
def test_a_workspace_without_its_account_is_refused(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    example = new_example("workspaces", account)
    make_ca(example.folder)
    example.init()
    sandbox.forget_calls()

    in_default = example.plan(check=False)
    in_another = example.plan(check=False, env={"TF_WORKSPACE": "staging"})

    assert in_default.status == 1
    assert "Set TF_WORKSPACE=production" in in_default.output
    assert in_another.status == 1
    assert f"AWS account ID not allowed: {account}" in in_another.output
    assert not sandbox.calls(service="iot")


def _changes(applied: Completed) -> dict[str, str]:
    """What an apply has said it would do: "created", "replaced", ... by address."""
    said = re.findall(r"^  # (\S+) (?:will|must) be (\w+)", applied.stdout, re.MULTILINE)
    return dict(said)


def _names(applied: Completed) -> set[str]:
    """The CAs whose records, template or role an apply has changed."""
    return {re.sub(r'.*\["|"\].*', "", address) for address in _changes(applied)}


def _record(kind: str, name: str) -> str:
    return f'module.iot_ca.module.registration.terraform_data.{kind}["{name}"]'


@pytest.mark.timeout(600)
@pytest.mark.newest_engine("the other one is that of tests/e2e/test_migration.py")
def test_migration_there_and_back_as_typed(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    """`removed`, `moved` and the state's format are Terraform's own, and as the guide says."""
    example = new_example("migration", account)
    before = replace(example, folder=example.folder / "before")
    cloud = Account(sandbox, account, REGION)
    readme = (example.folder / "README.md").read_text(encoding="utf-8")
    *_, certificates = code_blocks_below(readme, "Try it without an account", "sh")
    run_as_typed(example, certificates.replace("cd examples/migration\n", ""))
    names = ("factory", "legacy", "workshop")
    ids = {name: fingerprint(example.folder / f"{name}-ca.pem") for name in names}
    (begin,) = code_blocks_below(readme, "Where it begins", "sh")
    run_as_typed(example, begin)
    (version,) = _template_versions(cloud)
    at_first = {name: _without_times(cloud.describe(ids[name])) for name in names}
    assert at_first["factory"]["templateName"] == "fleet"
    assert [at_first[name]["certificateMode"] for name in names] == [
        "SNI_ONLY",
        "DEFAULT",
        "SNI_ONLY",
    ]
    sandbox.forget_calls()

    (there,) = code_blocks_below(readme, "To the module", "sh")
    said = run_as_typed(example, there)

    assert "Plan: 14 to add, 1 to change, 0 to destroy." in said
    for address in (*OLD_OWNERS, "terraform_data.workshop"):
        assert f"{address} will no longer be managed by Terraform, but will not be" in said
    assert len(re.findall(r'\+ revision += "adopt tags ', said)) == 2 * len(names)
    assert _writes(sandbox) == {"TagResource": 4, "UpdateProvisioningTemplate": 1}
    assert {name: _without_times(cloud.describe(ids[name])) for name in names} == at_first
    assert _template_versions(cloud) == [version]
    assert {name: _tags(cloud, ids[name])["iot-ca:origin"] for name in names} == dict.fromkeys(
        names, "adopted"
    )
    assert example.plan().status == 0
    sandbox.forget_calls()

    back, untag = code_blocks_below(readme, "Back", "sh")
    said = run_as_typed(example, back)

    assert "Plan: 0 to add, 3 to change, 0 to destroy." in said
    assert "must be replaced" not in said
    assert _writes(sandbox) == {"UntagResource": 3, "UpdateProvisioningTemplate": 1}
    run_as_typed(example, untag)
    assert {name: _without_times(cloud.describe(ids[name])) for name in names} == at_first
    assert _template_versions(cloud) == [version]
    assert [_tags(cloud, ids[name]) for name in names] == [{"team": "devices"}, {}, {}]
    assert before.plan().status == 0

    before.destroy()
    assert cloud.left() == []


OLD_OWNERS = ("aws_iot_ca_certificate.factory", "aws_iot_ca_certificate.legacy")


def _without_times(found: dict[str, Any]) -> dict[str, Any]:
    """A CA without what a change of its tags may touch; its generation stays in."""
    return {k: v for k, v in found.items() if k not in ("lastModifiedDate", "customerVersion")}


def _writes(sandbox: Sandbox) -> Counter[str]:
    return Counter(call.operation for call in sandbox.calls(write=True))


def _tags(cloud: Account, certificate_id: str) -> dict[str, str]:
    arn = cloud.describe(certificate_id)["certificateArn"]
    tags = cloud.client("iot").list_tags_for_resource(resourceArn=arn)["tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def _template_versions(cloud: Account) -> list[Any]:
    """The versions of the template `fleet`, with the times at which they were made."""
    listed = cloud.client("iot").list_provisioning_template_versions(templateName="fleet")
    return [(each["versionId"], each["creationDate"]) for each in listed["versions"]]


def _role(cloud: Account, trusted: str) -> str:
    trust = {"Version": "2012-10-17", "Statement": [_trust(trusted)]}
    made = cloud.client("iam").create_role(
        RoleName="terraform", AssumeRolePolicyDocument=json.dumps(trust)
    )
    return str(made["Role"]["Arn"])


def _trust(account: str) -> dict[str, Any]:
    """A statement that lets an account assume the role that it belongs to."""
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
    }
