"""moto's AWS IoT with the CA certificate rules: requests in, rules applied, responses out.

Thin on purpose: what AWS does is in ``ca_certificates`` and ``provisioning_templates``. Every
other IoT operation is moto's. The server runs one call at a time, so that a check and the write
after it are one step across accounts too.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import iam_backends
from moto.iot.models import FakeCertificate, FakeEndpoint, FakeThing, IoTBackend, iot_backends
from moto.iot.responses import IoTResponse

from sandbox.errors import AWSError, encode_error
from sandbox.identity.policies import trusts_service
from sandbox.identity.principals import partition_of
from sandbox.iot import ca_certificates as ca
from sandbox.iot import device_certificates as devices
from sandbox.iot import provisioning_templates as templates
from sandbox.iot import thing_groups, things
from sandbox.iot.endpoints import PREFIX_LENGTH, data_endpoint, prefix_of
from sandbox.iot.tags import parse_tags, tag_list, with_tags

ROLE_ARN = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]{1,64})")


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidRequestException", message)


def _not_found(message: str) -> AWSError:
    return AWSError("ResourceNotFoundException", message, 404)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


class Backend(IoTBackend):
    """What one account has in one region: moto's IoT, CA certificates, provisioning templates."""

    def __init__(self, region_name: str, account_id: str):
        super().__init__(region_name, account_id)
        self.registry = ca.Registry(account_id, region_name, partition_of(region_name))
        self.templates: dict[str, templates.ProvisioningTemplate] = {}
        # Of moto's policies, topic rules and thing groups.
        self.tags_by_arn: dict[str, dict[str, str]] = {}
        self.device_modes: dict[str, str] = {}  # by the ID of a device certificate

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {"/.*$": Response.dispatch}

    def _find_ca_certificate(self, ca_certificate_pem: str | None) -> str | None:
        """The registered CA that a device certificate's registration names (for moto)."""
        if ca_certificate_pem is None:
            return None
        certificate = ca.load_certificate(ca_certificate_pem, "CA certificate")
        certificate_id = ca.certificate_id_of(certificate)
        return certificate_id if certificate_id in self.registry.certificates else None

    def register_certificate(
        self,
        certificate_pem: str,
        ca_certificate_pem: str | None,
        set_as_active: bool,
        status: str,
    ) -> FakeCertificate:
        """moto's; the certificate takes over the mode of the CA that signed it (API reference)."""
        made = super().register_certificate(
            certificate_pem, ca_certificate_pem, set_as_active, status
        )
        self.device_modes.pop(made.certificate_id, None)  # of an earlier registration
        self.device_modes[made.certificate_id] = self.device_mode(made)
        return made

    def register_certificate_without_ca(self, certificate_pem: str, status: str) -> FakeCertificate:
        """moto's; the mode is SNI_ONLY (seen)."""
        made = super().register_certificate_without_ca(certificate_pem, status)
        self.device_modes[made.certificate_id] = "SNI_ONLY"
        return made

    def device_mode(self, certificate: FakeCertificate) -> str:
        """The mode of a device certificate; it stays when the CA is deleted."""
        signed_by = self.registry.certificates.get(certificate.ca_certificate_id or "")
        present = signed_by.mode if signed_by else "DEFAULT"
        return self.device_modes.get(certificate.certificate_id, present)

    def describe_endpoint(self, endpoint_type: str) -> FakeEndpoint:
        """moto's endpoint under the account's own name, where devices reach it (for moto)."""
        found = super().describe_endpoint(endpoint_type)
        found.endpoint = prefix_of(self.account_id) + found.endpoint[PREFIX_LENGTH:]
        if endpoint_type == "iot:Data-ATS":
            found.endpoint = data_endpoint(self.account_id, self.region_name)
        return found

    def create_thing(
        self,
        thing_name: str,
        thing_type_name: str,
        attribute_payload: dict[str, Any] | None,
        billing_group_name: str | None = None,
    ) -> FakeThing:
        """moto's, with room for as many attributes as at AWS, and no thing in place of another.

        A thing that exists is no error if it is exactly the same (API reference).
        """
        attributes = (attribute_payload or {}).get("attributes") or {}
        thing_groups.check_name(thing_name, "thingName")
        thing_groups.check_attributes(attributes)
        things.check_room(attributes, bool(thing_type_name))
        present = self.things.get(self.arn_of("thing", thing_name))
        if present is None:
            payload = {"attributes": attributes}
            return super().create_thing(thing_name, thing_type_name, payload, billing_group_name)
        kind = present.thing_type.thing_type_name if present.thing_type else None
        asked = (attributes, thing_type_name or None, billing_group_name)
        if asked != (present.attributes, kind, present.billing_group_name):
            raise AWSError(
                "ResourceAlreadyExistsException",
                f"Thing {thing_name} already exists in account with different properties",
                409,
                {"resourceId": present.thing_id, "resourceArn": present.arn},
            )
        return present

    def update_thing(
        self,
        thing_name: str,
        thing_type_name: str,
        attribute_payload: dict[str, Any] | None,
        remove_thing_type: bool,
    ) -> None:
        """moto's, with room for as many attributes as at AWS."""
        thing = self.describe_thing(thing_name)
        thing_groups.check_attributes((attribute_payload or {}).get("attributes") or {})
        has_type = bool(thing_type_name or (thing.thing_type and not remove_thing_type))
        things.check_room(things.after(thing.attributes, attribute_payload or {}), has_type)
        super().update_thing(thing_name, thing_type_name, attribute_payload, remove_thing_type)

    def arn_of(self, kind: str, name: str) -> str:
        """The ARN of something here."""
        return f"arn:{self.partition}:iot:{self.region_name}:{self.account_id}:{kind}/{name}"

    def tags_of(self, arn: str) -> dict[str, str]:
        """The tags of a CA certificate, template, policy, topic rule or thing group, to be changed.

        ResourceNotFoundException for anything else.
        """
        kind, _, name = "".join(arn.split(":", 5)[5:]).partition("/")
        if arn == self.arn_of(kind, name):
            if kind == "cacert" and name in self.registry.certificates:
                return self.registry.certificates[name].tags
            if kind == "provisioningtemplate" and name in self.templates:
                return self.templates[name].tags
            if (
                (kind == "policy" and name in self.policies)
                or (kind == "rule" and name in self.rules)
                or (kind == "thinggroup" and arn in self.thing_groups)
            ):
                return self.tags_by_arn.setdefault(arn, {})
        raise _not_found(f"The resource {arn} does not exist")


