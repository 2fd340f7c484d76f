"""From what AWS has to a report: the state of each CA in each account and Region. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_ca import model, utc
from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, one_line
from iot_ca.fleet import inventory, next_steps
from iot_ca.fleet.inventory import AccountRegion, ConfiguredCa, Fleet
from iot_ca.fleet.report import (
    EXPIRY_WARNING_DAYS,
    STATES,
    Column,
    Provisioning,
    Report,
    Row,
    State,
    Unlisted,
    UnlistedRow,
)
from iot_ca.isolation import result_or_failure
from iot_ca.model import ObservedCa
from iot_ca.provisioning.checks import ca as ca_checks
from iot_ca.provisioning.checks import registered_ca
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import CaProvisioning, Location, Unreadable
from iot_ca.reconcile.differences import Difference, differences, template_text
from iot_ca.reconcile.tags import default_tags_digest, managed_tags

if TYPE_CHECKING:
    from iot_ca.fleet.lookup import Observations
    from iot_ca.fleet.unlisted import UnlistedCa

_MODULE_TAG_ATTRIBUTES = tuple(
    f"tag {key}" for key in (model.ORIGIN_TAG, model.OWNER_TAG, model.REVISION_TAG)
)


# The column of an attribute that has drifted; that of a tag is `managed`.
_COLUMNS: Mapping[str, Column] = {
    "mode": "mode",
    "status": "status",
    "auto-registration": "auto-registration",
    "template": "provisioning",
}


# The column of a check, if that is not `provisioning`.
_CHECK_COLUMNS: Mapping[str, Column] = {
    ca_checks.DEVICES: "devices",
    registered_ca.AUTO_REGISTRATION: "auto-registration",
}


@dataclass(frozen=True)
class _Problem:
    """One thing that is wrong with a CA: in words, the state, what to do, and the column."""

    text: str
    state: State
    next_step: str | None = None
    column: Column | None = None


@dataclass(frozen=True)
class _Expiry:
    """When a certificate is valid, how many days that is, and what is wrong with it."""

    moment: datetime
    not_before: datetime
    not_after: datetime
    days: int
    problems: tuple[_Problem, ...] = ()


def assess(
    fleet: Fleet,
    observations: Mapping[AccountRegion, Observations],
    moment: datetime,
    warning_days: int = EXPIRY_WARNING_DAYS,
) -> Report:
    """Return one row for each CA of each account and Region, worst first.

    A certificate that expires in fewer than `warning_days` days counts as expiring.
    """
    expiries = {
        ca: _expiry(certificate, moment, warning_days)
        for ca, certificate in fleet.certificates.items()
    }
    rows = [
        _row(
            account_region,
            ca,
            fleet.certificates[ca].certificate_id,
            observations[account_region],
            expiries[ca],
        )
        for account_region in fleet.account_regions
        for ca in account_region.cas
    ]
    # A stable sort: within a state, rows keep the order of the files.
    rows.sort(key=lambda row: STATES.index(row.state))
    notes = tuple(inventory.notes(fleet))
    return Report(tuple(rows), moment, warning_days, notes, _unlisted(observations, moment))


def describe_drift(ca: ConfiguredCa, observed: ObservedCa) -> list[str]:
    """Return each difference between a CA's configuration and what AWS has, in words."""
    return [problem.text for problem in _drift(ca, observed)]


def _drift(ca: ConfiguredCa, observed: ObservedCa) -> list[_Problem]:
    """Return each difference between a CA's configuration and what AWS has.

    Only what the files configure is compared; the next plan knows more, such as the tags.
    """
    # The files do not name the tags that the module has attached. Those that are still there count
    # as desired, so that a missing one shows by the digest in the managed-tags tag.
    desired = replace(
        ca.desired,
        tags=managed_tags(observed.tags),
        default_tags={},
        default_tags_digest=default_tags_digest(observed.tags),
    )
    if not ca.auto_registration_configured:
        # A template needs it. Without one, the files do not say whether it is of use.
        needed = bool(observed.registration_config)
        desired = replace(desired, auto_registration=needed or observed.auto_registration)
    relevant = [
        difference
        for difference in differences(desired, observed)
        if ca.template_configured or difference.attribute != "template"
    ]
    missing_tags = [
        difference
        for difference in relevant
        if difference.attribute in _MODULE_TAG_ATTRIBUTES and difference.wanted is None
    ]
    problems = [_of_difference(each) for each in relevant if each not in missing_tags]
    if len(missing_tags) == len(_MODULE_TAG_ATTRIBUTES):
        unmanaged = "not managed by this module yet"
        return [*problems, _Problem(unmanaged, "drifted", next_steps.ADOPT, "managed")]
    return problems + [_of_difference(each) for each in missing_tags]


