"""What was observed of a device and of an account: plain data, the input of every check.

A value that could not be read is `Unreadable` in its place; None says that AWS does not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from iot_ca.certificates.pem import Certificate
from iot_ca.model import Target
from iot_ca.provisioning.facts import (
    Function,
    PolicyDocument,
    RoleFacts,
    Rule,
    Template,
    Unreadable,
)

if TYPE_CHECKING:
    from cryptography import x509

# The name of a thing, a group, a thing type or a policy, and whether AWS IoT has it.
Presence = Mapping[str, "bool | Unreadable"]


@dataclass(frozen=True)
class Device:
    """The device as it connects.

    Attributes:
        certificate, parsed: its certificate.
        chain: what it sends behind it.
        client_id: its MQTT client ID, if it is known.
        sends_server_name: whether it sends the endpoint's name in the TLS handshake (SNI).
    """

    certificate: Certificate
    parsed: x509.Certificate
    chain: tuple[Certificate, ...] = ()
    client_id: str | None = None
    sends_server_name: bool = True


@dataclass(frozen=True)
class RegisteredCa:
    """A CA certificate as an account has registered it."""

    certificate_id: str
    parsed: x509.Certificate
    mode: str
    status: str
    auto_registration: bool
    registration_config: Mapping[str, str]
    created: datetime


@dataclass(frozen=True)
class WantedCa:
    """What the accounts file wants of a CA; `auto_registration` None if it does not say it."""

    status: str
    auto_registration: bool | None = None


@dataclass(frozen=True)
class RegisteredDevice:
    """The device's certificate as an account has registered it; `ca_id` None without a CA."""

    arn: str
    status: str
    mode: str
    ca_id: str | None


@dataclass(frozen=True)
class Jitp:
    """What provisioning the device by template meets. `thing_exists` is of the resulting name."""

    template: Template | Unreadable | None
    role: RoleFacts | None = None
    thing_exists: bool | Unreadable = False
    thing_types: Presence | None = None
    thing_groups: Presence | None = None
    # By name; None for a policy that does not exist.
    policies: Mapping[str, str | Unreadable | None] | None = None


@dataclass(frozen=True)
class DeadLetter:
    """An event of the device that failed; when it was sent, and why it failed if that is known."""

    sent: datetime
    queue: str
    error: str | None


@dataclass(frozen=True)
class DisabledEvents:
    """That the account publishes no events of CA certificates; whether it has set any events."""

    finding: str
    were_set: bool


@dataclass(frozen=True)
class Jitr:
    """What handles the registration event of the CA.

    Attributes:
        rules: the rules on events of this CA, and those on events of CAs that are not registered.
        events: None if events of CA certificates are enabled.
        function: that of the first enabled rule; None if the rule's function does not exist.
        policy: the document of the policy that the module's function attaches, if there is one.
    """

    rules: tuple[Rule, ...] | Unreadable
    function: Function | Unreadable | None = None
    events: DisabledEvents | Unreadable | None = None
    dead_letters: tuple[DeadLetter, ...] | Unreadable = ()
    policy: str | Unreadable | None = None


@dataclass(frozen=True)
class Authorization:
    """What TestAuthorization answers of iot:Connect.

    Attributes:
        decision: ALLOWED, EXPLICIT_DENY or IMPLICIT_DENY.
        denied_by: the policies that deny explicitly.
        missing: context values that the answer depends on.
    """

    decision: str
    denied_by: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """What a registered certificate may do."""

    client_id: str
    authorization: Authorization | Unreadable
    policies: tuple[PolicyDocument, ...] | Unreadable = ()
    things: tuple[str, ...] | Unreadable = ()
    thing_exists: bool | Unreadable = False
    usual_policy: str | None = None


@dataclass(frozen=True)
class LogEntry:
    """One line of AWS IoT's log of the device."""

    time: datetime
    text: str


@dataclass(frozen=True)
class Log:
    """AWS IoT's log: its level, or None where it is not configured; the last entries."""

    level: str | None
    entries: tuple[LogEntry, ...] | Unreadable = ()


@dataclass(frozen=True)
class Observation:
    """All that was read of one account and Region.

    `templates` has the names of the enabled JITP templates, for a CA that has none. `wanted` has
    what the accounts file says of CAs, by certificate ID.
    """

    target: Target
    partition: str
    now: datetime
    cas: tuple[RegisteredCa, ...] | Unreadable
    registered: RegisteredDevice | Unreadable | None
    endpoint: str | Unreadable
    log: Log | Unreadable
    jitp: Jitp | None = None
    jitr: Jitr | None = None
    access: Access | None = None
    templates: tuple[str, ...] | Unreadable = ()
    wanted: Mapping[str, WantedCa] = field(default_factory=dict)

    @property
    def iot_arn_prefix(self) -> str:
        """`arn:PARTITION:iot:REGION:ACCOUNT`."""
        return f"arn:{self.partition}:iot:{self.target.region}:{self.target.account_id}"
