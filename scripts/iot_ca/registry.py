"""What AWS IoT Core has, and the calls that change it: the only module that talks to AWS.

botocore is used without boto3's layer on top, and imported late: a plan waits for both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from iot_ca.drift import Observed, Register, Step, Untag, Update, enable
from iot_ca.failure import Failure, one_line
from iot_ca.protocol import Target

if TYPE_CHECKING:
    from concurrent.futures import Future

    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.loaders import Loader
    from botocore.session import Session

    from iot_ca.certificate import Certificate

SESSION_NAME = "terraform-aws-iot-ca"

# AWS allows about ten of these calls a second; more at once would only be throttled.
_PARALLEL_CALLS = 10
_ATTEMPTS = 6
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


class Registry:
    """The CA certificates of one account and region.

    Clients are made at the first call. Every method raises Failure and nothing else.
    """

    def __init__(self, target: Target) -> None:
        self.target = target

    @cached_property
    def _session(self) -> Session:
        import botocore.session

        credentials = self.target.credentials
        session = botocore.session.Session(profile=credentials.profile)
        session.register_component("data_loader", _loader(session))
        if credentials.role_arn:
            request = {
                "RoleArn": credentials.role_arn,
                "RoleSessionName": credentials.session_name or SESSION_NAME,
            }
            if credentials.external_id:
                request["ExternalId"] = credentials.external_id
            sts = _client(session, "sts", self.target.region)
            issued = sts.assume_role(**request)["Credentials"]
            session.set_credentials(
                issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"]
            )
        return session

    @cached_property
    def _iot(self) -> Any:
        return _client(self._session, "iot", self.target.region)

    @cached_property
    def _caller_account(self) -> str:
        sts = _client(self._session, "sts", self.target.region)
        return str(sts.get_caller_identity()["Account"])

    @cached_property
    def registration_code(self) -> str:
        """What a verification certificate must carry as its common name, here and nowhere else."""
        self.check_account()
        with self._failures():
            return str(self._iot.get_registration_code()["registrationCode"])

    def arn(self, certificate_id: str) -> str:
        """The ARN that a CA has, or will have, in this account and region."""
        region = self.target.region
        with self._failures():
            partition = self._session.get_partition_for_region(region)
        return f"arn:{partition}:iot:{region}:{self.target.account_id}:cacert/{certificate_id}"

    def check_account(self) -> None:
        """Refuse to go on with credentials of an account that is not the aws provider's."""
        with self._failures():
            account = self._caller_account
        self._refuse_other(account)

    def observe(self, certificate_ids: Iterable[str]) -> dict[str, Observed | Failure | None]:
        """Each CA as AWS has it: None where it is not registered, or what went wrong.

        Two calls a CA, all in parallel. The ARN of a CA that is found names the account; only
        where one is not found is AWS asked who the caller is, since "not registered" must not
        be said of another account than the provider's.
        """
        from concurrent.futures import ThreadPoolExecutor

        ids = list(dict.fromkeys(certificate_ids))
        arns = {certificate_id: self.arn(certificate_id) for certificate_id in ids}
        with self._failures():
            # Made here: neither client nor exception classes can be made in several threads.
            _ = self._iot.exceptions
        with ThreadPoolExecutor(min(_PARALLEL_CALLS, 2 * len(ids) or 1)) as pool:
            described = {each: pool.submit(self._describe, each) for each in ids}
            tagged = {each: pool.submit(self._tags, arns[each]) for each in ids}
        observed: dict[str, Observed | Failure | None] = {}
        for each in ids:
            try:
                observed[each] = self._put_together(each, described[each].result(), tagged[each])
            except Failure as failure:
                observed[each] = failure
        if None in observed.values():
            try:
                self.check_account()
            except Failure as failure:
                return {each: found or failure for each, found in observed.items()}
        return observed

    def observe_one(self, certificate_id: str) -> Observed | None:
        """One CA as AWS has it, or None where this very account has no such CA."""
        found = self.observe([certificate_id])[certificate_id]
        if isinstance(found, Failure):
            raise found
        return found

    def carry_out(self, step: Step, certificate: Certificate, proof: str | None) -> bool:
        """Make the one call that a step stands for; returns whether it registered the CA.

        `proof` is the verification certificate (PEM) of a registration in DEFAULT mode. A CA
        that somebody else registers in the same moment, or that an earlier attempt of this very
        call registered before its connection broke, is not an error: the caller looks again.
        """
        if isinstance(step, Register):
            return self._register(step, certificate, proof)
        if isinstance(step, Update):
            self.update(certificate.certificate_id, step)
        elif isinstance(step, Untag):
            self.untag(certificate.certificate_id, step)
        else:
            arn = self.arn(certificate.certificate_id)
            with self._failures():
                self._iot.tag_resource(resourceArn=arn, tags=_aws_tags(step.tags))
        return False

    def update(self, certificate_id: str, update: Update) -> None:
        """UpdateCACertificate with what `update` names."""
        request: dict[str, Any] = {"certificateId": certificate_id}
        if update.status is not None:
            request["newStatus"] = update.status
        if update.auto_registration is not None:
            request["newAutoRegistrationStatus"] = enable(update.auto_registration)
        if update.template_name is not None:
            request["registrationConfig"] = {"templateName": update.template_name}
        if update.remove_registration_config:
            request["removeAutoRegistration"] = True
        with self._failures():
            self._iot.update_ca_certificate(**request)

    def untag(self, certificate_id: str, untag: Untag) -> None:
        """UntagResource."""
        arn = self.arn(certificate_id)
        with self._failures():
            self._iot.untag_resource(resourceArn=arn, tagKeys=list(untag.keys))

    def delete(self, certificate_id: str) -> None:
        """DeleteCACertificate; a CA that is gone already is no error. It must be INACTIVE."""
        with self._failures():
            try:
                self._iot.delete_ca_certificate(certificateId=certificate_id)
            except self._iot.exceptions.ResourceNotFoundException:
                return

    def _register(self, step: Register, certificate: Certificate, proof: str | None) -> bool:
        request: dict[str, Any] = {
            "caCertificate": certificate.pem,
            "certificateMode": step.certificate_mode,
            "setAsActive": step.active,
            "allowAutoRegistration": step.auto_registration,
            "tags": _aws_tags(step.tags),
        }
        if step.template_name is not None:
            request["registrationConfig"] = {"templateName": step.template_name}
        if proof is not None:
            request["verificationCertificate"] = proof
        with self._failures():
            try:
                answer = self._iot.register_ca_certificate(**request)
            except self._iot.exceptions.ResourceAlreadyExistsException as error:
                answer = error.response
                there = answer.get("resourceId") or certificate.certificate_id
                _refuse_other_id(there, certificate.certificate_id)
                return False
            registered = str(answer["certificateId"])
        _refuse_other_id(registered, certificate.certificate_id)
        return True

    def _put_together(
        self,
        certificate_id: str,
        answer: Mapping[str, Any] | None,
        tagged: Future[dict[str, str] | None],
    ) -> Observed | None:
        if answer is None:
            return None
        self._check_answer(answer, certificate_id)
        tags = tagged.result()
        if tags is None:
            # Somebody registered it between the two calls, or they have not caught up yet.
            tags = self._tags(self.arn(certificate_id))
        with self._failures():
            return _observed(answer, tags or {})

    def _describe(self, certificate_id: str) -> dict[str, Any] | None:
        with self._failures():
            try:
                answer: dict[str, Any] = self._iot.describe_ca_certificate(
                    certificateId=certificate_id
                )
            except self._iot.exceptions.ResourceNotFoundException:
                return None
        return answer

    def _tags(self, arn: str) -> dict[str, str] | None:
        tags: dict[str, str] = {}
        request = {"resourceArn": arn}
        # Not botocore's paginator: loading it would take longer than the call.
        while True:
            with self._failures():
                try:
                    page = self._iot.list_tags_for_resource(**request)
                except self._iot.exceptions.ResourceNotFoundException:
                    return None
                tags.update((tag["Key"], tag.get("Value", "")) for tag in page["tags"])
            if not page.get("nextToken"):
                return tags
            request["nextToken"] = page["nextToken"]

    def _check_answer(self, answer: Mapping[str, Any], certificate_id: str) -> None:
        with self._failures():
            description = answer["certificateDescription"]
            account = description["certificateArn"].split(":")[4]
            answered = description["certificateId"]
        self._refuse_other(account)
        _refuse_other_id(answered, certificate_id)

    def _refuse_other(self, account: str) -> None:
        if account != self.target.account_id:
            raise Failure(
                f"the program's credentials belong to account {account}, the aws provider's to "
                f"account {self.target.account_id}; nothing was written; set credentials (profile "
                "or role_arn) so that both are the same account"
            )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Whatever botocore raises inside becomes a Failure with what to do."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            _refused(error, self.target)
        except BotoCoreError as error:
            _unreachable(error)
        except (KeyError, IndexError) as error:
            raise Failure(
                f"an answer is not one of AWS: it lacks {error}; check proxy and AWS_ENDPOINT_URL"
            ) from error


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


