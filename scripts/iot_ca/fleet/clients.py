"""Clients that all accounts of a fleet share.

Making a client takes longer than calling it, and connecting through TLS longer still. So there is
one client for each region, whose calls are signed with the credentials of whichever account the
calling thread speaks for, and whose connections serve all of them.

What a client may try again is one budget of botocore's ("standard" mode), and so it is shared too:
a region that does not answer is soon given up on, whichever account asks. What is answered is one
account's own trouble, such as its throttling. So a call that AWS has answered and that finds the
budget spent, perhaps by others, is tried again beside it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ClientError, NoCredentialsError

from iot_ca.aws import session as aws
from iot_ca.aws.session import Account
from iot_ca.errors import Denied, Failure

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session

    from iot_ca.model import Target

# Settings of a profile that say where credentials come from, and those that are always told
# (AWS CLI user guide, "Configuration and credential file settings"). Profiles that differ in
# nothing else get by with the same client.
_OF_CREDENTIALS = frozenset(
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

# The longest pauses before what is tried again beside the shared budget; the mean is half of it.
_PAUSES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Entry:
    """What opens an account: credentials, and the account that AWS says they are of."""

    credentials: Credentials | None
    account: str


class _Signer(Credentials):
    """The credentials of whatever account the calling thread speaks for at the moment."""

    def __init__(self) -> None:
        super().__init__("", "")
        self._thread = threading.local()

    @contextmanager
    def speaking_for(self, credentials: Credentials | None) -> Iterator[None]:
        self._thread.credentials = credentials
        try:
            yield
        finally:
            # Never left behind for the next one: a call without says so instead.
            self._thread.credentials = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        credentials: Credentials | None = getattr(self._thread, "credentials", None)
        if credentials is None:
            raise NoCredentialsError
        frozen: ReadOnlyCredentials = credentials.get_frozen_credentials()
        return frozen

    def load_credentials(self) -> _Signer:
        """botocore asks a chain of providers in this way; here it has only one link."""
        return self


class _Client:
    """A shared client as one account sees it."""

    def __init__(self, client: Any, signer: _Signer, credentials: Credentials | None) -> None:
        self._client = client
        self._signer = signer
        self._credentials = credentials

    @property
    def exceptions(self) -> Any:
        return self._client.exceptions

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            with self._signer.speaking_for(self._credentials):
                return _persistently(lambda: method(**request))

        return call


def _persistently(call: Callable[[], Any]) -> Any:
    """What a call answers, tried again where others have spent what it might have tried."""
    for seconds in _PAUSES:
        try:
            return call()
        except ClientError as error:
            # botocore marks so an answer that it would have tried again.
            if not error.response.get("ResponseMetadata", {}).get("RetryQuotaReached"):
                raise
        time.sleep(random.uniform(0, seconds))
    return call()


class Clients:
    """All sessions and clients of a run. May be used by any number of threads.

    `connections` is how many calls are made at once, so that none has to connect anew.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._lock = threading.RLock()
        self._locks: dict[str | None, threading.Lock] = {}
        self._signer = _Signer()
        self._loader: Loader | None = None
        self._own: dict[str | None, tuple[Credentials | None, str]] = {}
        self._sessions: dict[str, Session] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}

    def own_credentials(self, profile: str | None) -> Credentials | None:
        """The credentials of a profile, or of the AWS default chain."""
        return self._known(profile)[0]

    def session(self, profile: str | None) -> Session:
        """A session with all of the profile's settings but its credentials."""
        return self._sessions[self._known(profile)[1]]

    def client(
        self, profile: str | None, service: str, region: str, credentials: Credentials | None
    ) -> Any:
        """The client of a service in a region, speaking for these credentials."""
        kind = self._known(profile)[1]
        with self._lock:
            client = self._clients.get((kind, service, region))
            if client is None:
                client = aws._client(self._sessions[kind], service, region, self._connections)
                _ = client.exceptions  # made at the first look, and not by several threads
                self._clients[kind, service, region] = client
        return _Client(client, self._signer, credentials)

    def _known(self, profile: str | None) -> tuple[Credentials | None, str]:
        with self._lock:
            lock = self._locks.setdefault(profile, threading.Lock())
        # One lock for each profile: finding credentials may mean running a program.
        with lock:
            if profile not in self._own:
                session = self._new_session(profile)
                credentials = session.get_credentials()
                kind = _kind(session.get_scoped_config())
                with self._lock:
                    if kind not in self._sessions:
                        self._sessions[kind] = self._without_credentials(profile)
                self._own[profile] = credentials, kind
            return self._own[profile]

    def _new_session(self, profile: str | None) -> Session:
        session = aws.new_session(profile)
        # One for all: what it has read of botocore's models, it keeps.
        self._loader = self._loader or session.get_component("data_loader")
        session.register_component("data_loader", self._loader)
        return session

    def _without_credentials(self, profile: str | None) -> Session:
        session = self._new_session(profile)
        session.register_component("credential_provider", self._signer)
        # Older versions ask the global STS, which is that of us-east-1, and whose tokens regions
        # that have to be opted into do not take (IAM user guide, "Manage AWS STS in a Region").
        session.set_config_variable("sts_regional_endpoints", "regional")
        # What a session makes at the first call can't be made by several threads.
        session.get_partition_for_region("us-east-1")
        return session


class Member(Account):
    """One account and region of a fleet.

    `entry` None stands for the credentials that the account is entered with.
    """

    def __init__(self, target: Target, clients: Clients, entry: Entry | None = None) -> None:
        super().__init__(target)
        self._shared = clients
        self._entry = entry

    def enter(self, regions: Sequence[str] = ()) -> Entry:
        """Assume the account's role, or see whose credentials there are; one call of AWS.

        The STS of the target's region is asked. If it can't answer, those of `regions` are: what
        one of them issues is good in all. Raises what the first has failed with.
        """
        with self.failures("sts"):
            own = self._shared.own_credentials(self.target.credentials.profile)
        first: Failure | None = None
        for region in dict.fromkeys([self.target.region, *regions]):
            try:
                with aws.failures(region, "sts"):
                    return self._enter(region, own)
            except Denied:
                # By policies, and hardly any of them tells one region's STS from another's.
                raise
            except Failure as failure:
                first = first or failure
        assert first is not None
        raise first

    def _enter(self, region: str, own: Credentials | None) -> Entry:
        chosen = self.target.credentials
        sts = self._shared.client(chosen.profile, "sts", region, own)
        if not chosen.role_arn:
            return Entry(own, str(sts.get_caller_identity()["Account"]))
        answer = sts.assume_role(**aws.role_request(chosen))
        issued = answer["Credentials"]
        return Entry(
            Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]),
            # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
            answer["AssumedRoleUser"]["Arn"].split(":")[4],
        )

    def client(self, service: str, region: str | None = None) -> Any:
        """The client that all share, speaking for this account; to be had by any thread."""
        key = (service, region or self.target.region)
        credentials = self._entry.credentials if self._entry else None
        with self.failures(service):
            return self._shared.client(self.target.credentials.profile, *key, credentials)

    # No cached_property: before Python 3.12 all objects of a class share its lock, and one account
    # would wait for another's profile.

    @property
    def _session(self) -> Session:
        return self._shared.session(self.target.credentials.profile)

    @property
    def caller(self) -> str:
        """The account that AWS named when this one was entered."""
        return self._entry.account if self._entry else ""


def _kind(settings: Mapping[str, Any]) -> str:
    return repr(sorted((k, v) for k, v in settings.items() if k not in _OF_CREDENTIALS))
