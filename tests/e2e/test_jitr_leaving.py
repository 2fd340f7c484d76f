"""Leaving JITR: devices keep what its policy allows, and nothing waits for them."""

from __future__ import annotations

import time

import pytest

from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.stack import Stack

pytestmark = pytest.mark.one_engine("what happens to the policy is the program's doing")


def device_with(account: Account, policy: str) -> str:
    """The ARN of a device certificate that has a policy."""
    arn: str = account.iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    account.iot.attach_policy(policyName=policy, target=arn)
    return arn


def policies_of(account: Account, device: str) -> dict[str, str]:
    """The policies of a device certificate, with their documents."""
    attached = account.iot.list_attached_policies(target=device)["policies"]
    names = [policy["policyName"] for policy in attached]
    return {name: str(account.iot.get_policy(policyName=name)["policyDocument"]) for name in names}


def test_devices_keep_their_policy_when_their_ca_leaves_jitr(
    stack: Stack, subtests: pytest.Subtests
) -> None:
    account = stack.account
    cas = {name: new_ca(name) for name in ("leaves", "destroyed", "unused")}
    jitr = {
        name: {"certificate_pem": ca.pem, "provisioning": {"type": "JITR"}}
        for name, ca in cas.items()
    }
    stack.want(jitr)
    stack.apply()
    devices = {
        name: [device_with(account, f"iot-jitr-{name}") for _ in range(3)]
        for name in ("leaves", "destroyed")
    }
    before = {
        name: policies_of(account, targets[0])[f"iot-jitr-{name}"]
        for name, targets in devices.items()
    }
    stack.want({**jitr, "leaves": {"certificate_pem": cas["leaves"].pem}})

    start = time.monotonic()
    left = stack.apply()

    assert time.monotonic() - start < 100, "it has waited for the devices"
    assert "3 devices have policy iot-jitr-leaves-" in left.text
    steady = stack.plan()
    assert (steady.status, steady.changes) == (0, {})

    stack.destroy()

    assert stack.terraform.addresses() == []
    for name, targets in devices.items():
        for target in targets:
            with subtests.test("a device keeps what the policy allows", ca=name):
                ((policy, document),) = policies_of(account, target).items()
                assert policy.startswith(f"iot-jitr-{name}-")
                assert document == before[name]
    with subtests.test("a policy that no device has leaves nothing"):
        names = [policy["policyName"] for policy in account.iot.list_policies()["policies"]]
        assert len(names) == 2, names