def _client(session: Session, service: str, region: str, connections: int = _PARALLEL_CALLS) -> Any:
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


def _observed(answer: Mapping[str, Any], tags: dict[str, str]) -> Observed:
    description = answer["certificateDescription"]
    config = answer.get("registrationConfig") or {}
    return Observed(
        # Registrations older than the modes carry none and behave as DEFAULT always did.
        mode=description.get("certificateMode") or "DEFAULT",
        status=description["status"],
        auto_registration=description.get("autoRegistrationStatus") == "ENABLE",
        template_name=config.get("templateName"),
        has_registration_config=any(config.values()),
        tags=tags,
        validity=_validity(description.get("validity") or {}),
    )


def _validity(validity: Mapping[str, datetime]) -> tuple[datetime, datetime] | None:
    if "notBefore" not in validity or "notAfter" not in validity:
        return None
    return (
        validity["notBefore"].astimezone(timezone.utc),
        validity["notAfter"].astimezone(timezone.utc),
    )


def _aws_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _refuse_other_id(answered: str, certificate_id: str) -> None:
    if answered != certificate_id:
        raise Failure(
            f"AWS IoT answers certificate ID {answered} where {certificate_id} (SHA-256 of the "
            "DER) was expected; stopped, please report this to the module's maintainers"
        )


