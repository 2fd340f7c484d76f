"""A root module that calls this module, and the commands that are run in it.

stack = Stack(workspace, sandbox, account, region)
stack.want({"root": {"certificate_pem": new_ca("Root").pem}})
stack.apply()
assert stack.plan().status == 0
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.terraform.outcome import Outcome, read_outcome
from tools.engine.terraform import Terraform

Configuration = Mapping[str, Mapping[str, Any]]


class Stack:
    """A root module that calls this module as `module.ca`, for one account and region."""

    def __init__(
        self,
        terraform: Terraform,
        sandbox: Sandbox,
        account: str,
        region: str,
        *,
        provider: str = "",
        authorities: str = "var.certificate_authorities",
        arguments: str = "",
        extra: str = "",
        source: str | None = None,
        output: str = "module.ca.certificate_authorities",
    ) -> None:
        """Write the configuration, and initialise.

        `provider` goes into the aws provider's block, `arguments` into the module's, `extra`
        next to both; `authorities` is the map of CAs where it is not what `want` sets.
        """
        self.terraform = terraform
        self.sandbox = sandbox
        self.account = Account(sandbox, account, region)
        self.account.enable_events()
        self.want({})
        terraform.write(
            f"""
variable "certificate_authorities" {{
  type = any
}}

provider "aws" {{
  {provider}
}}

module "ca" {{
  source = "{source or terraform.source()}"

  certificate_authorities = {authorities}
  {arguments}
}}

output "certificate_authorities" {{
  value = {output}
}}

{extra}
"""
        )
        terraform.init()

    def want(self, authorities: Configuration) -> None:
        """Set the map of CAs."""
        values = {"certificate_authorities": authorities}
        self.terraform.write(json.dumps(values, indent=2), "terraform.tfvars.json")

    def plan(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Plan; status 0 or 2, or 1 where it is said to fail. `env` goes over the environment."""
        return self.run("plan", "-detailed-exitcode", *arguments, expected=_plan(fails), env=env)

    def apply(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Apply; succeeds unless it is said to fail."""
        return self.run("apply", "-auto-approve", *arguments, expected={int(fails)}, env=env)

    def destroy(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Destroy; succeeds unless it is said to fail."""
        return self.run("destroy", "-auto-approve", *arguments, expected={int(fails)}, env=env)

    def run(
        self,
        command: str,
        *arguments: str,
        expected: set[int],
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a command with -json, and collect what it said and which calls it made."""
        self.sandbox.forget_calls()
        completed = self.terraform.run(command, "-json", *arguments, check=False, env=env)
        outcome = read_outcome(completed, self.sandbox.calls())
        assert outcome.status in expected, "\n".join(
            [f"{command} ended with {outcome.status}", *outcome.errors, completed.stderr]
        )
        # Listing all CAs would be slow and would need a permission that is not asked for.
        assert "ListCACertificates" not in [call.operation for call in outcome.calls]
        return outcome


def _plan(fails: bool) -> set[int]:
    return {1} if fails else {0, 2}
