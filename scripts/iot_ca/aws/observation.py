"""Read what AWS IoT Core answers about CA certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from iot_ca.aws.pages import pages
from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.model import ObservedCa

if TYPE_CHECKING:
    from concurrent.futures import Future


def arn(account: Account, certificate_id: str) -> str:
    """Return the ARN that a CA has, or will have, in an account and Region."""
    target = account.target
    return (
        f"arn:{account.partition}:iot:{target.region}:{target.account_id}:cacert/{certificate_id}"
    )


def describe(account: Account, certificate_id: str) -> dict[str, Any] | None:
    """Return the response of DescribeCACertificate; None if the CA is not registered."""
    iot = account.client("iot")
    with account.failures():
        try:
            response: dict[str, Any] = iot.describe_ca_certificate(certificateId=certificate_id)
        except iot.exceptions.ResourceNotFoundException:
            return None
    return response


def arn_in(response: Mapping[str, Any]) -> str:
    """Return the ARN of a CA, from the response of DescribeCACertificate."""
    return str(response["certificateDescription"]["certificateArn"])


def account_in(response: Mapping[str, Any]) -> str:
    """Return the account of a CA, from the response of DescribeCACertificate."""
    return arn_in(response).split(":")[4]


def read_tags(account: Account, certificate_arn: str) -> dict[str, str] | None:
    """Return all tags of a CA; None if the CA is not registered, or not visible yet."""
    iot = account.client("iot")
    tags: dict[str, str] = {}
    request = {"resourceArn": certificate_arn}
    with account.failures():
        try:
            for page in pages(iot.list_tags_for_resource, request, "nextToken", "nextToken"):
                tags.update((tag["Key"], tag.get("Value", "")) for tag in page["tags"])
        except iot.exceptions.ResourceNotFoundException:
            return None
    return tags


def observed(
    account: Account,
    certificate_id: str,
    response: Mapping[str, Any] | None,
    tagged: Future[dict[str, str] | None] | None,
) -> ObservedCa | None:
    """Return a CA from what `describe` and `read_tags` have answered; None if not registered.

    Raises Failure if the described CA is of another account, or another certificate.
    """
    if response is None:
        return None
    _check_response(account, response, certificate_id)
    tags = tagged.result() if tagged is not None else None
    if tags is None:
        # Another client registered it between the two calls, or its tags are not visible yet.
        tags = read_tags(account, arn(account, certificate_id))
        if tags is None and describe(account, certificate_id) is None:
            # Another run has deleted it to change its mode: it did not lack tags.
            return None
    with account.failures():
        return _observed_ca(response, tags)


def check_certificate_id(answered: str, certificate_id: str) -> None:
    """Raise Failure if AWS IoT gives a certificate another ID than this program."""
    if answered != certificate_id:
        raise Failure(
            f"AWS IoT answers certificate ID {answered} where {certificate_id} (SHA-256 of the "
            "DER) was expected; stopped, please report this to the module's maintainers"
        )


def _observed_ca(response: Mapping[str, Any], tags: Mapping[str, str] | None) -> ObservedCa:
    """Return the CA that DescribeCACertificate has answered; `tags` None if they are not known."""
    description = response["certificateDescription"]
    config = response.get("registrationConfig") or {}
    return ObservedCa(
        # Registrations older than the modes carry none and behave as in DEFAULT mode.
        mode=description.get("certificateMode") or "DEFAULT",
        status=description["status"],
        auto_registration=description.get("autoRegistrationStatus") == "ENABLE",
        registration_config={key: value for key, value in config.items() if value},
        tags=tags or {},
        tags_are_known=tags is not None,
        validity=_validity(description.get("validity") or {}),
    )


def _check_response(account: Account, response: Mapping[str, Any], certificate_id: str) -> None:
    """Raise Failure if the described CA is of another account, or another certificate."""
    with account.failures():
        account_id = account_in(response)
        described = response["certificateDescription"]["certificateId"]
    account.require_account(account_id)
    check_certificate_id(described, certificate_id)


def _validity(validity: Mapping[str, datetime]) -> tuple[datetime, datetime] | None:
    if "notBefore" not in validity or "notAfter" not in validity:
        return None
    return (
        validity["notBefore"].astimezone(timezone.utc),
        validity["notAfter"].astimezone(timezone.utc),
    )
