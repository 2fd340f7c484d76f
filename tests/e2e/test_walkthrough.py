"""The walk-through of AWS's blog on multi-account registration, as code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.openssl import openssl
from tests.support.terraform.outcome import Outcome, read_outcome
from tools.engine.terraform import Terraform

# One configuration for all accounts; the workspace says which.
CONFIGURATION = """
locals {{
  proof = {{
    account-1        = {{ ca_private_key_file = "${{path.root}}/root_CA_key.pem" }}
    account-1-abroad = {{ certificate_pem = try(file("${{path.root}}/verification.pem"), "") }}
    account-4        = {{ ca_private_key_file = "${{path.root}}/root_CA_key.pem" }}
  }}
}}

module "ca" {{
  source = "{source}"

  certificate_authorities = {{
    root = {{
      certificate_pem  = file("${{path.root}}/root_CA_cert.pem")
      certificate_mode = contains(keys(local.proof), terraform.workspace) ? "DEFAULT" : "SNI_ONLY"
      verification     = lookup(local.proof, terraform.workspace, null)
      provisioning     = {{ type = "JITP", template_name = "fleet" }}
    }}
  }}
}}

output "certificate_authorities" {{
  value = module.ca.certificate_authorities
}}
"""


def make_root_ca(folder: Path) -> None:
    """The commands of the blog."""
    (folder / "root_CA.ext").write_text("basicConstraints = CA:TRUE\n")
    openssl("genrsa", "-out", "root_CA_key.pem", "2048", folder=folder)
    openssl(
        *("req", "-new", "-key", "root_CA_key.pem", "-out", "root_CA.csr"),
        *("-subj", "/C=DE/O=Example Corp/CN=Example Root CA"),
        folder=folder,
    )
    openssl(
        *("x509", "-req", "-in", "root_CA.csr", "-signkey", "root_CA_key.pem"),
        *("-out", "root_CA_cert.pem", "-days", "365", "-sha256", "-extfile", "root_CA.ext"),
        folder=folder,
    )


def make_verification_certificate(folder: Path, code: str) -> None:
    """The commands of the developer guide."""
    openssl("genrsa", "-out", "verification.key", "2048", folder=folder)
    openssl(
        *("req", "-new", "-key", "verification.key", "-out", "verification.csr"),
        *("-subj", f"/CN={code}"),
        folder=folder,
    )
    openssl(
        *("x509", "-req", "-in", "verification.csr", "-CA", "root_CA_cert.pem"),
        *("-CAkey", "root_CA_key.pem", "-CAcreateserial", "-out", "verification.pem"),
        *("-days", "30", "-sha256"),
        folder=folder,
    )


@pytest.mark.one_engine("which account may have a CA in which mode is for AWS to say")
def test_one_ca_in_three_accounts_and_refused_in_a_fourth(
    workspace: Terraform, sandbox: Sandbox, region: str, new_account: Callable[[], str]
) -> None:
    folder = workspace.folder
    make_root_ca(folder)
    workspace.write(CONFIGURATION.format(source=workspace.source()))
    workspace.init()
    names = ("account-1", "account-2", "account-3", "account-4")
    accounts = {name: Account(sandbox, new_account(), region) for name in names}
    abroad = Account(sandbox, accounts["account-1"].number, "eu-central-1")
    accounts["account-1-abroad"] = abroad
    code = abroad.iot.get_registration_code()["registrationCode"]
    make_verification_certificate(folder, code)

    def apply(name: str) -> Outcome:
        account = accounts[name]
        workspace.workspace(name)
        sandbox.forget_calls()
        env = {
            "AWS_ACCESS_KEY_ID": account.number,
            "AWS_REGION": account.region,
            "AWS_DEFAULT_REGION": account.region,
        }
        completed = workspace.apply("-json", check=False, env=env)
        return read_outcome(completed, sandbox.calls())

    modes = {
        "account-1": "DEFAULT",
        "account-2": "SNI_ONLY",
        "account-3": "SNI_ONLY",
        "account-1-abroad": "DEFAULT",
    }
    ids = set()
    for name, mode in modes.items():
        account = accounts[name]
        outcome = apply(name)
        assert outcome.errors == [], name
        result = outcome.outputs["certificate_authorities"]["root"]
        certificate_id = result["certificate_id"]
        ids.add(certificate_id)

        description = account.iot.describe_ca_certificate(certificateId=certificate_id)
        shown = description["certificateDescription"]
        assert shown["certificateMode"] == result["certificate_mode"] == mode
        assert shown["status"] == result["status"] == "ACTIVE"
        assert shown["autoRegistrationStatus"] == result["auto_registration_status"] == "ENABLE"
        assert shown["ownedBy"] == account.number
        assert shown["certificateArn"] == result["certificate_arn"]
        assert description["registrationConfig"] == {"templateName": "fleet"}

        template = account.iot.describe_provisioning_template(templateName="fleet")
        assert (template["type"], template["enabled"]) == ("JITP", True)
        assert certificate_id in template["description"]
        assert mode in template["description"]
        tags = account.iot.list_tags_for_resource(resourceArn=template["templateArn"])["tags"]
        assert {
            "iot-ca:certificate-id": certificate_id,
            "iot-ca:certificate-mode": mode,
        }.items() <= {tag["Key"]: tag.get("Value", "") for tag in tags}.items()
        thing = json.loads(template["templateBody"])["Resources"]["thing"]["Properties"]
        assert thing["AttributePayload"] == {
            "ca_certificate_id": certificate_id,
            "ca_certificate_mode": mode,
        }
    assert len(ids) == 1, "the ID is the same everywhere"

    # What the blog shows, as it shows it.
    (certificate_id,) = ids
    for name, mode in (("account-1", "DEFAULT"), ("account-2", "SNI_ONLY")):
        command = ("iot", "describe-ca-certificate", "--certificate-id", certificate_id)
        shown = accounts[name].cli(*command)
        assert shown["certificateDescription"]["certificateMode"] == mode
        assert shown["certificateDescription"]["status"] == "ACTIVE"
        assert shown["certificateDescription"]["autoRegistrationStatus"] == "ENABLE"
        assert shown["registrationConfig"]["templateName"] == "fleet"

    refused = apply("account-4")

    assert refused.status == 1
    line = refused.error("root")
    assert "another account holds this CA in DEFAULT mode" in line
    assert 'set certificate_mode = "SNI_ONLY"' in line
    assert accounts["account-4"].number in line
    # aws_iot_ca_certificate goes on asking for two minutes.
    tried = [call for call in refused.calls if call.operation == "RegisterCACertificate"]
    assert len(tried) == 1
    assert time.time() - tried[0].time < 30
    assert accounts["account-4"].look(certificate_id) is None
