"""From what AWS has to a report: the state of each CA in each account and Region. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from iot_ca import model, utc
from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, one_line
from iot_ca.fleet import inventory
from iot_ca.fleet.inventory import AccountRegion, ConfiguredCa, Fleet
from iot_ca.fleet.isolation import result_or_failure
from iot_ca.model import ObservedCa
from iot_ca.reconcile.differences import differences, template_text
from iot_ca.reconcile.tags import default_tags_digest, managed_tags

if TYPE_CHECKING:
    from iot_ca.fleet.lookup import Observations

State = Literal["failed", "drifted", "expired", "expiring", "in sync"]

# Worst first.
STATES: tuple[State, ...] = ("failed", "drifted", "expired", "expiring", "in sync")

FAILURE_EXIT_STATUS = 1
DRIFT_EXIT_STATUS = 2

EXPIRY_WARNING_DAYS = 90

_MODULE_TAG_ATTRIBUTES = tuple(
    f"tag {key}" for key in (model.ORIGIN_TAG, model.OWNER_TAG, model.REVISION_TAG)
)


@dataclass(frozen=True)
class Row:
    """One CA in one account and Region.

    Attributes:
        account, ca: their names in the files.
        state: the worst one that applies.
        wrong: what is wrong, in words; empty if nothing is.
        wanted_mode, wanted_status: as the files configure them.
        not_after, days: when the certificate expires, and the whole days until then.
        registered: None if the lookup failed.
        mode ... revision: as AWS has them; None if AWS has none, or if the lookup failed.
        managed: `registered` or `adopted` by the module; None if the module does not manage the CA.
    """

    account: str
    account_id: str
    region: str
    ca: str
    certificate_id: str
    state: State
    wrong: tuple[str, ...]
    wanted_mode: str
    wanted_status: str
    not_after: datetime
    days: int
    registered: bool | None = None
    mode: str | None = None
    status: str | None = None
    auto_registration: bool | None = None
    template: str | None = None
    managed: str | None = None
    revision: str | None = None

    @property
    def auto_registration_status(self) -> str | None:
        """Auto-registration in AWS IoT's words, `ENABLE` or `DISABLE`."""
        flag = self.auto_registration
        return None if flag is None else model.auto_registration_status(flag)


@dataclass(frozen=True)
class Report:
    """All rows, worst first, and the time of the lookup. `notes` are remarks on the files."""

    rows: tuple[Row, ...]
    moment: datetime
    warning_days: int = EXPIRY_WARNING_DAYS
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[State, int]:
        """The number of rows in each state, worst first."""
        states = [row.state for row in self.rows]
        return {state: states.count(state) for state in STATES}

    @property
    def exit_status(self) -> int:
        """1 if a lookup failed, else 2 if a CA has drifted, else 0.

        A failure takes precedence, as in Terraform: without that lookup, drift is not known.
        """
        counts = self.counts
        if counts["failed"]:
            return FAILURE_EXIT_STATUS
        return DRIFT_EXIT_STATUS if counts["drifted"] else 0


@dataclass(frozen=True)
class _Expiry:
    """When a certificate expires, the state that results, and what is wrong with that."""

    not_after: datetime
    days: int
    state: State = "in sync"
    wrong: tuple[str, ...] = ()


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
    return Report(tuple(rows), moment, warning_days, tuple(inventory.notes(fleet)))


def describe_drift(ca: ConfiguredCa, observed: ObservedCa) -> list[str]:
    """Return each difference between a CA's configuration and what AWS has, in words.

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
    texts = [str(difference) for difference in relevant if difference not in missing_tags]
    if len(missing_tags) == len(_MODULE_TAG_ATTRIBUTES):
        return [*texts, "not managed by this module yet"]
    return texts + [str(difference) for difference in missing_tags]


def _expiry(certificate: Certificate, moment: datetime, warning_days: int) -> _Expiry:
    _, not_after = pem.validity(pem.parse(certificate))
    days = (not_after - moment) // timedelta(days=1)
    if not_after < moment:
        return _Expiry(not_after, days, "expired", (f"expired at {utc.rfc3339(not_after)}",))
    if days < warning_days:
        return _Expiry(not_after, days, "expiring", (f"expires at {utc.rfc3339(not_after)}",))
    return _Expiry(not_after, days)


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
        state=expiry.state,
        wrong=expiry.wrong,
        wanted_mode=configured.desired.certificate_mode,
        wanted_status=configured.desired.status,
        not_after=expiry.not_after,
        days=expiry.days,
    )
    assessed = result_or_failure(lambda: _compare(row, configured, observations[certificate_id]))
    if isinstance(assessed, Failure):
        return replace(row, state="failed", wrong=(one_line(str(assessed)), *expiry.wrong))
    return assessed


def _compare(row: Row, ca: ConfiguredCa, observed: ObservedCa | Failure | None) -> Row:
    """Return the row of a certificate with what AWS has of the CA; raise the lookup's Failure."""
    if isinstance(observed, Failure):
        raise observed
    if observed is None:
        wanted = f"not registered, wanted {row.wanted_mode}, {row.wanted_status}"
        return replace(row, state="drifted", wrong=(wanted, *row.wrong), registered=False)
    drifted = describe_drift(ca, observed)
    state: State = "drifted" if drifted else row.state
    row = replace(row, state=state, wrong=(*drifted, *row.wrong), registered=True)
    return _with_observed(row, observed)


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
