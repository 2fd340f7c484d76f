"""Service Quotas: the quotas of AWS IoT Core that the program paces itself by.

The service code, the names and the codes are those of Service Quotas. The values are the defaults
of the AWS General Reference, "AWS IoT Core endpoints and quotas". Quotas of other services, and
requests to raise one, are refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends
from moto.servicequotas.responses import ServiceQuotasResponse

from sandbox.errors import AWSError, encode_error
from sandbox.iot.applied_quotas import AppliedQuotas
from sandbox.moto_service import ServedBackend

SERVICE_CODE = "iotcore"
_PAGE_SIZE = 100  # API reference, ListServiceQuotas: the most there are in a page


@dataclass(frozen=True)
class Quota:
    """One quota of an account in a Region."""

    code: str
    name: str
    value: float
    per_second: bool = True


QUOTAS = (
    Quota("L-E72BB356", "DescribeCACertificate API TPS", 10),
    Quota("L-B3AC62F0", "RegisterCACertificate API TPS", 10),
    Quota("L-A755E860", "UpdateCACertificate API TPS", 10),
    Quota("L-944099F0", "DeleteCACertificate API TPS", 10),
    Quota("L-5A0AFD83", "ListCertificatesByCA API TPS", 10),
    Quota("L-D127B7BE", "ListTagsForResource API TPS", 10),
    Quota("L-83705EE2", "GetRegistrationCode API TPS", 10),
    Quota("L-FC864907", "DescribeCertificate API TPS", 10),
    Quota("L-77B523DC", "UpdateCertificate API TPS", 10),
    Quota(
        "L-A26060BE",
        "Maximum number of CA certificates with the same subject field allowed per AWS account per "
        "Region",
        10,
        per_second=False,
    ),
)


class Operations(ServiceQuotasResponse):
    """GetServiceQuota, ListServiceQuotas and ListAWSDefaultServiceQuotas."""

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation; a refusal becomes the JSON in which AWS sends it."""
        try:
            return super().call_action()
        except AWSError as error:
            return encode_error(error, "json")

    def list_service_quotas(self) -> str:
        """ListServiceQuotas."""
        return self._page(_applied())

    def list_aws_default_service_quotas(self) -> str:
        """ListAWSDefaultServiceQuotas."""
        return self._page(QUOTAS)

    def _page(self, quotas: Sequence[Quota]) -> str:
        self._check_service()
        start = self._start()
        page = [self._described(quota) for quota in quotas[start : start + self._size()]]
        answer: dict[str, Any] = {"Quotas": page}
        if start + len(page) < len(quotas):
            answer["NextToken"] = str(start + len(page))
        return json.dumps(answer)

    def get_service_quota(self) -> str:
        """GetServiceQuota."""
        self._check_service()
        wanted = self._document.get("QuotaCode")
        for quota in _applied():
            if quota.code == wanted:
                return json.dumps({"Quota": self._described(quota)})
        raise AWSError("NoSuchResourceException", f"There is no quota {wanted}")

    @property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body or "{}")
        return document

    def _check_service(self) -> None:
        if self._document.get("ServiceCode") != SERVICE_CODE:
            message = f"The sandbox has the quotas of {SERVICE_CODE} only"
            raise AWSError("NoSuchResourceException", message)

    def _start(self) -> int:
        return int(self._document.get("NextToken") or 0)

    def _size(self) -> int:
        return min(int(self._document.get("MaxResults") or _PAGE_SIZE), _PAGE_SIZE)

    def _described(self, quota: Quota) -> dict[str, Any]:
        arn = f"arn:{self.partition}:servicequotas:{self.region}:{self.current_account}"
        described: dict[str, Any] = {
            "ServiceCode": SERVICE_CODE,
            "ServiceName": "AWS IoT Core",
            "QuotaArn": f"{arn}:{SERVICE_CODE}/{quota.code}",
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "Value": quota.value,
            "Unit": "None",
            "Adjustable": quota.per_second,
            "GlobalQuota": False,
        }
        if quota.per_second:
            described["Period"] = {"PeriodValue": 1, "PeriodUnit": "SECOND"}
        return described


def _applied() -> Sequence[Quota]:
    return QUOTAS if AppliedQuotas.available else ()


class Backend(ServedBackend, ServiceQuotasBackend):
    """moto's, which has the quotas of VPC only."""

    operations = Operations


def install() -> None:
    """Make moto use these quotas. Called before the first call of Service Quotas."""
    servicequotas_backends.backend = Backend
