"""The CA certificates of one account and Region: the calls that read and change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from iot_ca.aws import observation
from iot_ca.aws.observation import check_certificate_id
from iot_ca.aws.pages import pages
from iot_ca.aws.quota import raise_quota_error
from iot_ca.aws.session import Account
from iot_ca.errors import Denied, Failure, as_failure
from iot_ca.model import ObservedCa, auto_registration_status
from iot_ca.reconcile.steps import Register, Update

if TYPE_CHECKING:
    from concurrent.futures import Future

Description = dict[str, Any]
Tags = dict[str, str]

# A plan of fifty CAs waits for all of these calls. Whether AWS IoT throttles so many at once is the
# guess of iot_ca.aws.pacing.BURST_CALLS: its documented quotas are for calls a second.
_PARALLEL_CALLS = 20
_PAGE_SIZE = 250


class CaCertificates:
    """The CA certificates of one account and Region. Methods raise Failure only.

    `parallel_calls`: how many calls `observe` makes at once.
    """

    def __init__(self, account: Account, parallel_calls: int = _PARALLEL_CALLS) -> None:
        self.account = account
        self._parallel_calls = parallel_calls

    @property
    def _iot(self) -> Any:
        return self.account.client("iot")

    def arn(self, certificate_id: str) -> str:
        """Return the ARN that a CA has, or will have, in this account and Region."""
        return observation.arn(self.account, certificate_id)

    def observe(self, certificate_ids: Iterable[str]) -> dict[str, ObservedCa | Failure | None]:
        """Return each CA by its ID: None if it is not registered, or why it could not be read.

        Makes two calls for each CA, in parallel. The ARN of a registered CA names the account.
        Only for other CAs is AWS STS asked for the account: "not registered" and "not permitted"
        must not be said of another account than the aws provider's. If the target's account is not
        known, it is the account of the credentials, and each second call waits for the first one.
        """
        ids = list(dict.fromkeys(certificate_ids))
        described, tagged = self._describe_and_read_tags(ids)
        observed: dict[str, ObservedCa | Failure | None] = {}
        for key in ids:
            try:
                response = described[key].result()
                tags = tagged.get(key)
                observed[key] = observation.observed(self.account, key, response, tags)
            except Exception as error:
                observed[key] = as_failure(error)
        doubtful = [key for key in ids if isinstance(observed[key], Denied | None)]
        if doubtful:
            try:
                self.account.check()
            except Failure as failure:
                observed.update(dict.fromkeys(doubtful, failure))
        return observed

    def _describe_and_read_tags(
        self, ids: list[str]
    ) -> tuple[dict[str, Future[Description | None]], dict[str, Future[Tags | None]]]:
        """Make both calls for each CA, and return the answers when all are there.

        Without the account, the tags are only those of CAs that are registered.
        """
        from concurrent.futures import ThreadPoolExecutor, wait

        described: dict[str, Future[Description | None]] = {}
        tagged: dict[str, Future[Tags | None]] = {}

        def describe(key: str) -> Description | None:
            response = observation.describe(self.account, key)
            if response is not None and not is_identified:
                with self.account.failures():
                    read_tags(key, observation.arn_in(response))
            return response

        def read_tags(key: str, arn: str) -> None:
            tagged[key] = pool.submit(observation.read_tags, self.account, arn)

        is_identified = bool(self.account.target.account_id)
        with ThreadPoolExecutor(min(self._parallel_calls, 2 * len(ids) or 1)) as pool:
            for key in ids:
                described[key] = pool.submit(describe, key)
                if is_identified:
                    # In turns: each operation has a quota of its own, both are used at once.
                    read_tags(key, self.arn(key))
            wait(described.values())
        if not is_identified:
            self.account.identify(_account_in(described.values()))
        return described, tagged

    def observe_one(self, certificate_id: str) -> ObservedCa | None:
        """Return one CA; None if it is not registered in this very account."""
        observed = self.observe([certificate_id])[certificate_id]
        if isinstance(observed, Failure):
            raise observed
        return observed

    def register(self, registration: Register) -> bool:
        """RegisterCACertificate; return False if the CA is registered already."""
        certificate_id = registration.certificate.certificate_id
        request = _registration_request(registration)
        with self.account.failures():
            try:
                response = self._iot.register_ca_certificate(**request)
            except self._iot.exceptions.ResourceAlreadyExistsException as error:
                existing = error.response.get("resourceId") or certificate_id
                check_certificate_id(existing, certificate_id)
                return False
            except self._iot.exceptions.LimitExceededException as error:
                raise_quota_error(self.account, registration.certificate, error)
            registered = str(response["certificateId"])
        check_certificate_id(registered, certificate_id)
        return True

    def update(self, certificate_id: str, update: Update) -> None:
        """UpdateCACertificate with the settings that `update` names."""
        request: dict[str, Any] = {"certificateId": certificate_id}
        if update.status is not None:
            request["newStatus"] = update.status
        if update.auto_registration is not None:
            request["newAutoRegistrationStatus"] = auto_registration_status(
                update.auto_registration
            )
        if update.template_name is not None:
            request["registrationConfig"] = {"templateName": update.template_name}
        if update.remove_registration_config:
            request["removeAutoRegistration"] = True
        with self.account.failures():
            self._iot.update_ca_certificate(**request)

    def tag(self, certificate_id: str, tags: dict[str, str]) -> None:
        """TagResource."""
        arn = self.arn(certificate_id)
        with self.account.failures():
            self._iot.tag_resource(resourceArn=arn, tags=_aws_tags(tags))

    def untag(self, certificate_id: str, keys: tuple[str, ...]) -> None:
        """UntagResource."""
        arn = self.arn(certificate_id)
        with self.account.failures():
            self._iot.untag_resource(resourceArn=arn, tagKeys=list(keys))

    def delete(self, certificate_id: str) -> None:
        """DeleteCACertificate, of an INACTIVE CA; do nothing if it is not registered."""
        with self.account.failures():
            try:
                self._iot.delete_ca_certificate(certificateId=certificate_id)
            except self._iot.exceptions.ResourceNotFoundException:
                return

    def probe_register(self, registration: Register) -> None:
        """Raise Failure if AWS IoT would refuse this registration of a CA that is registered now.

        The call has no effect: AWS IoT answers that the CA exists already (API reference).
        """
        self.register(registration)

    def probe_delete(self, certificate_id: str) -> None:
        """Raise Failure if AWS IoT would refuse to delete a CA that is ACTIVE now.

        The call has no effect: AWS IoT answers CertificateStateException for an ACTIVE CA.
        """
        with self.account.failures():
            try:
                self._iot.delete_ca_certificate(certificateId=certificate_id)
            except (
                self._iot.exceptions.CertificateStateException,
                self._iot.exceptions.ResourceNotFoundException,
            ):
                return

    def count_device_certificates(self, certificate_id: str) -> tuple[int, bool]:
        """Return how many registered device certificates a CA has signed, and whether of more.

        One page that is not empty is counted, and no more.
        """
        request = {"caCertificateId": certificate_id, "pageSize": _PAGE_SIZE}
        with self.account.failures():
            for page in pages(self._iot.list_certificates_by_ca, request, "marker", "nextMarker"):
                # A page may be empty and not the last.
                if page["certificates"]:
                    return len(page["certificates"]), bool(page.get("nextMarker"))
        return 0, False


def _account_in(described: Iterable[Future[Description | None]]) -> str | None:
    """Return the account of a CA that was described; None if none is registered."""
    for future in described:
        if future.exception() is None and (response := future.result()) is not None:
            return observation.account_in(response)
    return None


def _registration_request(registration: Register) -> dict[str, Any]:
    request: dict[str, Any] = {
        "caCertificate": registration.certificate.pem,
        "certificateMode": registration.certificate_mode,
        "setAsActive": registration.active,
        "allowAutoRegistration": registration.auto_registration,
        "tags": _aws_tags(registration.tags),
    }
    if registration.registration_config:
        request["registrationConfig"] = dict(registration.registration_config)
    if registration.proof is not None:
        request["verificationCertificate"] = registration.proof
    return request


def _aws_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
