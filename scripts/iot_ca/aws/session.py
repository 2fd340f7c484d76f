"""One account and region of AWS: session, clients, and what AWS's refusals mean in words.

botocore is used without boto3's layer on top, and imported late: a plan waits for both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from iot_ca.errors import Denied, Failure, Gone, one_line
from iot_ca.model import Credentials, Target

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.loaders import Loader
    from botocore.session import Session

SESSION_NAME = "terraform-aws-iot-ca"

_ATTEMPTS = 6
_CONNECTIONS = 10
_CONNECT_SECONDS = 5
_READ_SECONDS = 30

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_UNKNOWN_CREDENTIALS = {
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "ForbiddenException",
    "UnauthorizedException",
}
_HELD_ELSEWHERE = "Cannot accept this CACertificate"


class Account:
    """The account and region of a target, as the program's own credentials see it.

    Session and clients are made at the first call. Every method raises Failure and nothing else.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self._clients: dict[tuple[str, str], Any] = {}

    @cached_property
    def _session(self) -> Session:
        credentials = self.target.credentials
        session = new_session(credentials.profile)
        if credentials.role_arn:
            sts = _client(session, "sts", self.target.region)
            issued = sts.assume_role(**role_request(credentials))["Credentials"]
            session.set_credentials(
                issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
            )
        return session

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, in the target's region unless told; to be called by one thread.

        Neither clients nor their exception classes can be made in several threads, so both are
        made here.
        """
        key = (service, region or self.target.region)
        if key not in self._clients:
            with self.failures(service):
                self._clients[key] = _client(self._session, *key)
                _ = self._clients[key].exceptions
        return self._clients[key]

    @cached_property
    def caller(self) -> str:
        """The account that the credentials really belong to."""
        with self.failures("sts"):
            sts = _client(self._session, "sts", self.target.region)
            return str(sts.get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        """The partition of the target's region, as ARNs spell it."""
        with self.failures():
            return str(self._session.get_partition_for_region(self.target.region))

    def check(self) -> None:
        """Refuse to go on with credentials of an account that is not the aws provider's."""
        self.refuse_other(self.caller)

    def refuse_other(self, account: str) -> None:
        """Refuse `account`, which AWS has named, if it is not the target's."""
        if account != self.target.account_id:
            raise Failure(
                f"the program's credentials belong to account {account}, the aws provider's to "
                f"account {self.target.account_id}; nothing was written; set credentials (profile "
                "or role_arn) so that both are the same account"
            )

    @cached_property
    def registration_code(self) -> str:
        """What a verification certificate must carry as its common name, here and nowhere else."""
        self.check()
        with self.failures():
            return str(self.client("iot").get_registration_code()["registrationCode"])

    @contextmanager
    def failures(self, service: str = "iot") -> Iterator[None]:
        """Whatever botocore raises inside becomes a Failure with what to do."""
        with failures(self.target.region, service):
            yield


@contextmanager
def failures(region: str, service: str = "iot") -> Iterator[None]:
    """Whatever botocore raises inside becomes a Failure with what to do.

    `service` is the prefix of its actions in IAM policies. A refusal for want of a permission
    becomes Denied, one because something is not there becomes Gone.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        _refused(error, region, service)
    except BotoCoreError as error:
        _unreachable(error)
    except (KeyError, IndexError) as error:
        raise Failure(
            f"an answer is not one of AWS: it lacks {error}; check proxy and AWS_ENDPOINT_URL"
        ) from error


def role_request(credentials: Credentials) -> dict[str, str]:
    """What AssumeRole is asked with, for credentials that name a role."""
    request = {
        "RoleArn": credentials.role_arn or "",
        "RoleSessionName": credentials.session_name or SESSION_NAME,
    }
    if credentials.external_id:
        request["ExternalId"] = credentials.external_id
    return request


def new_session(profile: str | None) -> Session:
    """A session with the credentials of a profile, or of the default chain."""
    import botocore.session

    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", _loader(session))
    return session


def _loader(session: Session) -> Loader:
    """botocore's loader of service models, without its look into every service's folder.

    It only has to say whether a service exists, and that look took a tenth of the program's time.
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
        return session.create_client(service, region_name=region, config=config)
    except ValueError as error:
        raise Failure(f"{one_line(str(error))}; check AWS_ENDPOINT_URL") from error


def _refused(error: ClientError, region: str, service: str) -> NoReturn:
    """AWS answered, and the answer is no."""
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    message = one_line(str(error.response.get("Error", {}).get("Message", "")))
    operation = error.operation_name
    said = f"AWS says: {code}: {message}" if message else f"AWS says: {code}"
    if code in _EXPIRED:
        raise Failure(
            "the credentials have expired; renew them (such as `aws sso login`) and run again; "
            f"{said}"
        ) from error
    if code in _UNKNOWN_CREDENTIALS:
        raise Failure(f"AWS does not accept the credentials; check them; {said}") from error
    if code in _DENIED:
        named = re.search(r"not authorized to perform: ([a-z0-9-]+:\w+)", message)
        prefix = "sts" if operation in ("AssumeRole", "GetCallerIdentity") else service
        action = named.group(1) if named else f"{prefix}:{operation}"
        remedy = "allow it in their policy"
        if operation == "AssumeRole":
            # IAM answers alike in all three cases, so that nobody learns which roles exist.
            remedy += ", or put right the role's name or its trust policy, which is as likely"
        raise Denied(f"the credentials may not call {action}; {remedy}; {said}") from error
    if _HELD_ELSEWHERE in message:
        raise Failure(
            f"another account holds this CA in DEFAULT mode in {region}, and only one may; "
            f'set certificate_mode = "SNI_ONLY" here (devices must then send SNI); {said}'
        ) from error
    if code == "LimitExceededException":
        raise Failure(
            f"{operation} reaches a quota; make room or ask AWS for a larger one; {said}"
        ) from error
    if "Throttl" in code or code == "TooManyRequestsException":
        raise Failure(f"AWS throttles {operation}; run again in a minute; {said}") from error
    kind = Gone if code == "ResourceNotFoundException" else Failure
    raise kind(f"{operation} failed; put right what AWS names, or run again; {said}") from error


def _unreachable(error: BotoCoreError) -> NoReturn:
    """No answer from AWS: no credentials to ask with, or no way there."""
    from botocore import exceptions

    said = one_line(str(error))
    if isinstance(error, exceptions.PartialCredentialsError):
        raise Failure(f"{said}; set all of them or none") from error
    if isinstance(error, exceptions.NoCredentialsError):
        raise Failure(
            "no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID in the environment, or "
            "name a profile or a role (of the module: credentials.profile, credentials.role_arn; "
            "the aws provider's own settings are not inherited)"
        ) from error
    if isinstance(error, exceptions.ProfileNotFound):
        raise Failure(
            f"{said}; name one that exists on this machine (of the module: credentials.profile; "
            "destroy uses the one that was applied last: apply once with the new one)"
        ) from error
    if isinstance(
        error,
        exceptions.CredentialRetrievalError
        | exceptions.SSOError
        | exceptions.TokenRetrievalError
        | exceptions.RefreshWithMFAUnsupportedError,
    ):
        raise Failure(f"credentials can't be had: {said}; log in again") from error
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        # Not botocore's text: the URL in it names one CA, and this is wrong with all of them.
        endpoint = urlsplit(str(error.kwargs.get("endpoint_url", ""))).netloc
        raise Failure(
            f"AWS can't be reached at {endpoint or 'its endpoint'} ({type(error).__name__}); check "
            "network, proxy and AWS_ENDPOINT_URL"
        ) from error
    raise Failure(said) from error
