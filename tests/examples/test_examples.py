"""Each example does what its README says: init, plan, apply, and destroy leaves nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.support import (
    Cloud,
    as_output,
    blocks_below,
    fingerprint,
    make_ca,
    run_as_typed,
    shell,
)
from tools.lint_terraform import copy_configuration
from tools.providers import Providers
from tools.terraform import ROOT, Engine, Terraform, environment

if TYPE_CHECKING:
    from sandbox.control import Sandbox

REGION = "eu-west-1"
OTHER_REGION = "us-east-1"
EXAMPLES = {"hand-over", "migration", "single-account", "workspaces"}

SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

NewExample = Callable[[str, str], Terraform]


@pytest.fixture
def new_example(
    tmp_path: Path, engine: Engine, providers: Providers, sandbox: Sandbox
) -> NewExample:
    """Copies the checkout: `new_example(name, account)` is the example in it, as it is."""

    def copy(name: str, account: str) -> Terraform:
        copy_configuration(ROOT, tmp_path)
        settings = environment(providers, sandbox.environment(account, REGION))
        return Terraform(tmp_path / "examples" / name, engine, settings)

    return copy


def test_each_example_is_tested_here_and_has_a_readme_and_the_same_files() -> None:
    folders = [folder for folder in (ROOT / "examples").iterdir() if any(folder.glob("*.tf"))]
    assert {folder.name for folder in folders} == EXAMPLES
    wanted = {"README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf"}
    for folder in folders:
        assert wanted <= {path.name for path in folder.iterdir()}
        readme = (folder / "README.md").read_text(encoding="utf-8")
        assert "terraform init\nterraform plan\nterraform apply\n" in readme


def test_single_account(new_example: NewExample, account: str, sandbox: Sandbox) -> None:
    example = new_example("single-account", account)
    cloud = Cloud(sandbox, account, REGION)
    make_ca(example.folder)
    example.init()
    assert example.plan().status == 2
    assert cloud.left() == []

    example.apply()

    certificate_id = fingerprint(example.folder / "root-ca.pem")
    found = cloud.ca(certificate_id)
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

    other = cloud.ca(fingerprint(example.folder / "legacy-ca.pem"))
    assert example.output()["certificate_authorities"] == {
        "factory": as_output(found, cloud),
        "legacy": as_output(other, cloud),
    }
    assert (other["certificateMode"], other["templateName"]) == ("DEFAULT", "legacy")
    assert example.plan().status == 0

    example.destroy()
    assert cloud.left() == []


def test_hand_over(new_example: NewExample, account: str, sandbox: Sandbox) -> None:
    example = new_example("hand-over", account)
    cloud = Cloud(sandbox, account, REGION)
    make_ca(example.folder)
    request, signing = (
        [line for line in block.splitlines() if not line.startswith("terraform ")]
        for block in SHELL.findall((example.folder / "README.md").read_text(encoding="utf-8"))[:2]
    )
    example.init()
    example.apply()
    certificate_id = fingerprint(example.folder / "root-ca.pem")
    assert cloud.ca(certificate_id)["certificateMode"] == "SNI_ONLY"
    by_others = [{"Key": "owner", "Value": "somebody else"}]
    arn = cloud.ca(certificate_id)["certificateArn"]
    cloud.client("iot").tag_resource(resourceArn=arn, tags=by_others)

    said = shell(example, "\n".join(request))
    assert "BEGIN CERTIFICATE REQUEST" in (example.folder / "verification.csr").read_text()
    assert f"account {account}, {REGION}" in said
    shell(example, "\n".join(signing))
    handed_over = ("-var", "verification_certificate_file=verification.pem")
    plan = example.plan(*handed_over)

    assert plan.status == 2
    assert '"change mode SNI_ONLY to DEFAULT ' in plan.output

    example.apply(*handed_over)

    found = cloud.ca(certificate_id)
    assert example.output()["certificate_authorities"] == {"factory": as_output(found, cloud)}
    assert (found["certificateMode"], found["status"]) == ("DEFAULT", "ACTIVE")
    assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
    tags = cloud.client("iot").list_tags_for_resource(resourceArn=arn)["tags"]
    assert by_others[0] in tags
    assert cloud.client("iot").list_thing_groups()["thingGroups"] == []
    assert example.plan(*handed_over).status == 0

    example.destroy(*handed_over)
    assert cloud.left() == []


def test_workspaces(
    new_example: NewExample, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    """Production by the environment's credentials, staging elsewhere and by a role."""
    production = Cloud(sandbox, new_account(), REGION)
    staging = Cloud(sandbox, new_account(), OTHER_REGION)
    modes = {"production": "DEFAULT", "staging": "SNI_ONLY"}
    # One set of credentials for both workspaces: the role is what leads into the other account.
    example = new_example("workspaces", production.account)
    accounts = {
        "production": {"account_id": production.account, "certificate_mode": "DEFAULT"},
        "staging": {
            "account_id": staging.account,
            "region": staging.region,
            "role_arn": _role(staging, trusted=production.account),
        },
    }
    example.write(json.dumps({"accounts": accounts}), "terraform.tfvars.json")
    make_ca(example.folder)
    certificate_id = fingerprint(example.folder / "root-ca.pem")

    for workspace, cloud in (("production", production), ("staging", staging)):
        selected = {"TF_WORKSPACE": workspace}
        example.run("init", env=selected)
        example.apply(env=selected)

        found = cloud.ca(certificate_id)
        told = json.loads(example.run("output", "-json", env=selected).stdout)
        outputs = {name: output["value"] for name, output in told.items()}
        assert outputs == {
            "account_id": cloud.account,
            "region": cloud.region,
            "certificate_authorities": {"factory": as_output(found, cloud)},
        }
        assert (found["certificateMode"], found["status"]) == (modes[workspace], "ACTIVE")
        assert (found["autoRegistrationStatus"], found["templateName"]) == ("ENABLE", "factory")
        assert example.plan(env=selected).status == 0
        assert (example.folder / "terraform.tfstate.d" / workspace / "terraform.tfstate").is_file()

    for workspace, cloud in (("production", production), ("staging", staging)):
        example.destroy(env={"TF_WORKSPACE": workspace})
        assert cloud.left() == []


