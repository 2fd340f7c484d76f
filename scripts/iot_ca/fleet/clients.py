"""Sessions and clients that all accounts of a fleet share.

Creating a client takes longer than a call with it, and a new TLS connection longer still. So there
is one client for each Region. A call through it is signed with the credentials of the account that
the calling thread works for, and its connections serve all accounts.

Calls are tried again by the rules of `iot_ca.aws.retries`. botocore's own share a quota among the
calls of a client: an account that is throttled would use up that of all accounts.

AWS IoT's own quotas belong to an account and Region, and so does the pace of the calls.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from iot_ca.aws import session as aws
from iot_ca.aws.credentials import load as load_credentials
from iot_ca.aws.errors import translate_errors
from iot_ca.aws.pacing import Pacer, SlownessNotice, pace
from iot_ca.aws.retries import retry
from iot_ca.aws.session import Account
from iot_ca.errors import Denied, Failure

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session

    from iot_ca.model import Target

# Settings of a profile that say where credentials come from, and those that every call states
# itself (AWS CLI user guide, "Configuration and credential file settings"). Profiles that differ
# only in these share a session.
_CREDENTIAL_SETTINGS = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "credential_process",
        "credential_source",
        "duration_seconds",
        "external_id",
        "mfa_serial",
        "output",
        "region",
        "role_arn",
        "role_session_name",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_registration_scopes",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)


@dataclass(frozen=True)
class CallerIdentity:
    """Credentials for an account, and the ID of the account that AWS says they belong to."""

    credentials: Credentials | None
    account_id: str


class Clients:
    """All sessions and clients of a run, for any number of threads.

    `max_connections` is the number of parallel calls, so that no call needs a new connection.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._lock = threading.RLock()
        self._profile_locks: dict[str | None, threading.Lock] = {}
        self._thread_account = _ThreadAccount()
        self.notice = SlownessNotice()
        self._loader: Loader | None = None
        # By profile: its credentials, and the key of the session that fits it.
        self._profiles: dict[str | None, tuple[Credentials | None, str]] = {}
        self._sessions: dict[str, Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}

    def profile_credentials(self, profile: str | None) -> Credentials | None:
        """Return the credentials of a profile, or of the AWS default chain."""
        return self._load_profile(profile)[0]

    def session(self, profile: str | None) -> Session:
        """Return a session with all settings of the profile except its credentials."""
        return self._sessions[self._load_profile(profile)[1]]

    def client(
        self,
        profile: str | None,
        service: str,
        region: str,
        credentials: Credentials | None,
        pacer: Pacer | None = None,
    ) -> Any:
        """Return the client of a service in a Region, which signs with these credentials.

        With a pacer, the calls keep within the quotas of AWS IoT.
        """
        session_key = self._load_profile(profile)[1]
        with self._lock:
            client = self._clients.get((session_key, service, region))
            if client is None:
                session = self._sessions[session_key]
                client = aws._client(session, service, region, self._max_connections)
                retry(client, self.notice)
                pace(client, self._thread_account.wait_for_turn)
                _ = client.exceptions  # created at the first use, which is not thread-safe
                self._clients[session_key, service, region] = client
        return _AccountClient(client, self._thread_account, credentials, pacer)

    def _load_profile(self, profile: str | None) -> tuple[Credentials | None, str]:
        with self._lock:
            lock = self._profile_locks.setdefault(profile, threading.Lock())
        # One lock for each profile: obtaining credentials may mean running a program.
        with lock:
            if profile not in self._profiles:
                session = self._new_session(profile)
                credentials = load_credentials(session)
                key = _session_key(session.get_scoped_config())
                with self._lock:
                    if key not in self._sessions:
                        self._sessions[key] = self._new_shared_session(profile)
                self._profiles[profile] = credentials, key
            return self._profiles[profile]

    def _new_session(self, profile: str | None) -> Session:
        session = aws.new_session(profile)
        # One loader for all sessions: it caches botocore's service models.
        self._loader = self._loader or session.get_component("data_loader")
        session.register_component("data_loader", self._loader)
        return session

    def _new_shared_session(self, profile: str | None) -> Session:
        session = self._new_session(profile)
        session.register_component("credential_provider", self._thread_account)
        # Older versions call the global STS, which is that of us-east-1, and whose tokens opt-in
        # Regions do not accept (IAM user guide, "Manage AWS STS in a Region").
        session.set_config_variable("sts_regional_endpoints", "regional")
        # A session loads its partitions at the first call, which is not thread-safe.
        session.get_partition_for_region("us-east-1")
        return session


