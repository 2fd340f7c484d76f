"""`register`: reconcile one CA, for the create-time provisioner of its record."""

from __future__ import annotations

from collections.abc import Callable

from iot_ca import ownership
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import Snapshots
from iot_ca.certificates import pem
from iot_ca.errors import Failures, as_failure
from iot_ca.model import RegisterRequest, Target
from iot_ca.reconcile.execution import RemoteCa
from iot_ca.reconcile.loop import reconcile
from iot_ca.reconcile.proof import Ownership
from iot_ca.reconcile.revision import encode
from iot_ca.reconcile.steps import Goal
from iot_ca.terraform import protocol


def register(text: str, account_of: Callable[[Target], Account] = Account) -> str:
    """Reconcile the CA of the request; return what was done, in words.

    `account_of` returns the account of a target, which requests can share.
    Writes only what differs, and the revision last. Raises Failures.
    """
    request = protocol.read_register(text)
    try:
        done = _register(request, account_of(request.target))
    except BaseException as error:
        raise Failures(request.target, {request.name: as_failure(error)}) from error
    return f"iot_ca: {request.name} ({request.target}): {done}"


def _register(request: RegisterRequest, account: Account) -> str:
    desired = request.desired
    certificate = pem.read(desired.certificate_pem)
    is_absent = request.is_absent_in_plan
    if is_absent:
        # The ARN of a CA that is described names the account; this one is registered at once.
        account.check()
    return reconcile(
        Goal(desired, certificate, encode(request.revision), request.owner, is_absent),
        RemoteCa(certificate.certificate_id, CaCertificates(account), Snapshots(account)),
        Ownership(lambda: ownership.claim(desired, certificate, account)),
    )
