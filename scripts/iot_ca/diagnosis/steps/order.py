"""All checks of one account in the order in which AWS IoT takes a device. Pure.

The first check that is not ok is the cause: what comes after it may only be its consequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from iot_ca.diagnosis.facts import Device, Observation, RegisteredCa, RegisteredDevice
from iot_ca.diagnosis.report import Diagnosis, verdict
from iot_ca.diagnosis.steps import (
    access,
    ca,
    device_certificate,
    endpoint,
    jitp,
    jitr,
    log,
    registration,
)
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.facts import Unreadable

# What `aws.errors` says of a missing permission, and the policy for this command.
_DENIED = "allow it in their policy"
_POLICY = "report_json of modules/iam-policies"


def diagnose(account: str, device: Device, seen: Observation) -> Diagnosis:
    """Return the diagnosis of a device in one account and Region."""
    checks = tuple(_with_policy(_checks(device, seen)))
    return Diagnosis(
        account,
        seen.target.account_id,
        seen.target.region,
        verdict(checks, active=registration.is_active(seen)),
        checks,
        seen.target.credentials,
    )


def failed(account: str, account_id: str, region: str, reason: str) -> Diagnosis:
    """Return the diagnosis of an account that can't be read at all."""
    checks = (Check("account", None, reason),)
    return Diagnosis(account, account_id, region, "unknown", checks)


def _with_policy(checks: Iterable[Check]) -> Iterator[Check]:
    """Name the policy that has all permissions, in the first check that lacks one."""
    is_named = False
    for check in checks:
        if not is_named and _DENIED in check.finding:
            is_named = True
            finding = check.finding.replace(_DENIED, f"{_DENIED}, as {_POLICY} does", 1)
            yield replace(check, finding=finding)
        else:
            yield check


def _checks(device: Device, seen: Observation) -> Iterator[Check]:
    yield from device_certificate.checks(device, seen.now)
    signer = (
        None if isinstance(seen.cas, Unreadable) else ca.choose_signer(device, seen.cas, seen.now)
    )
    is_new = _is_provisioned_as_new(seen, signer)
    yield ca.signer_check(device, seen, signer, decides=is_new)
    yield from _server_name(device, seen, signer)
    if signer is not None:
        yield from ca.state_checks(seen, signer, decides=is_new)
    own = registration.check(device, seen, signer)
    if registration.is_pending(seen):
        # It waits because provisioning has failed: what keeps that from working comes first.
        yield from _provisioning(device, seen, signer)
        yield own
    else:
        yield own
        if seen.registered is None:
            yield from _provisioning(device, seen, signer)
    if seen.access is not None:
        yield access.registered_check(device, seen, seen.access)
    yield log.check(seen)
    yield endpoint.check(seen)


def _is_provisioned_as_new(seen: Observation, signer: RegisteredCa | None) -> bool:
    """Return whether the state of the CA matters.

    It does for a new certificate, and for one that waits in vain, which must be deleted to be
    provisioned. The others no longer depend on their CA (guide, "Deactivate a CA certificate").
    """
    if registration.is_pending(seen):
        return not registration.is_provisioned_again(seen, signer)
    return not isinstance(seen.registered, RegisteredDevice)


def _server_name(device: Device, seen: Observation, signer: RegisteredCa | None) -> Iterator[Check]:
    """Yield the checks of the server name, by the mode of what decides where the device belongs."""
    if isinstance(seen.registered, RegisteredDevice):
        yield from ca.server_name_checks(device, seen, seen.registered.mode, is_new=False)
    elif signer is not None:
        yield from ca.server_name_checks(device, seen, signer.mode, is_new=True)


def _provisioning(
    device: Device, seen: Observation, signer: RegisteredCa | None
) -> Iterator[Check]:
    """Yield what provisions the device, and whether it may connect afterwards."""
    if signer is not None and seen.jitp is not None:
        yield from jitp.checks(device, seen, signer, seen.jitp)
        plan = jitp.plan_of(device, seen.jitp.template)
        connect = (
            None if isinstance(plan, str) else access.jitp_check(device, seen, seen.jitp, plan)
        )
    elif signer is not None and seen.jitr is not None:
        yield from jitr.checks(device, seen, signer, seen.jitr)
        connect = access.jitr_check(device, seen, seen.jitr)
    else:
        connect = None
    if connect is not None:
        yield connect
