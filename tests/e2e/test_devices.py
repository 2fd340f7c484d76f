"""What it is all for: devices of a CA that the module has registered get in, and no others do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import CA, new_ca, new_leaf
from tests.support.terraform.stack import Stack
from tools.device import Device

pytestmark = pytest.mark.one_engine("what AWS IoT does with a device comes after Terraform")


def device_of(ca: CA, name: str, folder: Path) -> Device:
    """A device that sends its CA's certificate along, as one without SNI must."""
    leaf = new_leaf(ca, name)
    certificate = folder / f"{name}-{leaf.id[:8]}.pem"
    certificate.write_text(leaf.pem + ca.pem)
    return Device(certificate, leaf.key_file(folder, f"{certificate.stem}.key"), name)


def endpoint(account: Account) -> str:
    answer = account.iot.describe_endpoint(endpointType="iot:Data-ATS")
    return answer["endpointAddress"]


def test_from_the_module_to_a_device_that_talks(
    stack: Stack,
    sandbox: Sandbox,
    new_account_by_hand: Callable[[], Account],
    tmp_path: Path,
    region: str,
) -> None:
    ca = new_ca()
    wanted = {
        "certificate_pem": ca.pem,
        "certificate_mode": "DEFAULT",
        "verification": {"ca_private_key_file": ca.key_file(tmp_path)},
        "provisioning": {"type": "JITP"},
    }
    stack.want({"root": wanted})
    stack.apply()
    listener, host = sandbox.devices(region), endpoint(stack.account)
    other = new_account_by_hand()
    other.register(ca)

    first, second, late = (device_of(ca, name, tmp_path) for name in ("first", "second", "late"))
    # The module's own template and policy: the thing is the common name, its topics are below it.
    visit = first.visit(listener, None, topic="first/up")
    assert (visit.accepted, visit.attempts) == (True, 2), visit
    assert visit.received == (("first/up", b"hello"),)
    thing = stack.account.iot.describe_thing(thingName="first")
    assert thing["attributes"] == {
        "ca_certificate_id": ca.id,
        "ca_certificate_mode": "DEFAULT",
    }
    assert second.visit(listener, host, topic="second/up").received
    with second.connect(listener, host) as session:
        assert not session.publish("first/up", b"not mine")
        assert session.wait_for_end()
    assert other.iot.list_certificates()["certificates"] == []

    successor = new_ca("successor")
    next_wanted = {
        **wanted,
        "certificate_pem": successor.pem,
        "verification": {"ca_private_key_file": successor.key_file(tmp_path, "successor.key")},
    }
    stack.want({"root": {**wanted, "status": "INACTIVE"}, "successor": next_wanted})
    stack.apply()
    # A renewed certificate of a known thing, which follows to the new CA.
    renewed = device_of(successor, "first", tmp_path)
    assert renewed.visit(listener, None, topic="first/up").received
    thing = stack.account.iot.describe_thing(thingName="first")
    assert thing["attributes"]["ca_certificate_id"] == successor.id
    assert first.visit(listener, None).attempts == 1
    assert not late.visit(listener, host).accepted
    reasons = {event.reason for event in sandbox.device_log(account=stack.account.number)}
    assert f"CA certificate {ca.id} is INACTIVE" in reasons
