"""The CAs that every account of a fleet has in every Region, looked up in parallel. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, one_line
from iot_ca.fleet.clients import CallerIdentity, Clients, FleetAccount, sign_in
from iot_ca.fleet.inventory import AccountRegion, Fleet
from iot_ca.fleet.unlisted import UnlistedCa, observe_unlisted
from iot_ca.isolation import result_or_failure
from iot_ca.model import ObservedCa
from iot_ca.provisioning.facts import CaProvisioning, PolicyDocument, Unreadable
from iot_ca.provisioning.observe.cas import observe_provisioning
from iot_ca.provisioning.observe.reading import Reader, value_or_unreadable

T = TypeVar("T")

# Parallel calls for all accounts together: each needs a connection, and some systems allow a
# process 256 open files. AWS's quotas are per account and much higher than one account's share.
_MAX_CALLS = 64
_MAX_CALLS_PER_ACCOUNT_REGION = 10


@dataclass(frozen=True)
class Scope:
    """What is looked up in addition to the CAs of the files.

    Attributes:
        provisioning: what provisions the devices of each registered CA.
        unlisted: the CAs that the files do not name.
    """

    provisioning: bool = True
    unlisted: bool = False


@dataclass(frozen=True)
class Observations:
    """What one account has in one Region.

    Attributes:
        cas: by certificate ID: None for a CA that is not registered, a Failure for one that could
            not be looked up.
        partition: that of the account; empty if the account could not be reached.
        provisioning: what provisions the devices of the registered CAs, by certificate ID; empty
            if it was not looked up.
        unlisted: the CAs that the files do not name; None if they were not looked up.
    """

    cas: Mapping[str, ObservedCa | Failure | None]
    partition: str = ""
    provisioning: Mapping[str, CaProvisioning | Unreadable] = field(default_factory=dict)
    unlisted: tuple[UnlistedCa, ...] | Unreadable | None = None


@dataclass(frozen=True)
class _Run:
    """What all lookups of a run share.

    `aws_policies` has the documents of AWS's own policies, which are the same in all accounts.
    """

    certificates: Mapping[str, Certificate]
    clients: Clients
    scope: Scope
    parallel_calls: int
    aws_policies: dict[str, PolicyDocument] = field(default_factory=dict)


def observe_fleet(
    fleet: Fleet,
    on_progress: Callable[[], None] = lambda: None,
    scope: Scope = Scope(),
) -> dict[AccountRegion, Observations]:
    """Return what AWS has in each account and Region.

    Credentials are obtained once for each account and used in all its Regions. A failure affects
    only its own account, or its own Region.

    Args:
        fleet: the accounts, Regions and CAs.
        on_progress: called after each account and Region, from any thread.
        scope: what else is looked up.
    """
    parallel_calls = _parallel_calls(len(fleet.certificates))
    run = _Run(fleet.certificates, Clients(_MAX_CALLS), scope, parallel_calls)
    listed = _listed(fleet) if scope.unlisted else {}
    lookups: dict[AccountRegion, Future[Observations]] = {}
    with thread_pool(_MAX_CALLS // parallel_calls) as pool:
        sign_ins = {
            pool.submit(sign_in_to_account, account_regions, run.clients): account_regions
            for account_regions in by_account(fleet.account_regions)
        }
        for signed_in in as_completed(sign_ins):
            identity = signed_in.result()
            for account_region in sign_ins[signed_in]:
                lookup = pool.submit(
                    _observe, account_region, identity, run, listed.get(account_region)
                )
                lookup.add_done_callback(lambda _: on_progress())
                lookups[account_region] = lookup
        return {each: lookups[each].result() for each in fleet.account_regions}


def by_account(account_regions: Iterable[AccountRegion]) -> list[list[AccountRegion]]:
    """Group the Regions that the same credentials of the same account are used in."""
    groups: dict[object, list[AccountRegion]] = {}
    for account_region in account_regions:
        key = (account_region.target.account_id, account_region.target.credentials)
        groups.setdefault(key, []).append(account_region)
    return list(groups.values())


def _parallel_calls(cas: int) -> int:
    """Return how many calls a lookup makes at once; each CA takes two at first."""
    return max(1, min(_MAX_CALLS_PER_ACCOUNT_REGION, 2 * cas))


def _listed(fleet: Fleet) -> dict[AccountRegion, set[str]]:
    """Return the IDs of the CAs that the files name for each account and Region.

    Each name of an account that has several is there with the CAs of all: the credentials of one
    may fail.
    """
    listed: dict[tuple[str, str], set[str]] = {}
    for account_region in (*fleet.account_regions, *fleet.left_out):
        ids = {fleet.certificates[ca].certificate_id for ca in account_region.cas}
        listed.setdefault(account_region.key, set()).update(ids)
    return {each: listed[each.key] for each in fleet.account_regions}


def sign_in_to_account(
    account_regions: Sequence[AccountRegion], clients: Clients
) -> CallerIdentity | Failure:
    """Obtain credentials for one account, or return why that failed."""
    first = account_regions[0]
    regions = [account_region.target.region for account_region in account_regions]
    identity = result_or_failure(lambda: sign_in(first.target, regions, clients))
    if isinstance(identity, Failure) or identity.account_id == first.target.account_id:
        return identity
    return Failure(
        f"the credentials belong to account {identity.account_id}; set profile or role_arn of "
        f"accounts[{first.account_name!r}] so that they lead into {first.target.account_id}"
    )


def _observe(
    account_region: AccountRegion,
    identity: CallerIdentity | Failure,
    run: _Run,
    listed: Collection[str] | None,
) -> Observations:
    """Look up the CAs of one account and Region; a failure counts for each of them.

    `listed` has the IDs of the CAs that the files name, if the others are looked up.
    """
    certificate_ids = [run.certificates[ca].certificate_id for ca in account_region.cas]
    if isinstance(identity, Failure):
        return _failed(certificate_ids, identity, listed)
    account = FleetAccount(account_region.target, run.clients, identity)
    ca_certificates = CaCertificates(account, _MAX_CALLS_PER_ACCOUNT_REGION)
    cas = result_or_failure(lambda: ca_certificates.observe(certificate_ids))
    if isinstance(cas, Failure):
        return _failed(certificate_ids, cas, listed)
    return _with_scope(account_region, account, run, cas, listed)


def _failed(
    certificate_ids: Iterable[str], failure: Failure, listed: Collection[str] | None
) -> Observations:
    """Return that nothing could be looked up, nor listed if that was asked for."""
    unlisted = None if listed is None else Unreadable(one_line(str(failure)))
    return Observations(dict.fromkeys(certificate_ids, failure), unlisted=unlisted)


def _with_scope(
    account_region: AccountRegion,
    account: FleetAccount,
    run: _Run,
    cas: Mapping[str, ObservedCa | Failure | None],
    listed: Collection[str] | None,
) -> Observations:
    """Return what else the scope of the run has; what fails becomes a value."""
    registered = {key: ca for key, ca in cas.items() if isinstance(ca, ObservedCa)}
    observations = Observations(cas)
    if not (registered and run.scope.provisioning) and listed is None:
        return observations
    # One call at once is that of this thread.
    reader = Reader(account, max(1, run.parallel_calls - 1), run.aws_policies)
    try:
        if registered and run.scope.provisioning:
            wanted = _rule_wanted(account_region, run.certificates)
            provisioning = value_or_unreadable(
                lambda: observe_provisioning(reader, registered, wanted)
            )
            observations = replace(
                observations,
                partition=account.partition,
                provisioning=dict.fromkeys(registered, provisioning)
                if isinstance(provisioning, Unreadable)
                else provisioning,
            )
        if listed is not None:
            unlisted = value_or_unreadable(lambda: observe_unlisted(reader, listed))
            observations = replace(observations, unlisted=unlisted)
        return observations
    finally:
        reader.close()


def _rule_wanted(
    account_region: AccountRegion, certificates: Mapping[str, Certificate]
) -> set[str]:
    """Return the IDs of the CAs that may have a rule by what the files say.

    If they say nothing, the rule is what tells whether devices are provisioned.
    """
    return {
        certificates[name].certificate_id
        for name, ca in account_region.cas.items()
        if ca.wanted in ("JITR", None)
    }


@contextmanager
def thread_pool(threads: int, name: str = "status") -> Iterator[ThreadPoolExecutor]:
    """Provide a pool of threads; wait for their work unless the block is left by an error."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        yield pool
    except BaseException:
        # An interrupt from the keyboard above all, which must not wait for calls that hang.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
