"""What was observed of the resources that provision devices: plain data, the input of every check.

A value that could not be read is `Unreadable` in its place; None says that AWS does not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Location:
    """One account and Region."""

    target: Target
    partition: str

    @property
    def iot_arn_prefix(self) -> str:
        """`arn:PARTITION:iot:REGION:ACCOUNT`."""
        return f"arn:{self.partition}:iot:{self.target.region}:{self.target.account_id}"


@dataclass(frozen=True)
class DeviceCertificates:
    """How many certificates of a CA's devices are registered.

    Attributes:
        count: how many were counted.
        pending: how many of these are PENDING_ACTIVATION.
        more: whether there are more than were counted.
    """

    count: int
    pending: int = 0
    more: bool = False


@dataclass(frozen=True)
class Queue:
    """A queue for events that failed, and about how many wait in it."""

    name: str
    messages: int


@dataclass(frozen=True)
class ObservedRule:
    """A topic rule that handles the events of a CA, and what becomes of them.

    Attributes:
        function: that of the rule; None if the rule's function does not exist.
        queues: those for events that the rule or its function failed to handle.
        policy: the document of the policy that the module's function attaches, if it exists.
    """

    rule: Rule
    function: Function | Unreadable | None = None
    queues: tuple[Queue, ...] | Unreadable = ()
    policy: str | Unreadable | None = None


@dataclass(frozen=True)
class CaProvisioning:
    """What provisions the devices of one registered CA, and what came of it.

    Attributes:
        template, role: of a CA with a template; a template None does not exist.
        policies: the documents of the policies that the template names; None for one that does
            not exist.
        rules: the topic rules that decide on the events of a CA without a template.
        alarms: the names of the module's alarms that are in ALARM.
        devices: the certificates of the CA's devices.
    """

    template: Template | Unreadable | None = None
    role: RoleFacts | None = None
    policies: Mapping[str, str | Unreadable | None] = field(default_factory=dict)
    rules: tuple[ObservedRule, ...] | Unreadable = ()
    alarms: tuple[str, ...] | Unreadable = ()
    devices: DeviceCertificates | Unreadable = DeviceCertificates(0)
