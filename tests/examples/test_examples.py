"""Each example does what its README says: init, plan, apply, and destroy leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.examples.support import Cloud, as_output, fingerprint, make_ca
from tools.lint_terraform import copy_configuration
from tools.providers import Providers
from tools.terraform import ROOT, Engine, Terraform, environment

if TYPE_CHECKING:
    from sandbox.control import Sandbox

REGION = "eu-west-1"
OTHER_REGION = "us-east-1"
EXAMPLES = {"single-account", "workspaces"}

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


@pytest.mark.one_engine("the module is tested on both; an example only calls it")
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


@pytest.mark.one_engine("the module is tested on both; an example only calls it")
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


@pytest.mark.one_engine("the module is tested on both; an example only calls it")
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
