"""Devices of a run, as AWS IoT meets them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import could_not_be_tested
from tests.support.aws_contract.run import NewDevice, Run
from tests.support.certificates import CA
from tools.device import Visit

# A device that has to be accepted connects for so long; provisioning takes a few seconds.
_ACCEPTED_SECONDS = 60.0
# A device that has to be refused, or may be, connects for so long, and for twice as long as a
# device that was accepted has needed.
_REFUSED_SECONDS = 15.0
_PAUSE_SECONDS = 1.0
_MIN_PAUSE_SECONDS = 0.1
# More than a device can make.
_ANY_ATTEMPTS = 1000
# A role that was just made may lack its permissions for as long.
_SCOUT_SECONDS = 120.0


def is_accepted(account: AwsAccount, device: NewDevice, *, sni: bool = True) -> Visit:
    """Connect a device until AWS IoT accepts it, and return its last visit.

    It publishes to a topic of its own, and gets the message back.
    """
    topic = f"{device.name}/acceptance"
    return _visit(account, device, sni, seconds=_ACCEPTED_SECONDS, topic=topic)


def is_refused(
    account: AwsAccount, device: NewDevice, control: float, *, sni: bool = True
) -> Visit:
    """Connect a device that AWS IoT is expected to refuse, and return its last visit.

    control: the seconds that AWS IoT took for what it is expected not to do here.
    """
    pause = max(account.patience.seconds(_PAUSE_SECONDS), _MIN_PAUSE_SECONDS)
    return _visit(account, device, sni, seconds=_refused_seconds(account, control), pause=pause)


def may_be_accepted(account: AwsAccount, device: NewDevice, control: float) -> Visit:
    """Connect a device as `is_refused` does, whatever comes of it, and return its last visit."""
    return is_refused(account, device, control)


def connect(account: AwsAccount, device: NewDevice) -> Visit:
    """Connect a device once, whatever comes of it."""
    return _visit(account, device, attempts=1, seconds=_ACCEPTED_SECONDS)


def _refused_seconds(account: AwsAccount, control: float) -> float:
    return max(account.patience.seconds(_REFUSED_SECONDS), 2 * control)


def _visit(
    account: AwsAccount,
    device: NewDevice,
    sni: bool = True,
    *,
    seconds: float,
    attempts: int = _ANY_ATTEMPTS,
    pause: float | None = None,
    topic: str | None = None,
) -> Visit:
    listener = account.listener
    visit = device.device.visit(
        listener,
        listener.server_name if sni else None,
        topic=topic,
        attempts=attempts,
        seconds=seconds,
        pause=pause,
    )
    if "CERTIFICATE_VERIFY_FAILED" in (visit.error or ""):
        # The server was refused, not the device: without SNI it may show another certificate.
        could_not_be_tested(f"the device does not trust the server: {visit.error}")
    return visit


def words(visit: Visit) -> str:
    """Return how a visit ended, in the words of the report."""
    if not visit.accepted:
        return "refused"
    return "accepted at the first connection" if visit.attempts == 1 else "accepted later"


@dataclass(frozen=True)
class Fleet:
    """A CA and its template in an account, which provision devices by now."""

    run: Run
    account: AwsAccount
    ca: CA

    def new_device(self, name: str | None = None) -> NewDevice:
        """Return a device that the account does not know."""
        device = self.run.new_device(self.ca, name)
        self.run.expect(self.account, device)
        return device

    def certificate(self, device: NewDevice) -> dict[str, Any] | None:
        """Return the registered certificate of a device; None if there is none."""
        return registered_certificate(self.account, device)

    def thing(self, device: NewDevice) -> dict[str, Any] | None:
        """Return the thing of a device; None if there is none."""
        iot = self.account.iot
        try:
            thing: dict[str, Any] = iot.describe_thing(thingName=device.name)
        except iot.exceptions.ResourceNotFoundException:
            return None
        return thing


def registered_certificate(account: AwsAccount, device: NewDevice) -> dict[str, Any] | None:
    """Return the certificate of a device as an account has it; None if it is not registered."""
    try:
        answer = account.iot.describe_certificate(certificateId=device.issued.id)
    except account.iot.exceptions.ResourceNotFoundException:
        return None
    described: dict[str, Any] = answer["certificateDescription"]
    return described


def wait_until_provisioning(fleet: Fleet) -> Fleet:
    """Return `fleet` once a device of it is provisioned. Fail if none is within two minutes."""
    if not provisions(fleet, _SCOUT_SECONDS):
        pytest.fail("no device was provisioned within two minutes")
    return fleet


def provisions(fleet: Fleet, seconds: float, control: float = 0.0) -> bool:
    """Return whether a device is provisioned within `seconds`, or a little more.

    Each scout is a new device: AWS IoT does not carry out a template again that has failed, and it
    fails until a new role has its permissions. Each connects for longer than the one before, since
    it is not known how long provisioning takes.
    """
    deadline = time.monotonic() + seconds
    while True:
        if may_be_accepted(fleet.account, fleet.new_device(), control).accepted:
            return True
        if time.monotonic() > deadline:
            return False
        control = _refused_seconds(fleet.account, control)


def provisioning_seconds(fleet: Fleet) -> float:
    """Provision a new device and return how long it took: the control of a negative check."""
    started = time.monotonic()
    if not is_accepted(fleet.account, fleet.new_device()).accepted:
        pytest.fail("the control was not provisioned")
    return time.monotonic() - started
