"""docs/adopting-and-migrating.md: its blocks and commands, on CAs that an old owner registered.

The way that most readers go, there and back with `removed` blocks, is tested with the example, on
every engine. Here are the other ways, and what the guide says of the aws provider.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import TEMPLATE_BODY, Account
from tests.support.certificates import CA, new_ca, new_leaf
from tests.support.readmes import code_blocks_below
from tests.support.terraform.shell import run_as_typed
from tests.support.terraform.workspace import Workspace
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

GUIDE = (ROOT / "docs" / "adopting-and-migrating.md").read_text(encoding="utf-8")
PROCEDURE = "The whole procedure"
RESOURCE = "From `aws_iot_ca_certificate`"
TEMPLATE = "With a provisioning template"
CLI = "From the AWS CLI"
WITHOUT_RECORD = "Without `before.tfstate`"
ONE_OF_SEVERAL = "One of several, or into another state"
LEAVE = "Leave the module, and delete nothing"

PROVIDER = 'provider "aws" {}\n'
REMOVED = re.compile(r"^removed \{.*?^\}\n", re.MULTILINE | re.DOTALL)
REMOVED_FACTORY = REMOVED.findall(code_blocks_below(GUIDE, RESOURCE, "hcl")[1])[0]
JITP_CA = """      certificate_pem = file("factory-ca.pem")
      provisioning    = { type = "JITP" }
"""
DEFAULT_MODE = 'certificate_mode = "DEFAULT"'


def module(terraform: Terraform, block: str) -> str:
    """A block of the guide that calls this checkout."""
    assert block.count('"<namespace>/iot-ca/aws"') == 1
    local = re.sub(r"(?m)^  version += .*\n", "", block)
    return PROVIDER + local.replace("<namespace>/iot-ca/aws", terraform.source())


def with_ca(terraform: Terraform, name: str) -> CA:
    """A CA whose certificate is at the path that the guide's blocks read."""
    ca = new_ca(name)
    terraform.write(ca.pem, f"{name}-ca.pem")
    return ca


def writes(sandbox: Sandbox) -> Counter[str]:
    """What was written since this was last asked, and how often."""
    counted = Counter(call.operation for call in sandbox.calls(write=True))
    sandbox.forget_calls()
    return counted


@pytest.mark.timeout(600)
@pytest.mark.one_engine("`removed` is tested with the example; `state rm` is older than both")
def test_migration_and_back_with_a_record_written_by_hand(
    workspace: Workspace, sandbox: Sandbox, account: str, region: str
) -> None:
    aws = Account(sandbox, account, region)
    aws.enable_events()
    ca = with_ca(workspace, "factory")
    before, after = code_blocks_below(GUIDE, RESOURCE, "hcl")
    after = module(workspace, REMOVED.sub("", after))
    there, back = code_blocks_below(GUIDE, PROCEDURE, "sh")
    (forget,) = code_blocks_below(GUIDE, RESOURCE, "sh")
    record, _ = code_blocks_below(GUIDE, WITHOUT_RECORD, "sh")
    workspace.write(PROVIDER + before)
    workspace.init()
    workspace.apply()
    registered = aws.see(ca.id)
    writes(sandbox)

    keep, edit, init, *rest = there.splitlines(keepends=True)
    run_as_typed(workspace, keep)
    assert edit.startswith("# Edit: ")
    workspace.write(after)
    # Here Terraform starts the providers, as a reader's does.
    alone = dataclasses.replace(workspace, running=None)
    said = run_as_typed(alone, "".join([init, forget, *rest]))

    assert "Plan: 6 to add, 0 to change, 0 to destroy." in said
    assert re.search(r'\+ revision += "adopt tags ', said)
    assert "Check block assertion failed" not in said
    assert "No changes." in said
    assert writes(sandbox) == {"TagResource": 1}
    adopted = aws.see(ca.id)
    assert adopted.generation == registered.generation
    assert (adopted.user_tags, adopted.own_tags["iot-ca:origin"]) == (registered.tags, "adopted")

    # Out, one of several: by the module's own means, in two applies.
    for settings in ('on_destroy = "retain"\n', None):
        block = re.sub(r"(?m)^    factory = \{\n", rf"\g<0>{settings}", after)
        empty = re.sub(r"(?ms)^    factory = \{.*?^    \}\n", "", after)
        workspace.write(block if settings else empty)
        workspace.apply()
    assert writes(sandbox) == {"UntagResource": 1}
    assert aws.see(ca.id) == registered

    workspace.write(PROVIDER + before)
    run_as_typed(workspace, record)
    said = run_as_typed(workspace, back.replace("before.tfstate", "record.tfstate"))

    assert "must be replaced" not in said
    assert writes(sandbox) == {}
    assert aws.see(ca.id) == registered
    assert workspace.addresses() == ["aws_iot_ca_certificate.factory"]
    assert workspace.plan().status == 0