def _of_difference(difference: Difference) -> _Problem:
    column = _COLUMNS.get(difference.attribute, "managed")
    step = next_steps.of_difference(difference.attribute)
    return _Problem(str(difference), "drifted", step, column)


def _expiry(certificate: Certificate, moment: datetime, warning_days: int) -> _Expiry:
    not_before, not_after = pem.validity(pem.parse(certificate))
    days = (not_after - moment) // timedelta(days=1)
    state: State | None = (
        "expired" if not_after < moment else "expiring" if days < warning_days else None
    )
    if state is None:
        return _Expiry(moment, not_before, not_after, days)
    verb = "expired" if state == "expired" else "expires"
    text = f"{verb} at {utc.rfc3339(not_after)}"
    problem = _Problem(text, state, next_steps.RENEW)
    return _Expiry(moment, not_before, not_after, days, (problem,))


def _row(
    account_region: AccountRegion,
    ca: str,
    certificate_id: str,
    observations: Observations,
    expiry: _Expiry,
) -> Row:
    """Return one row; an error while it is assessed, whichever it is, costs this row alone."""
    configured = account_region.cas[ca]
    row = Row(
        account=account_region.account_name,
        account_id=account_region.target.account_id,
        region=account_region.target.region,
        ca=ca,
        certificate_id=certificate_id,
        state="in sync",
        wrong=(),
        wanted_mode=configured.desired.certificate_mode,
        wanted_status=configured.desired.status,
        not_after=expiry.not_after,
        days=expiry.days,
    )
    assessed = result_or_failure(
        lambda: _assessed(row, configured, account_region, observations, expiry)
    )
    if isinstance(assessed, Failure):
        failed = _Problem(one_line(str(assessed)), "failed")
        return _with_problems(row, [failed, *expiry.problems])
    return assessed


def _assessed(
    row: Row,
    ca: ConfiguredCa,
    account_region: AccountRegion,
    observations: Observations,
    expiry: _Expiry,
) -> Row:
    """Return the row with what AWS has of the CA and what is wrong; raise the lookup's Failure."""
    observed = observations.cas[row.certificate_id]
    if isinstance(observed, Failure):
        raise observed
    if observed is None:
        wanted = f"not registered, wanted {row.wanted_mode}, {row.wanted_status}"
        missing = [
            _Problem(wanted, "drifted", next_steps.REGISTER, "mode"),
            _Problem("", "drifted", column="status"),
        ]
        return replace(_with_problems(row, [*missing, *expiry.problems]), registered=False)
    drift = _drift(ca, observed)
    row = replace(_with_observed(row, observed), registered=True)
    provisioned = observations.provisioning.get(row.certificate_id)
    problems = list(drift)
    if provisioned is not None:
        location = Location(account_region.target, observations.partition)
        row = _with_provisioning(row, ca, observed, provisioned, location, expiry)
        assert row.provisioning is not None
        drifted = {problem.column for problem in drift}
        problems += [
            problem
            for problem in _of_checks(row.provisioning.counted, ca.desired.template_name or row.ca)
            # Auto-registration that has drifted is one finding, not two.
            if problem.column != "auto-registration" or problem.column not in drifted
        ]
    problems += _of_devices(row)
    has_expired = any(problem.next_step == next_steps.RENEW for problem in problems)
    return _with_problems(row, [*problems, *(() if has_expired else expiry.problems)])


def _with_problems(row: Row, problems: Sequence[_Problem]) -> Row:
    """Return the row with what is wrong, in the worst state of it."""
    steps = dict.fromkeys(problem.next_step for problem in problems if problem.next_step)
    columns = dict.fromkeys(problem.column for problem in problems if problem.column)
    states = [problem.state for problem in problems]
    return replace(
        row,
        state=min(states, key=STATES.index, default=row.state),
        wrong=tuple(problem.text for problem in problems if problem.text),
        next_steps=tuple(steps),
        wrong_columns=tuple(columns),
    )


def _with_observed(row: Row, observed: ObservedCa) -> Row:
    template = template_text(observed)
    return replace(
        row,
        mode=observed.mode,
        status=observed.status,
        auto_registration=observed.auto_registration,
        template=None if template == "none" else template,
        managed=observed.origin if model.ORIGIN_TAG in observed.tags else None,
        revision=observed.revision,
    )


