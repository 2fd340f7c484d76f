"""A fleet on the sandbox, and the command that looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from iot_ca import model
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import pem

TAGS = {model.ORIGIN_TAG: "registered", model.OWNER_TAG: "me", model.REVISION_TAG: "register 1"}

# The command in this process: its exit status and what it printed.
Run = Callable[..., tuple[int, str, str]]


def rows(out: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The rows of the JSON by account, region and CA."""
    found = json.loads(out)["certificate_authorities"]
    return {(row["account"], row["region"], row["ca"]): row for row in found}


@dataclass
class World:
    """Accounts that a hub may enter by role, and the file that names them."""

    sandbox: Sandbox
    folder: Path
    hub: str
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, account: str, **more: Any) -> None:
        """An account with a role that trusts the hub, where no device is provisioned."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"AWS": f"arn:aws:iam::{self.hub}:root"},
                }
            ],
        }
        made = (
            Account(self.sandbox, account, "us-east-1")
            .client("iam")
            .create_role(RoleName="status", AssumeRolePolicyDocument=json.dumps(trust))
        )
        self.accounts[name] = {
            "account_id": account,
            "role_arn": made["Role"]["Arn"],
            "region": "eu-west-1",
            "provisioning": {"type": "NONE"},
            **more,
        }

    def register(
        self,
        name: str,
        region: str,
        certificate: x509.Certificate,
        *,
        active: bool = True,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Register a CA in SNI_ONLY mode, as the module would."""
        cloud = Account(self.sandbox, self.accounts[name]["account_id"], region)
        cloud.client("iot").register_ca_certificate(
            caCertificate=pem(certificate),
            certificateMode="SNI_ONLY",
            setAsActive=active,
            allowAutoRegistration=False,
            tags=[{"Key": k, "Value": v} for k, v in (TAGS if tags is None else tags).items()],
        )

    def write(self, **variables: Any) -> str:
        """The path of a file with the accounts and these variables."""
        path = self.folder / "accounts.tfvars.json"
        path.write_text(json.dumps({"accounts": self.accounts, **variables}), encoding="utf-8")
        return str(path)
