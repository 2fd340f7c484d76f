"""The CAs that every account of a fleet has in every Region, looked up in parallel. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.fleet.clients import CallerIdentity, Clients, FleetAccount, sign_in
from iot_ca.fleet.inventory import AccountRegion, Fleet
from iot_ca.fleet.isolation import result_or_failure
from iot_ca.model import ObservedCa

# By certificate ID, what one account has in one Region: None for a CA that is not registered, a
# Failure for one that could not be looked up.
Observations = Mapping[str, ObservedCa | Failure | None]

# Parallel calls for all accounts together: each needs a connection, and some systems allow a
# process 256 open files. AWS's quotas are per account and much higher than one account's share.
_MAX_CALLS = 64
_MAX_CALLS_PER_ACCOUNT_REGION = 10


def observe_fleet(
    fleet: Fleet, on_progress: Callable[[], None] = lambda: None
) -> dict[AccountRegion, Observations]:
    """Return what AWS has in each account and Region.

    Credentials are obtained once for each account and used in all its Regions. A failure affects
    only its own account, or its own Region.

    Args:
        fleet: the accounts, Regions and CAs.
        on_progress: called after each account and Region, from any thread.
    """
    clients = Clients(_MAX_CALLS)
    lookups: dict[AccountRegion, Future[Observations]] = {}
    with thread_pool(_parallel_lookups(len(fleet.certificates))) as pool:
        sign_ins = {
            pool.submit(sign_in_to_account, account_regions, clients): account_regions
            for account_regions in by_account(fleet.account_regions)
        }
        for signed_in in as_completed(sign_ins):
            identity = signed_in.result()
            for account_region in sign_ins[signed_in]:
                lookup = pool.submit(
                    _observe, account_region, identity, fleet.certificates, clients
                )
                lookup.add_done_callback(lambda _: on_progress())
                lookups[account_region] = lookup
        return {account_region: lookup.result() for account_region, lookup in lookups.items()}


def by_account(account_regions: Iterable[AccountRegion]) -> list[list[AccountRegion]]:
    """Group the Regions that the same credentials of the same account are used in."""
    groups: dict[object, list[AccountRegion]] = {}
    for account_region in account_regions:
        key = (account_region.target.account_id, account_region.target.credentials)
        groups.setdefault(key, []).append(account_region)
    return list(groups.values())


def _parallel_lookups(cas: int) -> int:
    """Return how many accounts and Regions are looked up at once; each CA takes two calls."""
    return _MAX_CALLS // max(1, min(_MAX_CALLS_PER_ACCOUNT_REGION, 2 * cas))


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
    certificates: Mapping[str, Certificate],
    clients: Clients,
) -> Observations:
    """Look up the CAs of one account and Region; a failure counts for each of them."""
    certificate_ids = [certificates[ca].certificate_id for ca in account_region.cas]
    if isinstance(identity, Failure):
        return dict.fromkeys(certificate_ids, identity)
    account = FleetAccount(account_region.target, clients, identity)
    ca_certificates = CaCertificates(account)
    observations = result_or_failure(lambda: ca_certificates.observe(certificate_ids))
    if isinstance(observations, Failure):
        return dict.fromkeys(certificate_ids, observations)
    return observations


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