def test_workspaces_refuse_a_workspace_without_an_account_and_the_wrong_account(
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


@pytest.mark.timeout(600)
def test_migration_there_and_back_as_typed(
    new_example: NewExample, account: str, sandbox: Sandbox
) -> None:
    """On every engine: `removed`, `moved` and the state's format are Terraform's own."""
    example = new_example("migration", account)
    before = Terraform(example.folder / "before", example.engine, example.environment)
    cloud = Cloud(sandbox, account, REGION)
    readme = (example.folder / "README.md").read_text(encoding="utf-8")
    *_, certificates = blocks_below(readme, "Try it without an account", "sh")
    run_as_typed(example, certificates.replace("cd examples/migration\n", ""))
    names = ("factory", "legacy", "workshop")
    ids = {name: fingerprint(example.folder / f"{name}-ca.pem") for name in names}
    (begin,) = blocks_below(readme, "Where it begins", "sh")
    run_as_typed(example, begin)
    (version,) = _template_versions(cloud)
    at_first = {name: _without_times(cloud.ca(ids[name])) for name in names}
    assert at_first["factory"]["templateName"] == "fleet"
    assert [at_first[name]["certificateMode"] for name in names] == [
        "SNI_ONLY",
        "DEFAULT",
        "SNI_ONLY",
    ]
    sandbox.forget_calls()

    (there,) = blocks_below(readme, "There", "sh")
    said = run_as_typed(example, there)

    assert "Plan: 7 to add, 1 to change, 0 to destroy." in said
    for address in (*OLD_OWNERS, "terraform_data.workshop"):
        assert f"{address} will no longer be managed by Terraform, but will not be" in said
    assert said.count('+ triggers_replace = "adopt tags ') == 2 * len(names)
    assert _writes(sandbox) == {"TagResource": 4, "UpdateProvisioningTemplate": 1}
    assert {name: _without_times(cloud.ca(ids[name])) for name in names} == at_first
    assert _template_versions(cloud) == [version]
    assert {name: _tags(cloud, ids[name])["iot-ca:origin"] for name in names} == dict.fromkeys(
        names, "adopted"
    )
    assert example.plan().status == 0
    sandbox.forget_calls()

    back, untag = blocks_below(readme, "Back", "sh")
    said = run_as_typed(example, back)

    assert "Plan: 0 to add, 3 to change, 0 to destroy." in said
    assert "must be replaced" not in said
    assert _writes(sandbox) == {"UntagResource": 3, "UpdateProvisioningTemplate": 1}
    run_as_typed(example, untag)
    assert {name: _without_times(cloud.ca(ids[name])) for name in names} == at_first
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


def _tags(cloud: Cloud, certificate_id: str) -> dict[str, str]:
    arn = cloud.ca(certificate_id)["certificateArn"]
    tags = cloud.client("iot").list_tags_for_resource(resourceArn=arn)["tags"]
    return {tag["Key"]: tag["Value"] for tag in tags}


def _template_versions(cloud: Cloud) -> list[Any]:
    """The versions of the template `fleet`, with the times at which they were made."""
    listed = cloud.client("iot").list_provisioning_template_versions(templateName="fleet")
    return [(each["versionId"], each["creationDate"]) for each in listed["versions"]]


def _role(cloud: Cloud, trusted: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{trusted}:root"},
            }
        ],
    }
    made = cloud.client("iam").create_role(
        RoleName="terraform", AssumeRolePolicyDocument=json.dumps(trust)
    )
    return str(made["Role"]["Arn"])
