"""`deregister`: delete, deactivate or retain one CA, for the destroy-time provisioner."""

from __future__ import annotations

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.errors import Failure, Failures
from iot_ca.reconcile import deregistration
from iot_ca.reconcile.execution import RemoteCa
from iot_ca.terraform import protocol


def deregister(text: str) -> str:
    """Deregister the CA of the request; return what was done, in words.

    It is not an error if the CA is not registered. Raises Failures.
    """
    request = protocol.read_deregister(text)
    account = Account(request.target)
    remote = RemoteCa(request.certificate_id, CaCertificates(account), Snapshots(account))
    try:
        done = deregistration.deregister(request, remote)
    except Failure as failure:
        raise Failures(request.target, {request.name: failure}) from failure
    return f"iot_ca: {request.name} ({request.target}): {done}"
