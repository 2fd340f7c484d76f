"""`deregister`: delete, deactivate or retain one CA, for the destroy-time provisioner."""

from __future__ import annotations

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.errors import Failures, as_failure
from iot_ca.reconcile import deregistration
from iot_ca.reconcile.execution import RemoteCa
from iot_ca.terraform import protocol


def deregister(text: str) -> str:
    """Deregister the CA of the request; return what was done, in words.

    It is not an error if the CA is not registered. Raises Failures.
    """
    request = protocol.read_deregister(text)
    try:
        account = Account(request.target, named_by="the state")
        remote = RemoteCa(request.certificate_id, CaCertificates(account), Snapshots(account))
        done = deregistration.deregister(request, remote)
    except BaseException as error:
        raise Failures(request.target, {request.name: as_failure(error)}) from error
    return f"iot_ca: {request.name} ({request.target}): {done}"
