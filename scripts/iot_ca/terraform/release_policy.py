"""`release-policy`: let a policy be deleted that devices have, for the destroy-time provisioner."""

from __future__ import annotations

from iot_ca.aws import device_policies
from iot_ca.aws.session import Account
from iot_ca.errors import Failures, as_failure
from iot_ca.terraform import protocol


def release_policy(text: str) -> str:
    """Move the devices that have the policy of the request to a copy; return that in words.

    Raises Failures.
    """
    request = protocol.read_release_policy(text)
    policy = request.policy_name
    try:
        count, copy = device_policies.release(Account(request.target, named_by="the state"), policy)
    except BaseException as error:
        raise Failures(request.target, {request.name: as_failure(error)}) from error
    done = f"policy {policy} is attached to nothing"
    if count:
        noun = "device has" if count == 1 else "devices have"
        done = (
            f"{count} {noun} policy {copy} in place of {policy} now; Terraform does not manage it"
        )
    return f"iot_ca: {request.name} ({request.target}): {done}"