def _refused(error: ClientError, target: Target) -> NoReturn:
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
        service = "sts" if operation in ("AssumeRole", "GetCallerIdentity") else "iot"
        action = named.group(1) if named else f"{service}:{operation}"
        raise Failure(
            f"the credentials may not call {action}; allow it in their policy; {said}"
        ) from error
    if _HELD_ELSEWHERE in message:
        raise Failure(
            f"another account holds this CA in DEFAULT mode in {target.region}, and only one may; "
            f'set certificate_mode = "SNI_ONLY" here (devices must then send SNI); {said}'
        ) from error
    if code == "LimitExceededException":
        raise Failure(
            "a quota of AWS IoT is reached; delete CAs that are no longer needed or ask AWS for "
            f"more; {said}"
        ) from error
    if "Throttl" in code or code == "TooManyRequestsException":
        raise Failure(f"AWS throttles {operation}; run again in a minute; {said}") from error
    raise Failure(f"{operation} failed; put right what AWS names, or run again; {said}") from error


def _unreachable(error: BotoCoreError) -> NoReturn:
    """No answer from AWS: no credentials to ask with, or no way there."""
    from botocore import exceptions

    said = one_line(str(error))
    if isinstance(error, exceptions.PartialCredentialsError):
        raise Failure(f"{said}; set all of them or none") from error
    if isinstance(error, exceptions.NoCredentialsError):
        raise Failure(
            "no AWS credentials found; the aws provider's own settings are not inherited: set "
            "credentials.profile or credentials.role_arn, or AWS_PROFILE or AWS_ACCESS_KEY_ID in "
            "the environment"
        ) from error
    if isinstance(error, exceptions.ProfileNotFound):
        raise Failure(
            f"{said}; set credentials.profile to one that exists on this machine (destroy uses the "
            "one that was applied last: apply once with the new one)"
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
