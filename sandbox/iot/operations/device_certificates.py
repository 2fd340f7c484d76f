"""Device certificates: the operations."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iot.models import FakeCertificate

from sandbox.iot import device_certificates as devices
from sandbox.iot.certificates import CERTIFICATE_ID, load_certificate, pem_of
from sandbox.iot.operations.request import IoTRequest
from sandbox.iot.refusals import check_member, invalid_request


class DeviceCertificateOperations(IoTRequest):
    """The operations on device certificates that moto answers differently from AWS."""

    def register_certificate(self) -> ActionResult:
        """RegisterCertificate: signed by a CA that is registered here and ACTIVE."""
        certificate = devices.load(self.needed("certificatePem"))
        status = "ACTIVE" if self.query_flag("setAsActive") else self.text("status")
        check_member("status", status or "INACTIVE", devices.STATUSES)
        signed_by = devices.issuer_of(
            certificate, self.text("caCertificatePem"), self.backend.ca_store.certificates.values()
        )
        return self._registered(
            self.backend.register_certificate(
                pem_of(certificate), signed_by.pem, False, status or "INACTIVE"
            )
        )

    def register_certificate_without_ca(self) -> ActionResult:
        """RegisterCertificateWithoutCA: any certificate, listed for no CA."""
        certificate = devices.load(self.needed("certificatePem"))
        status = check_member("status", self.text("status") or "INACTIVE", devices.STATUSES)
        return self._registered(
            self.backend.register_certificate_without_ca(pem_of(certificate), status)
        )

    @staticmethod
    def _registered(made: FakeCertificate) -> ActionResult:
        return ActionResult({"certificateArn": made.arn, "certificateId": made.certificate_id})

    def describe_certificate(self) -> ActionResult:
        """DescribeCertificate: moto's, with the mode, the CA and the real validity (model)."""
        registered = self.backend.describe_certificate(self.in_path("certificateId"))
        certificate = load_certificate(registered.certificate_pem, "certificate")
        description = registered.to_description_dict()
        description["certificateMode"] = self.backend.device_mode(registered)
        description["validity"] = {
            "notBefore": certificate.not_valid_before_utc,
            "notAfter": certificate.not_valid_after_utc,
        }
        if registered.ca_certificate_id:
            description["caCertificateId"] = registered.ca_certificate_id
        return ActionResult({"certificateDescription": description})

    def list_certificates(self) -> ActionResult:
        """ListCertificates."""
        return self._certificates(list(self.backend.certificates.values()))

    def list_certificates_by_ca(self) -> ActionResult:
        """ListCertificatesByCA: also of a CA that has gone, whose device certificates stay."""
        wanted = self.in_path("caCertificateId")
        if not CERTIFICATE_ID.fullmatch(wanted):
            raise invalid_request("caCertificateId must have 64 hexadecimal digits")
        return self._certificates(self.backend.list_certificates_by_ca(wanted))

    def _certificates(self, certificates: list[FakeCertificate]) -> ActionResult:
        """Return a page of ``certificates``, oldest first. Items carry five members (model)."""
        page, marker = devices.page(
            [(item.certificate_id, item) for item in certificates],
            self.query_number("pageSize", 25),
            self.query.get("marker"),
            self.query_flag("isAscendingOrder"),
        )
        items = [
            {
                "certificateArn": item.arn,
                "certificateId": item.certificate_id,
                "status": item.status,
                "certificateMode": self.backend.device_mode(item),
                "creationDate": item.creation_date,
            }
            for item in page
        ]
        answer: dict[str, Any] = {"certificates": items}
        if marker:
            answer["nextMarker"] = marker
        return ActionResult(answer)
