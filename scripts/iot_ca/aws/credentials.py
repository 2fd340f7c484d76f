"""Obtain the program's credentials, or say which setting keeps it from them.

botocore raises whatever a missing file or a strange answer leads to; which of the settings is wrong
is known only here.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from iot_ca.errors import Failure, as_failure, one_line

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

# As long as the AWS SDK for Go waits, and so the aws provider (processcreds.DefaultTimeout): the
# process may wait for a login in a browser.
_PROCESS_SECONDS = 60

_FAILED = "could not obtain credentials"
_IN_ENVIRONMENT = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
_CONTAINER = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
_IN_PROFILE = ("web_identity_token_file",)


def load(session: Session) -> Credentials | None:
    """Return the session's credentials, valid now; None if there are none.

    Raises Failure that names the setting, or what botocore raises for what AWS answers.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        MetadataRetrievalError,
    )

    _limit_credential_process()
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials is not None else None
    except (HTTPClientError, MetadataRetrievalError, CredentialRetrievalError) as error:
        _raise_for_container(error)
        raise
    except (BotoCoreError, ClientError, Failure):
        raise
    except OSError as error:
        raise Failure(f"{_FAILED}: {_file_error(session, error)}") from error
    except Exception as error:
        raise Failure(f"{_FAILED}: {_other_error(error)}") from error
    if frozen is not None:
        _check_characters("access key ID", frozen.access_key)
        _check_characters("secret access key", frozen.secret_key)
        _check_characters("session token", frozen.token)
    return credentials


def _raise_for_container(error: BotoCoreError) -> None:
    """Raise Failure if the credentials are those of a container, whose endpoint is a setting."""
    setting = next((name for name in _CONTAINER if os.environ.get(name)), None)
    if setting is not None:
        raise Failure(
            f"{_FAILED} from the endpoint in {setting}; check that variable: {one_line(str(error))}"
        ) from error


def _file_error(session: Session, error: OSError) -> str:
    """Return which setting names a file that can't be read, and a remedy."""
    reason = error.strerror or type(error).__name__
    profile = session.get_scoped_config()
    named = {os.environ.get(name): name for name in _IN_ENVIRONMENT}
    named.update({profile.get(name): name for name in _IN_PROFILE})
    setting = named.get(str(error.filename))
    if setting is None:
        return f"{error.filename}: {reason}; correct the setting that names it"
    return f"the file that {setting} names can't be read: {reason}: {error.filename}; correct it"


def _other_error(error: Exception) -> str:
    """Return what is wrong with credentials that a provider of botocore has refused."""
    if isinstance(error, RuntimeError) and "expired" in str(error):
        return "those that were just issued have expired; log in again, and check the clock"
    if isinstance(error, EOFError):
        return "the profile asks for an MFA code, and nobody can type one; log in beforehand"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        # botocore's own, about a setting; none of them quotes a key.
        return f"{one_line(str(error))}; correct the setting in the environment or the profile"
    if isinstance(error, UnicodeError):
        return "a token or a file with credentials is not text; correct the setting that names it"
    return str(as_failure(error))


def _check_characters(what: str, value: object) -> None:
    """Raise Failure, without quoting it, for a key that can't be one."""
    if value is not None and not (isinstance(value, str) and re.fullmatch(r"[!-~]*", value)):
        raise Failure(
            f"the {what} of the AWS credentials has a line break, a space or another character "
            "that no key has; set it again without"
        )


def _limit_credential_process() -> None:
    """Give each credential_process a time limit, and its failures words.

    The class is replaced, since botocore makes such providers in several places, also for the
    source_profile of a role.
    """
    from botocore import credentials
    from botocore.exceptions import CredentialRetrievalError

    usual = credentials.ProcessProvider
    if hasattr(usual, "has_time_limit"):
        return

    class ProcessProvider(usual):  # type: ignore[misc, valid-type]
        has_time_limit = True

        def __init__(self, profile_name: str, load_config: Any, popen: Any = _Process) -> None:
            super().__init__(profile_name, load_config, popen=popen)

        def _retrieve_credentials_using(self, credential_process: str) -> Any:
            try:
                return super()._retrieve_credentials_using(credential_process)
            except CredentialRetrievalError as error:
                said = one_line(str(error.kwargs.get("error_msg", ""))) or "no message"
                reason = f"failed; log in again, or correct it: {said}"
            except subprocess.TimeoutExpired:
                reason = f"has not ended within {_PROCESS_SECONDS} seconds; run it by hand"
            except OSError as error:
                reason = f"can't be run ({error.strerror}); correct it or install the program"
            except (AttributeError, LookupError, TypeError, ValueError):
                # The output is not quoted, since it can hold a key.
                reason = (
                    "is not a command that prints a JSON object with Version 1, AccessKeyId and "
                    "SecretAccessKey; correct it"
                )
            raise Failure(f"{_FAILED}: credential_process of profile {self._profile_name} {reason}")

    credentials.ProcessProvider = ProcessProvider  # type: ignore[misc]


class _Process(subprocess.Popen[bytes]):
    """A process that is killed if it does not end in time."""

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Return standard output and error; raise TimeoutExpired."""
        try:
            return super().communicate(input, _PROCESS_SECONDS if timeout is None else timeout)
        except subprocess.TimeoutExpired:
            # Its pipes are not read to their end: a child of its own may hold them open.
            self.kill()
            self.wait()
            raise
