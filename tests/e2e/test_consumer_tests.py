"""`terraform test` of a configuration that calls this module, as docs/testing.md shows it."""

from __future__ import annotations

from pathlib import Path

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import DAY, NOW, new_ca
from tests.support.readmes import code_blocks_below
from tools.checkout import ROOT
from tools.engine.terraform import Terraform

CONFIGURATION = """
variable "type" {{
  default = "JITP"
}}

provider "aws" {{}}

module "iot_ca" {{
  source = "{source}"

  # The CA for tests is valid for days.
  expiry_warning_days = 0

  certificate_authorities = {{
    factory-2025 = {{
      certificate_pem = file("${{path.module}}/device-ca.pem")
      provisioning    = {{ type = var.type }}
    }}
  }}
}}
"""

JITR = """
run "a_plan_of_jitr_passes" {
  command = plan
  variables {
    type = "JITR"
  }
}
"""

# One more run: the CA is changed in the state of the first one.
PLAN = """
run "a_plan_passes" {
  command = plan
}
"""


def test_a_test_of_a_configuration_passes_without_expected_failures(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    ca = new_ca(end=NOW + 2 * DAY)
    by_hand = Account(sandbox, account, region)
    # Otherwise there is a warning of disabled events, and one of a CA that expires soon.
    by_hand.enable_events()
    workspace.write(ca.pem, "device-ca.pem")
    workspace.write(CONFIGURATION.format(source=workspace.source()))
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert "`expiry_warning_days = 0`" in page
    (real,) = code_blocks_below(page, "With an account", "hcl")
    (mocked,) = code_blocks_below(page, "Without an account", "hcl")
    Path(workspace.folder / "tests").mkdir()
    again = PLAN.replace("a_plan", "another_plan")
    workspace.write(JITR + PLAN + real + again, "tests/real.tftest.hcl")
    workspace.write(mocked, "tests/mocked.tftest.hcl")
    workspace.init()
    sandbox.forget_calls()
    # One process does all runs. An apply takes more than a second on AWS, and plantimestamp(), by
    # which a plan knows that it creates the template, has whole seconds.
    sandbox.fault("latency", operation="CreateProvisioningTemplate", account=account, seconds=1.2)

    said = workspace.run("test").output

    assert "5 passed, 0 failed" in said
    assert "Warning" not in said
    written = [call.operation for call in sandbox.calls(service="iot", write=True)]
    assert "RegisterCACertificate" in written
    assert "DeleteCACertificate" in written
    assert by_hand.look(ca.id) is None
    assert by_hand.templates() == set()
