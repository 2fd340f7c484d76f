"""A fault at every call of a CA that leaves JITR: no device is ever without what its policy allows.

The program gives the devices a copy of the policy before Terraform deletes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from iot_ca.aws import device_policies
from iot_ca.terraform.release_policy import release_policy
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.faults.injection import FAULTS, Fault, FaultyProgram
from tests.support.sandbox.in_process import in_this_process, keep_state

POLICY = "iot-jitr-root"
DOCUMENT = (
    '{"Version": "2012-10-17", '
    '"Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}'
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS in this process."""
    with in_this_process() as running:
        yield running


def policies_of(account: Account, device: str) -> list[str]:
    """The names of the policies of a device certificate, which all allow the same."""
    attached = account.iot.list_attached_policies(target=device)["policies"]
    names = [policy["policyName"] for policy in attached]
    documents = {account.iot.get_policy(policyName=name)["policyDocument"] for name in names}
    assert documents == {DOCUMENT}
    return names


def test_every_fault_leaves_the_devices_a_policy(
    program: FaultyProgram,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    # One device after the other, so that a call has the same number in each run.
    monkeypatch.setattr(device_policies, "_PARALLEL_CALLS", 1)
    monkeypatch.setattr(device_policies, "_RETRY_DELAY_SECONDS", 0)
    iot = account.iot
    iot.create_policy(policyName=POLICY, policyDocument=DOCUMENT)
    devices = [iot.create_keys_and_certificate()["certificateArn"] for _ in range(2)]
    for device in devices:
        iot.attach_policy(policyName=POLICY, target=device)
    request = {
        "name": "root",
        "target": {"account_id": account.number, "region": account.region},
        "policy_name": POLICY,
    }
    begin_again = keep_state(account.number, account.region)
    assert program.run(release_policy, request, account, None) is None
    calls = list(dict.fromkeys(program.line.calls))
    goal = [policies_of(account, device) for device in devices]
    assert all(len(names) == 1 and names != [POLICY] for names in goal)

    faults = [Fault(kind, after, call) for (kind, after), call in itertools.product(FAULTS, calls)]
    for fault in faults:
        begin_again()

        trouble = program.run(release_policy, request, account, fault)

        if fault.kind in ("cut", "busy"):
            assert trouble is None, f"{fault}: {trouble}"
        for device in devices:
            assert policies_of(account, device), fault
        if trouble is not None:
            # Terraform runs a destroy-time provisioner that has failed again.
            trouble = program.run(release_policy, request, account, None)
        assert trouble is None, fault
        assert [policies_of(account, device) for device in devices] == goal, fault
        assert iot.list_targets_for_policy(policyName=POLICY)["targets"] == [], fault
    record_property("faults", len(faults))
