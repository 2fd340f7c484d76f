"""Clients for the tests of the sandbox, and what most of them begin with."""

from __future__ import annotations

import functools
import json
from typing import Any

from botocore.config import Config

from tests.support.clients import new_client

REGION = "eu-west-1"
ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"

TRUST_IOT = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "iot.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
BODY = json.dumps(
    {
        "Parameters": {"AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                    "Status": "ACTIVE",
                },
            }
        },
    }
)


class Clients:
    """boto3 clients by service, account and region; making one is slow, so they are kept."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.kept = functools.cache(self.new)

    def new(
        self,
        service: str,
        account: str = ONE,
        region: str = REGION,
        attempts: int = 1,
        token: str | None = None,
    ) -> Any:
        return new_client(
            self.endpoint,
            service,
            region,
            account,
            token=token,
            config=Config(
                retries={"total_max_attempts": attempts, "mode": "standard"},
                connect_timeout=60,
                read_timeout=60,
                proxies={},
                parameter_validation=False,  # the sandbox has to refuse by itself
            ),
        )

    def iot(self, account: str = ONE, region: str = REGION) -> Any:
        return self.kept("iot", account, region)

    def iam(self, account: str = ONE) -> Any:
        return self.kept("iam", account)

    def sts(self, account: str = ONE) -> Any:
        return self.kept("sts", account)

    def role(self, account: str = ONE, name: str = "provisioning", trust: str = TRUST_IOT) -> str:
        """The ARN of a new role."""
        role = self.iam(account).create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        return str(role["Role"]["Arn"])

    def template(self, name: str = "fleet", **changed: Any) -> Any:
        """A new JITP template in account ONE, with ``changed`` members of the call."""
        role_arn = changed.pop("provisioningRoleArn", None) or self.role(name=f"role-of-{name}")
        members = {
            "templateName": name,
            "templateBody": BODY,
            "provisioningRoleArn": role_arn,
            "enabled": True,
            "type": "JITP",
            **changed,
        }
        return self.iot().create_provisioning_template(**members)
