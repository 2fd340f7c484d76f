"""`deregister`: delete, deactivate or retain one CA, for the destroy-time provisioner."""

from __future__ import annotations

from collections.abc import Callable

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.errors import Failures, as_failure
from iot_ca.model import Target
from iot_ca.reconcile import deregistration
from iot_ca.reconcile.execution import RemoteCa
from iot_ca.terraform import protocol


def account_of_state(target: Target) -> Account:
    """Return the account of a target that a Terraform state has recorded."""
    return Account(target, named_by="the state")


def deregister(text: str, account_of: Callable[[Target], Account] = account_of_state) -> str:
    """Deregister the CA of the request; return what was done, in words.

    `account_of` returns the account of a target, which requests can share.
    It is not an error if the CA is not registered. Raises Failures.
    """
    request = protocol.read_deregister(text)
    try:
        account = account_of(request.target)
        remote = RemoteCa(request.certificate_id, CaCertificates(account), Snapshots(account))
        done = deregistration.deregister(request, remote)
    except BaseException as error:
        raise Failures(request.target, {request.name: as_failure(error)}) from error
    return f"iot_ca: {request.name} ({request.target}): {done}"