@pytest.mark.timeout(600)
@pytest.mark.one_engine("which provisioners run when a record is forgotten is tested on both")
def test_migration_from_the_cli_and_back_with_a_script_as_record(
    workspace: Workspace, sandbox: Sandbox, account: str, region: str
) -> None:
    """Another CA with JITP leaves alone, then the module is left."""
    aws = Account(sandbox, account, region)
    ca, leaving = with_ca(workspace, "workshop"), with_ca(workspace, "factory")
    before, after = code_blocks_below(GUIDE, CLI, "hcl")
    (script,) = code_blocks_below(GUIDE, WITHOUT_RECORD, "hcl")
    listing, forget = code_blocks_below(GUIDE, ONE_OF_SEVERAL, "sh")
    (leave,) = code_blocks_below(GUIDE, LEAVE, "hcl")
    (untag,) = code_blocks_below(GUIDE, LEAVE, "sh")
    workspace.write(PROVIDER + before)
    workspace.init()
    workspace.apply()
    registered = aws.see(ca.id)
    writes(sandbox)

    one = module(workspace, after)
    both = one.replace(
        "    workshop = {\n", f"    factory = {{\n{JITP_CA}    }}\n    workshop = {{\n"
    )
    workspace.write(both)
    workspace.init()
    said = workspace.apply().output

    assert "terraform_data.workshop will no longer be managed by Terraform" in said
    assert "13 added, 0 changed, 0 destroyed" in said
    provision = ("CreateRole", "AttachRolePolicy", "CreateProvisioningTemplate")
    register = "RegisterCACertificate"
    # One tag adopts the CA of the script.
    assert writes(sandbox) == dict.fromkeys((*provision, register, "TagResource"), 1)
    assert aws.see(ca.id).generation == registered.generation
    provisioned = aws.see(leaving.id)
    assert provisioned.template == "factory"

    # One of several.
    listed = run_as_typed(workspace, listing).split()
    assert len([address for address in listed if ".data." not in address]) == 7
    run_as_typed(workspace, forget)
    workspace.write(one)
    assert workspace.plan().status == 0
    assert not [address for address in workspace.addresses() if "factory" in address]

    # The module, with the other.
    workspace.write(PROVIDER + leave + script)
    said = workspace.apply().output
    assert "1 added, 0 changed, 0 destroyed" in said
    assert writes(sandbox) == {}
    run_as_typed(workspace, untag + untag.replace("factory", "workshop"))

    assert writes(sandbox) == {"UntagResource": 2}
    assert aws.see(ca.id) == registered
    assert aws.see(leaving.id) == dataclasses.replace(provisioned, tags={})
    assert aws.templates() == {"factory"}
    assert workspace.plan().status == 0