class FleetAccount(Account):
    """One account and Region of a fleet, with the shared clients."""

    def __init__(self, target: Target, clients: Clients, identity: CallerIdentity) -> None:
        super().__init__(target)
        self._shared_clients = clients
        self._identity = identity
        self._pacer = Pacer(clients.notice)

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the shared client, signing for this account; for any number of threads."""
        with self.failures(service):
            return self._shared_clients.client(
                self.target.credentials.profile,
                service,
                region or self.target.region,
                self._identity.credentials,
                self._pacer if service == "iot" else None,
            )

    # No cached_property: before Python 3.12 all objects of a class share its lock, and one account
    # would wait for another's profile.

    @property
    def _session(self) -> Session:
        return self._shared_clients.session(self.target.credentials.profile)

    @property
    def caller(self) -> str:
        """The account that AWS named when the credentials were obtained."""
        return self._identity.account_id


def sign_in(target: Target, regions: Sequence[str], clients: Clients) -> CallerIdentity:
    """Obtain credentials for an account with one AWS call.

    Assume the target's role; without a role, ask STS whose credentials the profile's are. If the
    STS of the target's Region can't answer, that of each of `regions` is called: credentials that
    one Region issues are valid in all.

    Raises Failure: that of the target's Region, if no Region answers.
    """
    with translate_errors(target.region, "sts"):
        credentials = clients.profile_credentials(target.credentials.profile)
    failures: list[Failure] = []
    for region in dict.fromkeys([target.region, *regions]):
        try:
            with translate_errors(region, "sts"):
                return _call_sts(target, region, clients, credentials)
        except Denied:
            # A policy's answer, and policies hardly ever distinguish the STS of one Region from
            # another's: further calls would only be denied as well.
            raise
        except Failure as failure:
            failures.append(failure)
    raise failures[0]


def _call_sts(
    target: Target, region: str, clients: Clients, credentials: Credentials | None
) -> CallerIdentity:
    sts = clients.client(target.credentials.profile, "sts", region, credentials)
    if not target.credentials.role_arn:
        return CallerIdentity(credentials, str(sts.get_caller_identity()["Account"]))
    response = sts.assume_role(**aws.role_request(target.credentials))
    issued = response["Credentials"]
    return CallerIdentity(
        Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]),
        # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
        response["AssumedRoleUser"]["Arn"].split(":")[4],
    )


class _ThreadAccount(Credentials):
    """Stands for the credentials of the account that the calling thread works for, and its pace."""

    def __init__(self) -> None:
        super().__init__("", "")
        self._thread = threading.local()

    @contextmanager
    def working_for(self, credentials: Credentials | None, pacer: Pacer | None) -> Iterator[None]:
        """Sign and pace the calls that this thread makes inside as those of one account."""
        self._thread.credentials, self._thread.pacer = credentials, pacer
        try:
            yield
        finally:
            # Never left for the thread's next account: a call outside fails instead.
            self._thread.credentials = self._thread.pacer = None

    def wait_for_turn(self, operation: str) -> None:
        """Wait until the thread's account may make a call of this operation."""
        pacer: Pacer | None = getattr(self._thread, "pacer", None)
        if pacer is not None:
            pacer.wait(operation)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        credentials: Credentials | None = getattr(self._thread, "credentials", None)
        if credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        return frozen

    def load_credentials(self) -> _ThreadAccount:
        """Return these: botocore calls a chain of providers so, which has one link here."""
        return self


class _AccountClient:
    """A shared client whose calls are signed with one account's credentials."""

    def __init__(
        self,
        client: Any,
        thread_account: _ThreadAccount,
        credentials: Credentials | None,
        pacer: Pacer | None,
    ) -> None:
        self._client = client
        self._thread_account = thread_account
        self._credentials = credentials
        self._pacer = pacer

    @property
    def exceptions(self) -> Any:
        return self._client.exceptions

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            with self._thread_account.working_for(self._credentials, self._pacer):
                return method(**request)

        return call


def _session_key(profile_settings: Mapping[str, Any]) -> str:
    """Return the same key for profiles that may share a session."""
    return repr(
        sorted(
            (name, value)
            for name, value in profile_settings.items()
            if name not in _CREDENTIAL_SETTINGS
        )
    )