class Response(IoTResponse):
    """The IoT operations that moto lacks or answers differently from AWS."""

    # --- the request

    @property
    def backend(self) -> Backend:
        """The caller's account in the request's region."""
        region = iot_backends[self.current_account]
        if self.region not in region:
            raise _invalid(f"The sandbox knows no region {self.region}")
        backend = region[self.region]
        assert isinstance(backend, Backend)
        return backend

    def call_action(self) -> TYPE_RESPONSE:
        """Runs the operation; a refusal becomes the JSON in which AWS IoT sends it."""
        try:
            return super().call_action()
        except AWSError as error:
            return encode_error(error, "rest-json")

    @functools.cached_property
    def _document(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body or "{}")
        except ValueError:
            raise _invalid("The request body is not JSON") from None
        if not isinstance(document, dict):
            raise _invalid("The request body is not a JSON object")
        return {name: value for name, value in document.items() if value is not None}

    @functools.cached_property
    def _query(self) -> dict[str, str]:
        found = parse_qs(self.parsed_url.query, keep_blank_values=True)
        return {name: values[-1] for name, values in found.items()}

    def _in_path(self, name: str) -> str:
        return unquote(str(self.uri_match[name]))

    def _text(self, name: str) -> str | None:
        value = self._document.get(name)
        if value is not None and not isinstance(value, str):
            raise _invalid(f"{name} must be text")
        return value

    def _needed(self, name: str) -> str:
        value = self._text(name)
        if value is None:
            raise _invalid(
                f"1 validation error detected: Value null at '{name}' failed to satisfy "
                "constraint: Member must not be null"
            )
        return value

    def _flag(self, name: str) -> bool | None:
        value = self._document.get(name)
        if value is not None and not isinstance(value, bool):
            raise _invalid(f"{name} must be true or false")
        return value

    def _query_flag(self, name: str) -> bool:
        value = self._query.get(name, "false").lower()
        if value not in {"true", "false"}:
            raise _invalid(f"{name} must be true or false")
        return value == "true"

    def _query_number(self, name: str, default: int) -> int:
        value = self._query.get(name, str(default))
        if not value.isdecimal():
            raise _invalid(f"{name} must be a number")
        return int(value)

    def _tags(self) -> dict[str, str]:
        return parse_tags(self._document.get("tags", []))

    # --- CA certificates

    def register_ca_certificate(self) -> ActionResult:
        """RegisterCACertificate."""
        wanted = ca.Registration(
            ca_certificate=self._needed("caCertificate"),
            verification_certificate=self._text("verificationCertificate"),
            mode=self._text("certificateMode") or "DEFAULT",
            set_as_active=self._query_flag("setAsActive"),
            allow_auto_registration=self._query_flag("allowAutoRegistration"),
            config=self._registration_config(),
            tags=self._tags(),
        )
        here = self.backend.registry
        registered = ca.register(wanted, here, self._region_registries(), _now())
        return ActionResult(
            {"certificateArn": registered.arn, "certificateId": registered.certificate_id}
        )

    def _region_registries(self) -> list[ca.Registry]:
        return [
            backend.registry
            for account in list(iot_backends.values())
            for region, backend in account.items()
            if region == self.region and isinstance(backend, Backend)
        ]

    def _registration_config(self) -> ca.RegistrationConfig | None:
        document = self._document.get("registrationConfig")
        if document is None:
            return None
        if not isinstance(document, dict) or any(
            not isinstance(value, str) for value in document.values()
        ):
            raise _invalid("registrationConfig must be an object of text members")
        config = ca.RegistrationConfig(
            template_name=document.get("templateName"),
            template_body=document.get("templateBody"),
            role_arn=document.get("roleArn"),
        )
        ca.check_config_shape(config)
        if config.template_name is not None:
            template = self._template(config.template_name)
            if template.type != "JITP":  # guide: only a JITP template provisions for a CA
                raise _invalid(f"The template {template.name} is not of type JITP")
            if not template.enabled:  # stricter: nothing says when AWS finds out
                raise _invalid(f"The template {template.name} is not enabled")
        if config.template_body is not None and config.role_arn is not None:
            templates.check_body(config.template_body)
            self._check_role(config.role_arn)
        return config

    def describe_ca_certificate(self) -> ActionResult:
        """DescribeCACertificate. Tags aren't part of it (model)."""
        found = ca.find(self.backend.registry, self._in_path("caCertificateId"))
        description = {
            "certificateArn": found.arn,
            "certificateId": found.certificate_id,
            "status": found.status,
            "certificatePem": found.pem,
            "ownedBy": found.owned_by,
            "creationDate": found.creation_date,
            "autoRegistrationStatus": found.auto_registration_status,
            "lastModifiedDate": found.last_modified_date,
            "customerVersion": found.customer_version,
            "generationId": found.generation_id,
            "validity": {"notBefore": found.not_before, "notAfter": found.not_after},
            "certificateMode": found.mode,
        }
        answer: dict[str, Any] = {"certificateDescription": description}
        if found.config is not None:
            members = {
                "templateName": found.config.template_name,
                "templateBody": found.config.template_body,
                "roleArn": found.config.role_arn,
            }
            answer["registrationConfig"] = {k: v for k, v in members.items() if v is not None}
        return ActionResult(answer)

    def update_ca_certificate(self) -> ActionResult:
        """UpdateCACertificate."""
        found = ca.find(self.backend.registry, self._in_path("caCertificateId"))
        wanted = ca.Update(
            status=self._query.get("newStatus"),
            auto_registration_status=self._query.get("newAutoRegistrationStatus"),
            config=self._registration_config(),
            remove_auto_registration=self._flag("removeAutoRegistration") or False,
        )
        ca.update(found, wanted, _now())
        return EmptyResult()

    def delete_ca_certificate(self) -> ActionResult:
        """DeleteCACertificate."""
        ca.delete(self.backend.registry, self._in_path("caCertificateId"))
        return EmptyResult()

    def list_ca_certificates(self) -> ActionResult:
        """ListCACertificates. Items carry four members only (model)."""
        page = ca.list_page(
            self.backend.registry,
            page_size=self._query_number("pageSize", 25),
            marker=self._query.get("marker"),
            ascending=self._query_flag("isAscendingOrder"),
            template_name=self._query.get("templateName"),
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
        return ActionResult({"registrationCode": ca.registration_code(self.backend.registry)})

    def delete_registration_code(self) -> ActionResult:
        """DeleteRegistrationCode."""
        ca.delete_registration_code(self.backend.registry)
        return EmptyResult()

    # --- device certificates

    def register_certificate(self) -> ActionResult:
        """RegisterCertificate: signed by a CA that is registered here and ACTIVE."""
        certificate = devices.load(self._needed("certificatePem"))
        status = "ACTIVE" if self._query_flag("setAsActive") else self._text("status")
        ca.check_member("status", status or "INACTIVE", devices.STATUSES)
        signed_by = devices.issuer_of(
            certificate, self._text("caCertificatePem"), self.backend.registry.certificates.values()
        )
        return self._registered(
            self.backend.register_certificate(
                _pem(certificate), signed_by.pem, False, status or "INACTIVE"
            )
        )

    def register_certificate_without_ca(self) -> ActionResult:
        """RegisterCertificateWithoutCA: any certificate, listed for no CA."""
        certificate = devices.load(self._needed("certificatePem"))
        status = ca.check_member("status", self._text("status") or "INACTIVE", devices.STATUSES)
        return self._registered(
            self.backend.register_certificate_without_ca(_pem(certificate), status)
        )

    @staticmethod
    def _registered(made: FakeCertificate) -> ActionResult:
        return ActionResult({"certificateArn": made.arn, "certificateId": made.certificate_id})

    def describe_certificate(self) -> ActionResult:
        """DescribeCertificate: moto's, with the mode, the CA and the real validity (model)."""
        found = self.backend.describe_certificate(self._in_path("certificateId"))
        certificate = ca.load_certificate(found.certificate_pem, "certificate")
        description = found.to_description_dict()
        description["certificateMode"] = self.backend.device_mode(found)
        description["validity"] = {
            "notBefore": certificate.not_valid_before_utc,
            "notAfter": certificate.not_valid_after_utc,
        }
        if found.ca_certificate_id:
            description["caCertificateId"] = found.ca_certificate_id
        return ActionResult({"certificateDescription": description})

    def list_certificates(self) -> ActionResult:
        """ListCertificates."""
        return self._certificates(list(self.backend.certificates.values()))

    def list_certificates_by_ca(self) -> ActionResult:
        """ListCertificatesByCA: also of a CA that has gone, whose device certificates stay."""
        wanted = self._in_path("caCertificateId")
        if not ca.CERTIFICATE_ID.fullmatch(wanted):
            raise _invalid("caCertificateId must have 64 hexadecimal digits")
        return self._certificates(self.backend.list_certificates_by_ca(wanted))

    def _certificates(self, found: list[FakeCertificate]) -> ActionResult:
        """A page of ``found``, oldest first there. Items carry five members only (model)."""
        page, marker = devices.page(
            [(item.certificate_id, item) for item in found],
            self._query_number("pageSize", 25),
            self._query.get("marker"),
            self._query_flag("isAscendingOrder"),
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

    # --- thing groups

    def _thing_group_name(self) -> str:
        return thing_groups.check_name(self._in_path("thingGroupName"))

    def create_thing_group(self) -> ActionResult:
        """CreateThingGroup. One that exists is no error if it is exactly the same (API reference).

        That its tags count too is stricter, as is refusing a parent that doesn't exist.
        """
        name, tags = self._thing_group_name(), self._tags()
        properties = thing_groups.check_properties(self._document.get("thingGroupProperties"))
        parent = self._text("parentGroupName")
        arn = self.backend.arn_of("thinggroup", name)
        if parent is not None:
            thing_groups.check_name(parent, "parentGroupName")
            if self.backend.arn_of("thinggroup", parent) not in self.backend.thing_groups:
                raise _invalid(f"The parent thing group {parent} does not exist")
        present = self.backend.thing_groups.get(arn)
        if present is not None:
            asked = (properties, parent, tags)
            there = (present.thing_group_properties, present.parent_group_name)
            if asked != (*there, self.backend.tags_by_arn.get(arn, {})):
                raise AWSError(
                    "ResourceAlreadyExistsException",
                    f"Thing Group {name} already exists in current account with different "
                    "properties",
                    409,
                    {"resourceId": present.thing_group_id, "resourceArn": arn},
                )
        else:
            self.backend.create_thing_group(name, parent, properties)  # type: ignore[arg-type]
            present = self.backend.thing_groups[arn]
            self.backend.tags_by_arn[arn] = tags
        return ActionResult(
            {
                "thingGroupName": name,
                "thingGroupArn": arn,
                "thingGroupId": present.thing_group_id,
            }
        )

    def describe_thing_group(self) -> ActionResult:
        """DescribeThingGroup: moto's, for a name that can be one."""
        self._thing_group_name()
        return super().describe_thing_group()

    def update_thing_group(self) -> ActionResult:
        """UpdateThingGroup: moto's, with a look at the properties."""
        self._thing_group_name()
        thing_groups.check_properties(self._document.get("thingGroupProperties"))
        return super().update_thing_group()

    def delete_thing_group(self) -> ActionResult:
        """DeleteThingGroup: no error for one that isn't there, its tags go with it.

        VersionConflictException for another version than the expected one (API reference).
        """
        name = self._thing_group_name()
        arn = self.backend.arn_of("thinggroup", name)
        present = self.backend.thing_groups.get(arn)
        expected = self._query_number("expectedVersion", present.version if present else 0)
        if present is not None and expected != present.version:
            raise AWSError(
                "VersionConflictException",
                f"The version for thing group {name} does not match the expected version.",
                409,
            )
        self.backend.delete_thing_group(name)
        self.backend.tags_by_arn.pop(arn, None)
        return EmptyResult()

    # --- tags

    def tag_resource(self) -> ActionResult:
        """TagResource."""
        present = self.backend.tags_of(self._needed("resourceArn"))
        present.update(with_tags(present, self._tags()))
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        """UntagResource. Keys that aren't there are no error."""
        present = self.backend.tags_of(self._needed("resourceArn"))
        keys = self._document.get("tagKeys")
        if not isinstance(keys, list):
            raise _invalid("tagKeys must be a list")
        for key in keys:
            present.pop(key, None)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        """ListTagsForResource. At most fifty tags: always one page."""
        arn = self._query.get("resourceArn")
        if not arn:
            raise _invalid("resourceArn is required")
        return ActionResult({"tags": tag_list(self.backend.tags_of(arn))})

    def create_policy(self) -> ActionResult:
        """CreatePolicy: moto's, which forgets the tags."""
        tags = self._tags()
        answer = super().create_policy()
        arn = self.backend.arn_of("policy", str(self._get_param("policyName")))
        self.backend.tags_by_arn[arn] = tags
        return answer

    def create_topic_rule(self) -> ActionResult:
        """CreateTopicRule: moto's, which forgets the tags; they come in a header (model)."""
        given = parse_qsl(self.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        tags = parse_tags([{"Key": key, "Value": value} for key, value in given])
        answer = super().create_topic_rule()
        arn = self.backend.arn_of("rule", str(self._get_param("ruleName")))
        self.backend.tags_by_arn[arn] = tags
        return answer

    # --- provisioning templates

    def _template(self, name: str) -> templates.ProvisioningTemplate:
        templates.check_name(name)
        try:
            return self.backend.templates[name]
        except KeyError:
            raise _not_found(f"Template with name {name} does not exist") from None

    def _check_role(self, role_arn: str) -> str:
        """``role_arn`` if it is a role of this account that AWS IoT can assume (guide).

        AWS can only be passed a role of the caller's own account; the wording is ours.
        """
        found = ROLE_ARN.fullmatch(role_arn)
        if not found:
            raise _invalid(f"{role_arn} is not the ARN of a role")
        if found[2] != self.current_account or found[1] != self.partition:
            raise _invalid(f"The role {role_arn} belongs to another account")
        roles = iam_backends[self.current_account][self.partition].roles.values()
        role = next((role for role in roles if role.arn == role_arn), None)
        if role is None or not trusts_service(
            role.assume_role_policy_document, "iot.amazonaws.com"
        ):
            raise _invalid(f"The provisioning role {role_arn} cannot be assumed by AWS IoT")
        return role_arn

    def _hook(self) -> templates.Hook | None:
        document = self._document.get("preProvisioningHook")
        if document is None:
            return None
        if not isinstance(document, dict):
            raise _invalid("preProvisioningHook must be an object")
        return templates.check_hook(
            templates.Hook(
                str(document.get("targetArn", "")),
                str(document.get("payloadVersion") or "2020-04-01"),
            )
        )

    def create_provisioning_template(self) -> ActionResult:
        """CreateProvisioningTemplate."""
        name = templates.check_name(self._needed("templateName"))
        now = _now()
        template = templates.ProvisioningTemplate(
            name=name,
            arn=self.backend.arn_of("provisioningtemplate", name),
            type=templates.check_type(self._text("type") or "FLEET_PROVISIONING"),
            description=templates.check_description(self._text("description")),
            enabled=self._flag("enabled") or False,
            role_arn=self._check_role(self._needed("provisioningRoleArn")),
            hook=self._hook(),
            creation_date=now,
            last_modified_date=now,
            versions={
                1: templates.Version(1, templates.check_body(self._needed("templateBody")), now)
            },
            tags=self._tags(),
        )
        if name in self.backend.templates:  # message seen
            raise AWSError(
                "ResourceAlreadyExistsException",
                f"Template with name {name} already exists",
                409,
                {"resourceId": name, "resourceArn": template.arn},
            )
        self.backend.templates[name] = template
        return ActionResult(
            {"templateArn": template.arn, "templateName": name, "defaultVersionId": 1}
        )

    def describe_provisioning_template(self) -> ActionResult:
        """DescribeProvisioningTemplate."""
        template = self._template(self._in_path("templateName"))
        answer = {
            **self._summary(template),
            "defaultVersionId": template.default_version_id,
            "templateBody": template.body,
            "provisioningRoleArn": template.role_arn,
        }
        if template.hook:
            answer["preProvisioningHook"] = {
                "targetArn": template.hook.target_arn,
                "payloadVersion": template.hook.payload_version,
            }
        return ActionResult(answer)

    @staticmethod
    def _summary(template: templates.ProvisioningTemplate) -> dict[str, Any]:
        summary: dict[str, Any] = {
            "templateArn": template.arn,
            "templateName": template.name,
            "creationDate": template.creation_date,
            "lastModifiedDate": template.last_modified_date,
            "enabled": template.enabled,
            "type": template.type,
        }
        if template.description is not None:
            summary["description"] = template.description
        return summary

    def update_provisioning_template(self) -> ActionResult:
        """UpdateProvisioningTemplate. Members that aren't given stay as they are."""
        template = self._template(self._in_path("templateName"))
        description = templates.check_description(self._text("description"))
        enabled = self._flag("enabled")
        role_arn = self._text("provisioningRoleArn")
        hook = self._hook()
        remove_hook = self._flag("removePreProvisioningHook") or False
        default = self._document.get("defaultVersionId")
        if default is not None:
            templates.version_of(template, default)
        if hook and remove_hook:
            raise _invalid("preProvisioningHook can't be set and removed at once")
        if role_arn is not None:
            template.role_arn = self._check_role(role_arn)
        if description is not None:
            template.description = description
        if enabled is not None:
            template.enabled = enabled
        if default is not None:
            template.default_version_id = default
        template.hook = None if remove_hook else hook or template.hook
        template.last_modified_date = _now()
        return EmptyResult()

    def delete_provisioning_template(self) -> ActionResult:
        """DeleteProvisioningTemplate. Stricter: refused while a registrationConfig names it."""
        template = self._template(self._in_path("templateName"))
        users = [
            held.certificate_id
            for held in self.backend.registry.certificates.values()
            if held.config and held.config.template_name == template.name
        ]
        if users:
            raise AWSError(
                "DeleteConflictException",
                f"The template {template.name} is used by CA certificate {users[0]}",
                409,
            )
        del self.backend.templates[template.name]
        return EmptyResult()

    def list_provisioning_templates(self) -> ActionResult:
        """ListProvisioningTemplates."""
        items, token = self._page(list(self.backend.templates.values()))
        return self._listing("templates", [self._summary(item) for item in items], token)

    def create_provisioning_template_version(self) -> ActionResult:
        """CreateProvisioningTemplateVersion."""
        template = self._template(self._in_path("templateName"))
        as_default = self._query_flag("setAsDefault")
        version = templates.add_version(template, self._needed("templateBody"), as_default, _now())
        return ActionResult(
            {
                "templateArn": template.arn,
                "templateName": template.name,
                "versionId": version.version_id,
                "isDefaultVersion": as_default,
            }
        )

    def _version_id(self) -> int:
        text = self._in_path("versionId")
        if not text.isdecimal():
            raise _invalid("versionId must be a number")
        return int(text)

    def describe_provisioning_template_version(self) -> ActionResult:
        """DescribeProvisioningTemplateVersion."""
        template = self._template(self._in_path("templateName"))
        version = templates.version_of(template, self._version_id())
        return ActionResult(
            {**self._version_summary(template, version), "templateBody": version.body}
        )

    @staticmethod
    def _version_summary(
        template: templates.ProvisioningTemplate, version: templates.Version
    ) -> dict[str, Any]:
        return {
            "versionId": version.version_id,
            "creationDate": version.creation_date,
            "isDefaultVersion": version.version_id == template.default_version_id,
        }

    def list_provisioning_template_versions(self) -> ActionResult:
        """ListProvisioningTemplateVersions."""
        template = self._template(self._in_path("templateName"))
        items, token = self._page(list(template.versions.values()))
        summaries = [self._version_summary(template, item) for item in items]
        return self._listing("versions", summaries, token)

    def delete_provisioning_template_version(self) -> ActionResult:
        """DeleteProvisioningTemplateVersion."""
        template = self._template(self._in_path("templateName"))
        templates.delete_version(template, self._version_id())
        return EmptyResult()

    def _page(self, items: list[Any]) -> tuple[list[Any], str | None]:
        """The page that ``maxResults`` and ``nextToken`` ask for, and the token of the next."""
        size = self._query_number("maxResults", 25)
        start = self._query_number("nextToken", 0)
        if not 1 <= size <= 250:
            raise _invalid("maxResults must be between 1 and 250")
        end = start + size
        return items[start:end], str(end) if end < len(items) else None

    @staticmethod
    def _listing(name: str, items: list[dict[str, Any]], token: str | None) -> ActionResult:
        answer: dict[str, Any] = {name: items}
        if token:
            answer["nextToken"] = token
        return ActionResult(answer)


def install() -> None:
    """Makes moto use this module's IoT."""
    iot_backends.backend = Backend