def _with_provisioning(
    row: Row,
    ca: ConfiguredCa,
    observed: ObservedCa,
    provisioned: CaProvisioning | Unreadable,
    location: Location,
    expiry: _Expiry,
) -> Row:
    """Return the row with what provisions the CA's devices, and whether that works."""
    if isinstance(provisioned, Unreadable):
        unreadable = not_readable("provisioning", provisioned)
        return replace(row, provisioning=Provisioning("not readable", None, (unreadable,)))
    config = observed.registration_config
    checks = tuple(
        ca_checks.checks(
            location,
            ca_checks.Ca(
                row.certificate_id,
                config,
                observed.auto_registration,
                (expiry.not_before, expiry.not_after),
                ca.wanted,
            ),
            provisioned,
            expiry.moment,
        )
    )
    kind = ca_checks.kind(config, provisioned)
    name = ca_checks.resource_name(config, provisioned)
    devices = provisioned.devices
    return replace(
        row,
        provisioning=Provisioning(kind, name, checks, _is_retired(ca, observed)),
        devices=None if isinstance(devices, Unreadable) else devices,
    )


def _of_devices(row: Row) -> list[_Problem]:
    """Return that every device certificate waits, which may pass and so changes no state."""
    devices = row.devices
    if devices is None or not devices.count or devices.pending < devices.count:
        return []
    text = f"all {devices.count} device certificates that were counted are PENDING_ACTIVATION"
    return [_Problem(text, "in sync", next_steps.DIAGNOSE, "devices")]


def _is_retired(ca: ConfiguredCa, observed: ObservedCa) -> bool:
    return ca.desired.status == observed.status == "INACTIVE"


def _of_checks(checks: Sequence[Check], template: str | None) -> list[_Problem]:
    """Return what is wrong with provisioning: what does not work, is not readable or not known.

    A check that could not be determined for another reason, such as a condition in a policy, is
    left to `diagnose`: it depends on the device.
    """
    faulty = [
        _Problem(check.finding, "faulty", next_steps.of_check(check, template), _column(check))
        for check in checks
        if check.ok is False
    ]
    unreadable = [
        _Problem(
            f"not readable ({check.check}): {_without_aws_words(check.finding)}",
            "not readable",
            next_steps.of_check(check, template),
            _column(check),
        )
        for check in checks
        if check.unreadable
    ]
    unknown = [
        _Problem(check.finding, "unknown", next_steps.of_check(check, template), _column(check))
        for check in checks
        if check.undecided
    ]
    return faulty + unreadable + unknown


def _column(check: Check) -> Column:
    return _CHECK_COLUMNS.get(check.check, "provisioning")


def _without_aws_words(reason: str) -> str:
    """Return a reason without AWS's own words, which differ in each account."""
    return reason.partition("; AWS says: ")[0]


def _unlisted(
    observations: Mapping[AccountRegion, Observations], moment: datetime
) -> Unlisted | None:
    """Return the CAs that the files do not name; None if they were not looked up anywhere."""
    # Once for each account and Region, by a name whose credentials can list them.
    looked_up: dict[tuple[str, str], tuple[AccountRegion, tuple[UnlistedCa, ...] | Unreadable]] = {}
    for account_region, observed in observations.items():
        known = looked_up.get(account_region.key)
        if observed.unlisted is not None and (known is None or isinstance(known[1], Unreadable)):
            looked_up[account_region.key] = account_region, observed.unlisted
    if not looked_up:
        return None
    rows: list[UnlistedRow] = []
    failures = []
    for account_region, unlisted in looked_up.values():
        if isinstance(unlisted, Unreadable):
            target = account_region.target
            where = f"{account_region.account_name} {target.account_id}: {target.region}"
            failures.append((where, unlisted.reason))
        else:
            rows += [_unlisted_row(account_region, ca, moment) for ca in unlisted]
    return Unlisted(tuple(rows), tuple(failures))


def _unlisted_row(account_region: AccountRegion, ca: UnlistedCa, moment: datetime) -> UnlistedRow:
    counted = ca.devices
    unreadable = counted.reason if isinstance(counted, Unreadable) else None
    return UnlistedRow(
        account=account_region.account_name,
        account_id=account_region.target.account_id,
        region=account_region.target.region,
        certificate_id=ca.certificate_id,
        status=ca.status,
        subject=ca.subject,
        mode=ca.mode,
        not_after=ca.not_after,
        days=None if ca.not_after is None else (ca.not_after - moment) // timedelta(days=1),
        devices=None if isinstance(counted, Unreadable) else counted,
        unreadable=ca.unreadable or unreadable,
    )
