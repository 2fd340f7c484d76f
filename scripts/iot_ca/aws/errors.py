"""What the errors of AWS and of botocore mean, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from iot_ca.aws.endpoints import network_settings, without_password
from iot_ca.errors import Denied, Failure, Gone, as_failure, one_line

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

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


@contextmanager
def translate_errors(region: str, service: str = "iot") -> Iterator[None]:
    """Raise what botocore raises in the block as a Failure that names a remedy.

    Args:
        region: the Region that is called, for the message.
        service: the prefix of the service's actions in IAM policies.

    A missing permission becomes Denied, a resource that does not exist becomes Gone.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        _raise_refusal(error, region, service)
    except BotoCoreError as error:
        _raise_unreachable(error)
    except (KeyError, IndexError) as error:
        raise Failure(
            f"unexpected response: {error} is missing; check {network_settings()}"
        ) from error
    except Failure:
        raise
    except OSError as error:
        # Such as a file of certificates that AWS_CA_BUNDLE names.
        reason = error.strerror or type(error).__name__
        raise Failure(
            f"AWS can't be called: {error.filename or 'the network'}: {reason}; correct the "
            "setting that names it"
        ) from error
    except Exception as error:
        # Here, so that one CA's call costs that CA alone, and a mode change is rolled back.
        raise as_failure(error) from error


def _raise_refusal(error: ClientError, region: str, service: str) -> NoReturn:
    """Raise Failure for an error that AWS has answered."""
    code = str(error.response.get("Error", {}).get("Code", "Unknown"))
    message = one_line(str(error.response.get("Error", {}).get("Message", "")))
    operation = error.operation_name
    reported = f"AWS says: {code}: {message}" if message else f"AWS says: {code}"
    if code in _EXPIRED:
        raise Failure(
            "the credentials have expired; renew them (such as `aws sso login`) and run again; "
            f"{reported}"
        ) from error
    if code in _UNKNOWN_CREDENTIALS:
        raise Failure(f"AWS does not accept the credentials; check them; {reported}") from error
    if code in _DENIED:
        raise Denied(f"{_denied_action(operation, message, service)}; {reported}") from error
    if _HELD_ELSEWHERE in message:
        raise Failure(
            f"another account holds this CA in DEFAULT mode in {region}, and only one may; "
            f'set certificate_mode = "SNI_ONLY" here (devices must then send SNI); {reported}'
        ) from error
    if code == "LimitExceededException":
        raise Failure(
            f"{operation} reaches a quota; make room or ask AWS for a larger one; {reported}"
        ) from error
    if "Throttl" in code or code == "TooManyRequestsException":
        raise Failure(f"AWS throttles {operation}; run again in a minute; {reported}") from error
    kind = Gone if code == "ResourceNotFoundException" else Failure
    raise kind(
        f"{operation} failed; fix the cause that AWS reports, or run again; {reported}"
    ) from error


def _denied_action(operation: str, message: str, service: str) -> str:
    """Return which permission is missing, and the remedy."""
    named = re.search(r"not authorized to perform: ([a-z0-9-]+:\w+)", message)
    prefix = "sts" if operation in ("AssumeRole", "GetCallerIdentity") else service
    action = named.group(1) if named else f"{prefix}:{operation}"
    remedy = "allow it in their policy"
    if operation == "AssumeRole":
        # IAM gives one answer in all three cases, so that it does not reveal which roles exist.
        remedy += ", or correct the role's name or its trust policy, which is as likely"
    return f"the credentials may not call {action}; {remedy}"


def _raise_unreachable(error: BotoCoreError) -> NoReturn:
    """Raise Failure for a call that AWS has not answered: no credentials, or no connection."""
    from botocore import exceptions

    reported = one_line(str(error))
    if isinstance(error, exceptions.PartialCredentialsError):
        raise Failure(f"{reported}; set all of them or none") from error
    if isinstance(error, exceptions.NoCredentialsError):
        raise Failure(
            "no AWS credentials found; set AWS_PROFILE or AWS_ACCESS_KEY_ID, or name a profile or "
            "a role (in the module: credentials; the aws provider's own settings are not inherited)"
        ) from error
    if isinstance(error, exceptions.ProfileNotFound):
        raise Failure(
            f"{reported}; name one that exists on this machine (of the module: "
            "credentials.profile; destroy uses the one that was applied last: apply once with the "
            "new one)"
        ) from error
    if isinstance(
        error,
        exceptions.CredentialRetrievalError
        | exceptions.SSOError
        | exceptions.TokenRetrievalError
        | exceptions.RefreshWithMFAUnsupportedError,
    ):
        raise Failure(f"could not obtain credentials: {reported}; log in again") from error
    if type(error) is exceptions.HTTPClientError and _is_malformed_url(error):
        # The endpoint's URL was checked when the client was created.
        raise Failure(
            "the proxy of HTTP_PROXY or HTTPS_PROXY is not the URL of one; correct the variable"
        ) from error
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        # Not botocore's text: the URL in it names one CA, and the outage concerns all of them.
        url = without_password(str(error.kwargs.get("endpoint_url", "")))
        endpoint = urlsplit(url).netloc
        raise Failure(
            f"AWS can't be reached at {endpoint or 'its endpoint'} ({type(error).__name__}); check "
            f"{network_settings()}"
        ) from error
    if isinstance(error, exceptions.ConfigParseError):
        raise Failure(f"{reported}; correct that file, or AWS_CONFIG_FILE") from error
    raise Failure(reported) from error


def _is_malformed_url(error: BotoCoreError) -> bool:
    from urllib3.exceptions import LocationValueError

    return isinstance(error.kwargs.get("error"), LocationValueError)
