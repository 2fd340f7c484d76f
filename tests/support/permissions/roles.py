"""Roles that act in an account of the sandbox, and the program as one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.config import Config

from sandbox.control import Call, Sandbox
from tests.support.accounts import Account
from tests.support.clients import new_client
from tests.support.faults.injection import FaultyProgram

ROLE = "pipeline"


class Role:
    """A role in an account, and one session of it."""

    def __init__(self, account: Account, name: str = ROLE) -> None:
        self.account, self.name = account, name
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": account.number},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        made = account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        self.arn = made["Role"]["Arn"]
        issued = account.client("sts").assume_role(RoleArn=self.arn, RoleSessionName="run")
        self.credentials: Mapping[str, str] = issued["Credentials"]
        self.principal = issued["AssumedRoleUser"]["Arn"]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make any AWS client act as this session."""
        account = self.account
        return {
            **account.sandbox.environment(account.number, account.region),
            "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
        }

    def client(self, service: str) -> Any:
        """boto3's client for a service, as this session, without second attempts."""
        issued = self.credentials
        return new_client(
            self.account.sandbox.endpoint,
            service,
            self.account.region,
            issued["AccessKeyId"],
            issued["SecretAccessKey"],
            issued["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def grant(self, document: str) -> None:
        """Give the role this policy and no other; the session has it at once."""
        self.account.iam.put_role_policy(
            RoleName=self.name, PolicyName="all", PolicyDocument=document
        )

    def calls(self) -> list[Call]:
        """What the session has called since calls were forgotten."""
        calls = self.account.sandbox.calls(account=self.account.number)
        return [call for call in calls if call.principal == self.principal]


class RoleProgram(FaultyProgram):
    """The program with a role's credentials."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, role: Role) -> None:
        super().__init__(monkeypatch, sandbox)
        self.role = role
        self.as_root = False

    def environment(self, account: Account) -> Mapping[str, str]:
        """The role's, or those of its account's root user while a case begins."""
        assert account == self.role.account
        return super().environment(account) if self.as_root else self.role.environment
