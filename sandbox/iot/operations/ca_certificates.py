"""CA certificates and the registration code: the operations."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iot.models import iot_backends

from sandbox.iot import ca_certificates as ca
from sandbox.iot import provisioning_templates as templates
from sandbox.iot.backend import IoTBackend
from sandbox.iot.operations.provisioning_templates import (
    check_is_known,
    check_role,
    find_template,
)
from sandbox.iot.operations.request import IoTRequest, utc_now
from sandbox.iot.refusals import invalid_request


class CaCertificateOperations(IoTRequest):
    """The operations on CA certificates, which moto lacks or answers differently from AWS."""

    def register_ca_certificate(self) -> ActionResult:
        """RegisterCACertificate."""
        wanted = ca.CaRegistration(
            ca_certificate=self.needed("caCertificate"),
            verification_certificate=self.text("verificationCertificate"),
            mode=self.text("certificateMode") or "DEFAULT",
            set_as_active=self.query_flag("setAsActive"),
            allow_auto_registration=self.query_flag("allowAutoRegistration"),
            config=self._registration_config(),
            tags=self.tags(),
        )
        store = self.backend.ca_store
        registered = ca.register(wanted, store, self._ca_stores(), utc_now())
        return ActionResult(
            {"certificateArn": registered.arn, "certificateId": registered.certificate_id}
        )

    def describe_ca_certificate(self) -> ActionResult:
        """DescribeCACertificate. Tags aren't part of it (model)."""
        certificate = ca.find(self.backend.ca_store, self.in_path("caCertificateId"))
        description = {
            "certificateArn": certificate.arn,
            "certificateId": certificate.certificate_id,
            "status": certificate.status,
            "certificatePem": certificate.pem,
            "ownedBy": certificate.owned_by,
            "creationDate": certificate.creation_date,
            "autoRegistrationStatus": certificate.auto_registration_status,
            "lastModifiedDate": certificate.last_modified_date,
            "customerVersion": certificate.customer_version,
            "generationId": certificate.generation_id,
            "validity": {"notBefore": certificate.not_before, "notAfter": certificate.not_after},
            "certificateMode": certificate.mode,
        }
        answer: dict[str, Any] = {"certificateDescription": description}
        if certificate.config is not None:
            members = {
                "templateName": certificate.config.template_name,
                "templateBody": certificate.config.template_body,
                "roleArn": certificate.config.role_arn,
            }
            answer["registrationConfig"] = {k: v for k, v in members.items() if v is not None}
        return ActionResult(answer)

    def update_ca_certificate(self) -> ActionResult:
        """UpdateCACertificate."""
        certificate = ca.find(self.backend.ca_store, self.in_path("caCertificateId"))
        wanted = ca.CaUpdate(
            status=self.query.get("newStatus"),
            auto_registration_status=self.query.get("newAutoRegistrationStatus"),
            config=self._registration_config(),
            remove_auto_registration=self.flag("removeAutoRegistration") or False,
        )
        ca.update(certificate, wanted, utc_now())
        return EmptyResult()

    def delete_ca_certificate(self) -> ActionResult:
        """DeleteCACertificate."""
        ca.delete(self.backend.ca_store, self.in_path("caCertificateId"))
        return EmptyResult()

    def list_ca_certificates(self) -> ActionResult:
        """ListCACertificates. Items carry four members only (model)."""
        page = ca.list_page(
            self.backend.ca_store,
            page_size=self.query_number("pageSize", 25),
            marker=self.query.get("marker"),
            ascending=self.query_flag("isAscendingOrder"),
            template_name=self.query.get("templateName"),
        )
        items = [
            {
                "certificateArn": item.arn,
                "certificateId": item.certificate_id,
                "status": item.status,
                "creationDate": item.creation_date,
            }
            for item in page.certificates
        ]
        answer: dict[str, Any] = {"certificates": items}
        if page.marker:
            answer["nextMarker"] = page.marker
        return ActionResult(answer)

    def get_registration_code(self) -> ActionResult:
        """GetRegistrationCode."""
        return ActionResult({"registrationCode": ca.registration_code(self.backend.ca_store)})

    def delete_registration_code(self) -> ActionResult:
        """DeleteRegistrationCode."""
        ca.delete_registration_code(self.backend.ca_store)
        return EmptyResult()

    def _ca_stores(self) -> list[ca.CaStore]:
        return [
            backend.ca_store
            for account in list(iot_backends.values())
            for region, backend in account.items()
            if region == self.region and isinstance(backend, IoTBackend)
        ]

    def _registration_config(self) -> ca.RegistrationConfig | None:
        document = self.document.get("registrationConfig")
        if document is None:
            return None
        if not isinstance(document, dict) or any(
            not isinstance(value, str) for value in document.values()
        ):
            raise invalid_request("registrationConfig must be an object of text members")
        config = ca.RegistrationConfig(
            template_name=document.get("templateName"),
            template_body=document.get("templateBody"),
            role_arn=document.get("roleArn"),
        )
        ca.check_config_shape(config)
        if config.template_name is not None:
            template = find_template(self.backend, config.template_name)
            if template.type != "JITP":  # guide: only a JITP template provisions for a CA
                raise invalid_request(f"The template {template.name} is not of type JITP")
            if not template.enabled:  # stricter: nothing says when AWS finds out
                raise invalid_request(f"The template {template.name} is not enabled")
            check_is_known(template.role_arn)
        if config.template_body is not None and config.role_arn is not None:
            templates.check_body(config.template_body)
            check_role(config.role_arn, self.backend)
        return config
