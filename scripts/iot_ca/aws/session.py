"""One account and Region of AWS: the session and the clients.

botocore is used without boto3's layer on top, and imported late: a plan waits for both.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from iot_ca import utc
from iot_ca.aws.credentials import load as load_credentials
from iot_ca.aws.endpoints import check_endpoint, endpoint_setting, without_password
from iot_ca.aws.errors import translate_errors
from iot_ca.aws.pacing import Pacer, SlownessNotice, pace
from iot_ca.aws.retries import is_temporary, retry
from iot_ca.errors import Failure, Unavailable, one_line
from iot_ca.model import Credentials, Target

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session

SESSION_NAME = "terraform-aws-iot-ca"

_ATTEMPTS = 6
# Twenty calls about CAs at once, and one about events.
_CONNECTIONS = 21
_CONNECT_SECONDS = 5
_READ_SECONDS = 30


class Account:
    """The account and Region of a target, reached with the program's own credentials.

    The session and the clients are created at the first call. Methods raise Failure only, and can
    be called in several threads.

    Args:
        target: the account and Region.
        named_by: who has named the account, for a message: the state if the aws provider may be of
            another account by now.
    """

    def __init__(self, target: Target, named_by: str = "the aws provider") -> None:
        self.target = target
        self._named_by = named_by
        self._notice = SlownessNotice()
        self._clients: dict[tuple[str, str], Any] = {}
        # botocore can create neither clients nor their exception classes in several threads.
        self._lock = threading.RLock()
        self._caller: str | None = None

    @cached_property
    def _session(self) -> Session:
        credentials = self.target.credentials
        session = new_session(credentials.profile)
        load_credentials(session)
        if credentials.role_arn:
            sts = self._patient_client(session, "sts", self.target.region)
            issued = sts.assume_role(**role_request(credentials))["Credentials"]
            session.set_credentials(
                issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
            )
        return session

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service, in the target's Region by default."""
        key = (service, region or self.target.region)
        with self._lock:
            if key not in self._clients:
                with self.failures(service):
                    client = self._patient_client(self._session, *key)
                    _ = client.exceptions
                self._clients[key] = client
            return self._clients[key]

    @property
    def caller(self) -> str:
        """The account that the credentials belong to, as AWS STS reports it."""
        # cached_property has no lock of its own (Python 3.12), and each call would make a client.
        with self._lock:
            if self._caller is None:
                with self.failures("sts"):
                    sts = self._patient_client(self._session, "sts", self.target.region)
                    self._caller = str(sts.get_caller_identity()["Account"])
            return self._caller

    def _patient_client(self, session: Session, service: str, region: str) -> Any:
        client = _client(session, service, region)
        retry(client, self._notice)
        if service == "iot":
            # One for each client: there is one client for each Region.
            pace(client, Pacer(self._notice).wait)
        return client

    @property
    def partition(self) -> str:
        """The partition of the target's Region, as in an ARN."""
        with self.failures():
            return str(self._session.get_partition_for_region(self.target.region))

    def identify(self, account_id: str | None) -> None:
        """Set the target's account, which was not known; by default that of the credentials."""
        self.target = replace(self.target, account_id=account_id or self.caller)

    def check(self) -> None:
        """Raise Failure if the credentials belong to another account than the target's."""
        self.require_account(self.caller)

    def require_account(self, account: str) -> None:
        """Raise Failure if `account`, which AWS has answered, is not the target's."""
        if account != self.target.account_id:
            raise Failure(
                f"the program's credentials belong to account {account}, {self._named_by}'s to "
                f"account {self.target.account_id}; nothing was written; set credentials (profile "
                "or role_arn) so that both are the same account"
            )

    @cached_property
    def registration_code(self) -> str:
        """The common name that a verification certificate needs in this account and Region."""
        self.check()
        with self.failures():
            return str(self.client("iot").get_registration_code()["registrationCode"])

    @contextmanager
    def failures(self, service: str = "iot") -> Iterator[None]:
        """Raise what botocore raises in the block as a Failure that names a remedy.

        What may pass by itself becomes Unavailable.
        """
        try:
            with translate_errors(self.target.region, service):
                yield
        except Failure as failure:
            if is_temporary(failure.__cause__):
                raise Unavailable(str(failure)) from failure.__cause__
            raise


def role_request(credentials: Credentials) -> dict[str, str]:
    """Return the parameters of AssumeRole for credentials that name a role."""
    request = {
        "RoleArn": credentials.role_arn or "",
        "RoleSessionName": credentials.session_name or SESSION_NAME,
    }
    if credentials.external_id:
        request["ExternalId"] = credentials.external_id
    return request


def new_session(profile: str | None) -> Session:
    """Return a session with the credentials of a profile, or of the default chain."""
    _leave_out_pyopenssl()
    import botocore.session

    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", _loader(session))
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_parse_timestamp)
    return session


def _leave_out_pyopenssl() -> None:
    """Keep botocore from importing pyOpenSSL, an eighth of the program's time where it is there.

    botocore takes nothing from it but the SSLContext of Python's own ssl (botocore.httpsession).
    """
    modules: dict[str, Any] = sys.modules
    modules.setdefault("urllib3.contrib.pyopenssl", None)


def _parse_timestamp(value: Any) -> datetime:
    """Return a time of a response, in UTC; botocore's own parser converts it to local time.

    A number, also as text, is in seconds since 1970. Any other text has its offset with it, so that
    botocore's parser does not convert it.
    """
    from botocore.utils import parse_timestamp

    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)
    return utc.from_epoch(seconds)


def _loader(session: Session) -> Loader:
    """Return botocore's loader of service models without its scan of every service's folder.

    botocore scans to learn whether a service exists; that took a tenth of the program's time.
    """
    from botocore.loaders import Loader, create_loader

    class QuickLoader(Loader):
        def list_available_services(self, type_name: str) -> list[str]:
            # Whether a service has a model of this type shows when the model is loaded.
            del type_name
            folders = (path for path in self.search_paths if os.path.isdir(path))  # noqa: PTH112
            return [name for folder in folders for name in os.listdir(folder)]  # noqa: PTH208

    usual = create_loader(session.get_config_variable("data_path"))
    return QuickLoader(usual.search_paths, include_default_search_paths=False)


def _client(session: Session, service: str, region: str, connections: int = _CONNECTIONS) -> Any:
    from botocore.config import Config

    config = Config(
        max_pool_connections=connections,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra=SESSION_NAME,
    )
    try:
        client = session.create_client(service, region_name=region, config=config)
    except ValueError as error:
        text = without_password(one_line(str(error)))
        is_endpoint = re.match("Invalid (endpoint|IPv6)", text)
        setting = endpoint_setting(service) if is_endpoint else None
        raise Failure(f"{text}; check {setting or 'the settings of AWS'}") from error
    check_endpoint(service, client.meta.endpoint_url)
    return client
