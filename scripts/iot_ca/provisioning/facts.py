"""What was observed of the resources that provision devices: plain data, the input of every check.

A value that could not be read is `Unreadable` in its place; None says that AWS does not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from iot_ca.model import Target


class Located(Protocol):
    """What belongs to one account and Region, such as all that was observed there."""

    @property
    def target(self) -> Target:
        """The account, the Region, and the credentials to reach them."""

    @property
    def partition(self) -> str:
        """The partition of AWS, such as `aws`."""

    @property
    def iot_arn_prefix(self) -> str:
        """`arn:PARTITION:iot:REGION:ACCOUNT`."""


@dataclass(frozen=True)
class Unreadable:
    """What could not be read, and why, in words that name the permission or the remedy."""

    reason: str


@dataclass(frozen=True)
class PolicyDocument:
    """A policy of a role or a device. `name` is an ARN for a managed policy of IAM."""

    name: str
    document: str


@dataclass(frozen=True)
class Role:
    """A role that a service assumes."""

    arn: str
    trust: str
    inline: tuple[PolicyDocument, ...] = ()
    managed: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None

    @property
    def name(self) -> str:
        """The name without the path."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class MissingRole:
    """A role that a template or a function names and IAM does not have."""

    arn: str


RoleFacts = Role | MissingRole | Unreadable


@dataclass(frozen=True)
class Template:
    """A provisioning template, or the body that a CA carries itself (`name` None)."""

    name: str | None
    type: str
    enabled: bool
    body: str
    role_arn: str


@dataclass(frozen=True)
class Rule:
    """A topic rule whose topic pattern may be that of a CA's events."""

    name: str
    arn: str
    sql: str
    disabled: bool
    payload: Mapping[str, Any]
    functions: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """A Lambda function that a rule calls."""

    arn: str
    name: str
    modified: datetime
    environment: Mapping[str, str]
    role: RoleFacts
    policy: str | Unreadable | None
    reserved_concurrency: int | Unreadable | None
    errors: tuple[str, ...] | Unreadable = ()