@pytest.mark.timeout(600)
@pytest.mark.one_engine("what a provider replaces, imports and propagates is its own doing")
def test_the_guide_is_right_about_aws_iot_ca_certificate(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    aws = Account(sandbox, account, region)
    ca = with_ca(workspace, "factory")
    before, _ = code_blocks_below(GUIDE, RESOURCE, "hcl")
    role = aws.provisioning_role()
    inline = (
        "registration_config {\n"
        f'role_arn = "{role}"\ntemplate_body = jsonencode(jsondecode(file("template.json")))\n}}\n'
    )
    workspace.write(TEMPLATE_BODY, "template.json")
    configured = before.replace("  tags ", f"{inline}  tags ")
    aws.register_default(ca)
    workspace.write(PROVIDER + before)
    workspace.init()

    imported = workspace.run("import", "aws_iot_ca_certificate.factory", ca.id, check=False)
    assert "doesn't support import" in imported.output
    created = workspace.apply(check=False)
    assert "ResourceAlreadyExistsException" in created.output

    # Moved by a record: with its proof, since without one the provider would replace the CA.
    record, proof = code_blocks_below(GUIDE, WITHOUT_RECORD, "sh")
    _, back = code_blocks_below(GUIDE, PROCEDURE, "sh")
    back = back.replace("before.tfstate", "record.tfstate")
    with_proof = proof.partition("# In the record: ")[2].strip()
    code = aws.iot.get_registration_code()["registrationCode"]
    workspace.write(new_leaf(ca, code).pem, "verification.pem")
    mode = f'{DEFAULT_MODE}\nverification_certificate_pem = file("verification.pem")'
    in_default = configured.replace('certificate_mode        = "SNI_ONLY"', mode)
    workspace.write(PROVIDER + in_default)
    run_as_typed(workspace, proof + record.replace('{ "id": "$id" }', with_proof))
    run_as_typed(workspace, back)
    adopted = aws.see(ca.id)
    assert (adopted.mode, adopted.user_tags) == ("DEFAULT", {"team": "devices"})
    assert workspace.plan().status == 0

    aws.tag(ca, {"somebody": "else"})
    other_text = in_default.replace('file("factory-ca.pem")', '"#\\n${file("factory-ca.pem")}"')
    other_proof = in_default.replace('file("verification.pem")', '"renewed"')
    for text, forces in (
        (other_text, "ca_certificate_pem"),
        (other_proof, "verification_certificate_pem"),
    ):
        workspace.write(PROVIDER + text)
        said = workspace.plan().output
        assert re.search(rf"{forces} += \(sensitive value\) # forces replacement", said), said
    workspace.write(PROVIDER + in_default.replace(mode, DEFAULT_MODE))
    said = workspace.plan(check=False).output
    assert '"verification_certificate_pem" is required' in said

    workspace.write(PROVIDER + in_default.replace(inline, ""))
    workspace.apply()
    described = aws.iot.describe_ca_certificate(certificateId=ca.id)
    assert "templateBody" in described["registrationConfig"]
    assert aws.see(ca.id).tags == {"team": "devices"}
    assert workspace.plan().status == 2

    # From there to the module: the body becomes a template, in one call.
    (after,) = code_blocks_below(GUIDE, TEMPLATE, "hcl")
    after = after.replace("aws_iam_role.provisioning.arn", f'"{role}"')
    after = re.sub(r"(?ms)^moved \{.*?^\}\n", REMOVED_FACTORY, after)
    after = after.replace(
        "      provisioning = {", f"      {DEFAULT_MODE}\n      provisioning = {{"
    )
    workspace.write(module(workspace, after))
    workspace.init()
    writes(sandbox)
    said = workspace.apply().output

    assert "adopt template an inline body -> " in said
    assert writes(sandbox) == {
        "CreateProvisioningTemplate": 1,
        "UpdateCACertificate": 1,
        "TagResource": 1,
    }
    moved = aws.see(ca.id)
    assert (moved.template, moved.generation) == ("fleet", adopted.generation)
    assert workspace.plan().status == 0
