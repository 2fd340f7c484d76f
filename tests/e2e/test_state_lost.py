"""The state is lost: the recovery of docs/recovery.md, as typed, and what a plan says before."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.readmes import code_blocks_below
from tests.support.terraform.addresses import template
from tests.support.terraform.stack import Stack
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

NAME = "factory-2025"


def recovery(kind: str) -> str:
    """The block of the page that imports the provisioning resources of JITP or JITR."""
    page = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
    (block,) = code_blocks_below(page, kind, "sh")
    return block


def type_in(block: str, terraform: Terraform, programs: Path) -> None:
    """Run a block of a document in the working folder, with the tests' Terraform and AWS CLI."""
    programs.mkdir()
    for name, argv in {
        "terraform": terraform.engine.argv,
        # The CLI does not heed AWS_ENDPOINT_URL for SQS.
        "aws": [
            *(sys.executable, "-m", "awscli"),
            *("--endpoint-url", terraform.environment["AWS_ENDPOINT_URL"]),
        ],
    }.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    typed = subprocess.run(
        ["bash", "-uo", "pipefail", "-c", block],
        cwd=terraform.folder,
        env={**terraform.environment, "PATH": path, "TF_CLI_ARGS": "-no-color"},
        capture_output=True,
        text=True,
        check=False,
    )
    # As the page says of what the refused apply has created before it was refused.
    errors = set(re.findall(r"Error: (.*)", typed.stdout + typed.stderr))
    assert errors <= {"Resource already managed by Terraform"}, typed.stdout + typed.stderr
    assert "not found" not in typed.stderr, typed.stderr


@pytest.mark.timeout(900)
@pytest.mark.one_engine("which resources are to be imported does not depend on Terraform's version")
@pytest.mark.parametrize("kind", ["JITP", "JITR"])
def test_the_recovery_of_a_lost_state_converges(
    kind: str, workspace: Terraform, sandbox: Sandbox, account: str, region: str, tmp_path: Path
) -> None:
    ca = new_ca(NAME)
    where = Account(sandbox, account, region)
    where.enable_events()
    workspace.write(ca.pem, "root-ca.pem")
    workspace.write(f"""
provider "aws" {{}}

module "iot_ca" {{
  source = "{workspace.source()}"

  certificate_authorities = {{
    {NAME} = {{
      certificate_pem = file("${{path.module}}/root-ca.pem")
      provisioning    = {{ type = "{kind}" }}
    }}
  }}
}}
""")
    workspace.init()
    workspace.apply()
    recorded = workspace.addresses()
    before = where.see(ca.id)
    roles = {role["RoleName"] for role in where.iam.list_roles()["Roles"]}
    assert "Warning" not in workspace.plan().stdout
    for left in workspace.folder.glob("*terraform.tfstate*"):
        left.unlink()

    plan = workspace.plan()
    lines = re.findall(r"^ +(terraform import .+)$", plan.stdout, re.MULTILINE)
    template = f'module.iot_ca.module.jitp["{NAME}"].aws_iot_provisioning_template.provisioning'
    assert lines == ([f"terraform import '{template}' {NAME}"] if kind == "JITP" else [])
    refused = workspace.apply(check=False)
    assert "lready exists" in refused.output

    type_in(recovery(kind), workspace, tmp_path / "programs")
    assert "terraform import" not in workspace.plan().stdout
    workspace.apply()

    second = workspace.plan()
    assert second.status == 0, second.output
    assert "Warning" not in second.stdout
    assert sorted(workspace.addresses()) == sorted(recorded)
    after = where.see(ca.id)
    assert (after.template, after.tags["iot-ca:origin"]) == (before.template, "registered")
    assert {role["RoleName"] for role in where.iam.list_roles()["Roles"]} >= roles
    workspace.destroy()
    assert where.look(ca.id) is None


@pytest.mark.one_engine("a resource whose creation fails is tainted by the provider's own SDK")
def test_a_tainted_template_is_untainted_as_the_plan_says(stack: Stack) -> None:
    ca = new_ca(NAME)
    stack.want({NAME: {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}})
    # The provider creates the template and can't read it then. The first read is the program's.
    stack.sandbox.fault(
        "error",
        code="UnauthorizedException",
        operation="DescribeProvisioningTemplate",
        account=stack.account.number,
        skip=1,
    )
    stack.apply(fails=True)
    assert stack.account.templates() == {NAME}

    (line,) = [line for line in stack.plan().warnings if line.startswith("terraform untaint ")]
    assert line == f"terraform untaint '{template(NAME)}'"
    stack.terraform.run(*shlex.split(line)[1:])
    stack.apply()

    assert stack.account.see(ca.id).template == NAME
    steady = stack.plan()
    assert (steady.status, steady.changes, steady.warnings) == (0, {}, [])
