"""Explain the quota of CA certificates with the same subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from iot_ca import utc
from iot_ca.aws.observation import describe
from iot_ca.aws.pages import pages
from iot_ca.certificates import fields, pem
from iot_ca.errors import Failure, one_line

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from iot_ca.aws.session import Account
    from iot_ca.certificates.pem import Certificate

_PARALLEL_CALLS = 10
_PAGE_SIZE = 250


def raise_quota_error(account: Account, certificate: Certificate, error: ClientError) -> NoReturn:
    """Raise Failure with the CAs that use up the quota of CAs with the same subject.

    The quota is ten in an account and Region (AWS general reference). If no CA has the subject,
    another quota is meant, and `error` is raised as it is.
    """
    try:
        holders = _registered_with_same_subject(account, certificate)
    except Failure as failure:
        holders = [f"(which ones could not be read: {failure})"]
    if not holders:
        raise error
    message = one_line(str(error.response["Error"].get("Message", "")))
    raise Failure(
        "AWS IoT holds at most ten CA certificates with the same subject in an account and "
        f"Region; deactivate and delete one that no device needs any more: {', '.join(holders)}; "
        f"AWS says: LimitExceededException: {message}"
    )


def _registered_with_same_subject(account: Account, certificate: Certificate) -> list[str]:
    """Return ID, status and expiry of each CA with the subject, in the order of their expiry."""
    from concurrent.futures import ThreadPoolExecutor

    wanted = pem.parse(certificate)
    ids = _certificate_ids(account)
    with ThreadPoolExecutor(_PARALLEL_CALLS) as pool:
        responses = list(pool.map(lambda certificate_id: describe(account, certificate_id), ids))
    holders = []
    for response in responses:
        if response is None:
            continue
        description = response["certificateDescription"]
        try:
            registered = pem.parse(pem.read(description["certificatePem"]))
            _, not_after = pem.validity(registered)
        except Failure:
            continue  # registered when AWS IoT had other rules
        if fields.same_subject(registered, wanted):
            expiry = utc.rfc3339(not_after).partition("T")[0]
            holders.append((expiry, description["certificateId"], description["status"]))
    return [
        f"{certificate_id} ({status}, valid until {expiry})"
        for expiry, certificate_id, status in sorted(holders)
    ]


def _certificate_ids(account: Account) -> list[str]:
    iot = account.client("iot")
    request = {"pageSize": _PAGE_SIZE}
    with account.failures():
        return [
            str(listed["certificateId"])
            for page in pages(iot.list_ca_certificates, request, "marker", "nextMarker")
            for listed in page["certificates"]
        ]
