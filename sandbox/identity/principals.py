"""Principals and sessions: who a call acts as."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Principal:
    """Who a call acts as. ``role_arn`` is set for a session of an assumed role.

    ``session_policy`` bounds what a session may do, where one was given with AssumeRole.
    """

    account: str
    arn: str
    user_id: str
    role_arn: str | None = None
    session_policy: str | None = None


@dataclass(frozen=True)
class ServicePrincipal:
    """An AWS service that acts for an account, such as ``iot.amazonaws.com``."""

    name: str


# Set by the server on every request, so that a response knows who calls.
PRINCIPAL_KEY = "sandbox.principal"


@dataclass(frozen=True)
class Session:
    """Temporary credentials that the sandbox has issued."""

    access_key_id: str
    session_token: str
    expiration: datetime
    principal: Principal


def partition_of(region: str) -> str:
    """Return the partition that ``region`` is in, as ARNs spell it."""
    for prefix, partition in (
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ):
        if region.startswith(prefix):
            return partition
    return "aws"


def root_of(account: str, region: str) -> Principal:
    """Return the root user of ``account``."""
    return Principal(account, f"arn:{partition_of(region)}:iam::{account}:root", account)
