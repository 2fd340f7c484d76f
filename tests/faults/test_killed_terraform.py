"""Terraform and all its processes are killed in a first apply; the product says how to go on.

What is followed is what a plan prints, and nothing else: import what it says, apply. The answers of
AWS are late, so that many kills fall between the effect of a call and the state that records it.
IOT_CA_KILLS=20 kills 20 times.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import CA, new_ca
from tests.support.faults.slow_line import slow_line
from tools.engine.terraform import Terraform

# The first falls where the template is lost, the others at random.
KILLS = int(os.environ.get("IOT_CA_KILLS", "2"))
SEED = 20250701
LATE_SECONDS = 0.3
# So late that the processes are killed before they know that the template was created.
VERY_LATE_SECONDS = 1
NAME = "root-2025"
ADDRESS = f'module.iot_ca.module.jitp["{NAME}"].aws_iot_provisioning_template.provisioning'


@dataclass(frozen=True)
class Site:
    """A configuration with one CA and JITP, to be applied for the first time in one account."""

    terraform: Terraform
    account: Account
    ca: CA

    @property
    def env(self) -> Mapping[str, str]:
        """The credentials of the account, and its endpoint."""
        return self.account.sandbox.environment(self.account.number, self.account.region)

    def count_calls(self) -> int:
        """Return how many calls were made in the account."""
        return len(self.account.sandbox.calls(account=self.account.number))

    def kill(self, endpoint: str, is_time: Callable[[], bool]) -> None:
        """Apply, and kill all processes once `is_time` says so, if the apply has not ended then."""
        env = {**self.env, "AWS_ENDPOINT_URL": endpoint}
        with self.terraform.start("apply", "-auto-approve", env=env) as process:
            while process.poll() is None and not is_time():
                time.sleep(0.01)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def kill_at_template(self) -> None:
        """Apply, and kill all processes before the answer that the template was created."""
        with slow_line(self.account.sandbox.endpoint, VERY_LATE_SECONDS) as endpoint:
            self.kill(endpoint, lambda: bool(self.account.templates()))

    def import_lines(self) -> list[str]:
        """Plan, and return the lines to paste that the plan prints."""
        plan = self.terraform.run("plan", env=self.env)
        return re.findall(r"^ +(terraform import .+)$", plan.stdout, re.MULTILINE)

    def follow(self) -> list[str]:
        """Do what the plan says, apply, and check the result; return what was imported."""
        lines = self.import_lines()
        for line in lines:
            self.terraform.run(*shlex.split(line)[1:], env=self.env)
        self.terraform.apply(env=self.env)
        second = self.terraform.plan(env=self.env)
        assert second.status == 0, second.output
        assert "Warning" not in second.stdout, second.output
        registered = self.account.see(self.ca.id)
        assert (registered.status, registered.template) == ("ACTIVE", NAME)
        assert self.account.templates() == {NAME}
        return lines


@pytest.fixture
def account(new_account: Callable[[], str]) -> str:
    """The account of the working folder; each site has one of its own in its place."""
    return new_account()


@pytest.fixture
def new_site(
    workspace: Terraform, sandbox: Sandbox, new_account: Callable[[], str], region: str
) -> Callable[[], Site]:
    """Make a site without a state, in an account of its own, at each call."""
    workspace.write(f"""
provider "aws" {{}}

module "iot_ca" {{
  source = "{workspace.source()}"

  certificate_authorities = {{
    {NAME} = {{
      certificate_pem = file("${{path.module}}/root-ca.pem")
      provisioning    = {{ type = "JITP" }}
    }}
  }}
}}
""")
    workspace.init()

    def make() -> Site:
        for left in workspace.folder.glob("*terraform.tfstate*"):
            left.unlink()
        ca = new_ca(NAME)
        workspace.write(ca.pem, "root-ca.pem")
        return Site(workspace, Account(sandbox, new_account(), region), ca)

    return make


@pytest.mark.timeout(300 + 150 * KILLS)
@pytest.mark.own_python("what is killed is the program's own process")
def test_a_first_apply_killed_at_random_converges_as_the_plan_says(
    new_site: Callable[[], Site],
    sandbox: Sandbox,
    record_property: Callable[[str, object], None],
) -> None:
    lot = random.Random(SEED)
    # A template that the state has lost, in every run of this test.
    site = new_site()
    site.kill_at_template()
    assert site.account.look(site.ca.id) is None
    assert ADDRESS not in site.terraform.addresses()
    # Without the import the apply stops, as often as it is tried.
    refused = site.terraform.apply(check=False, env=site.env)
    assert refused.status == 1
    assert "already exists" in refused.output
    assert site.follow() == [f"terraform import '{ADDRESS}' {NAME}"]

    with slow_line(sandbox.endpoint, LATE_SECONDS) as endpoint:
        whole = new_site()
        whole.kill(endpoint, lambda: False)
        # Counted in calls, since a machine with other work does not make as many in a second.
        all_calls = whole.count_calls()
        for _ in range(KILLS - 1):
            site = new_site()
            calls, late = lot.randrange(all_calls), lot.uniform(0, LATE_SECONDS)
            site.kill(endpoint, partial(_have_passed, site, calls, late))
            told = f"killed after {calls} of {all_calls} calls and {late:.2f} s"
            told += f", {len(site.terraform.addresses())} in the state"
            print(f"{told}: {site.follow() or 'nothing'} to import")
    record_property("faults", KILLS)


def _have_passed(site: Site, calls: int, seconds: float) -> bool:
    if site.count_calls() < calls:
        return False
    time.sleep(seconds)
    return True
