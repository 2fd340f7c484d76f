"""The AWS accounts of the demo, each with its workspace in examples/workspaces."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "eu-west-1"
EXAMPLE = "examples/workspaces"
# The name of the CA in the example, and of its provisioning template.
CA_NAME = "factory"


@dataclass(frozen=True)
class DemoAccount:
    """An AWS account and the workspace that stands for it."""

    workspace: str
    number: str
    mode: str

    def __str__(self) -> str:
        return f"{self.workspace}, {self.number}"


PRODUCTION = DemoAccount("production", "111111111111", "DEFAULT")
STAGING = DemoAccount("staging", "222222222222", "SNI_ONLY")
DEVELOPMENT = DemoAccount("development", "333333333333", "SNI_ONLY")
ACCOUNTS = (PRODUCTION, STAGING, DEVELOPMENT)
PARTNER = DemoAccount("partner", "444444444444", "DEFAULT")
