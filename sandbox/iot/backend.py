"""What one account has of AWS IoT in one Region: moto's state, and what moto lacks."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from moto.iot.models import (
    FakeCertificate,
    FakeEndpoint,
    FakePolicy,
    FakePolicyVersion,
    FakeThing,
    iot_backends,
)
from moto.iot.models import IoTBackend as MotoIoTBackend

from sandbox.identity.principals import partition_of
from sandbox.iot import ca_certificates as ca
from sandbox.iot import events, thing_groups, things
from sandbox.iot import provisioning_templates as templates
from sandbox.iot.account_settings import LoggingOptions
from sandbox.iot.certificates import certificate_id_of, load_certificate
from sandbox.iot.delays import Delays
from sandbox.iot.endpoints import PREFIX_LENGTH, data_endpoint, prefix_of
from sandbox.iot.policies import check_document
from sandbox.iot.refusals import already_exists, delete_conflict, not_found
from sandbox.moto_service import ServedBackend


class IoTBackend(ServedBackend, MotoIoTBackend):
    """What one account has in one region: moto's IoT, CA certificates, provisioning templates."""

    url_pattern = "/.*$"

    def __init__(self, region_name: str, account_id: str):
        super().__init__(region_name, account_id)
        self.ca_store = ca.CaStore(account_id, region_name, partition_of(region_name))
        self.templates: dict[str, templates.ProvisioningTemplate] = {}
        # Of moto's policies, topic rules and thing groups.
        self.tags_by_arn: dict[str, dict[str, str]] = {}
        self.device_modes: dict[str, str] = {}  # by the ID of a device certificate
        self.detached_at: dict[str, float] = {}  # by the name of a policy; of the monotonic clock
        self.events = events.EventConfigurations()
        self.logging_options: LoggingOptions | None = None

    def _find_ca_certificate(self, ca_certificate_pem: str | None) -> str | None:
        """Return the registered CA that a device certificate's registration names (for moto)."""
        if ca_certificate_pem is None:
            return None
        certificate = load_certificate(ca_certificate_pem, "CA certificate")
        certificate_id = certificate_id_of(certificate)
        return certificate_id if certificate_id in self.ca_store.certificates else None

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

    def update_certificate(self, certificate_id: str, new_status: str) -> None:
        """moto's; the certificate says when it was last modified (API reference)."""
        super().update_certificate(certificate_id, new_status)
        now = datetime.now(timezone.utc).replace(tzinfo=None)  # as moto's times are
        self.describe_certificate(certificate_id).last_modified_date = now

    def register_certificate_without_ca(self, certificate_pem: str, status: str) -> FakeCertificate:
        """moto's; the mode is SNI_ONLY (seen)."""
        made = super().register_certificate_without_ca(certificate_pem, status)
        self.device_modes[made.certificate_id] = "SNI_ONLY"
        return made

    def device_mode(self, certificate: FakeCertificate) -> str:
        """Return the mode of a device certificate; it stays when the CA is deleted."""
        signed_by = self.ca_store.certificates.get(certificate.ca_certificate_id or "")
        present = signed_by.mode if signed_by else "DEFAULT"
        return self.device_modes.get(certificate.certificate_id, present)

    def create_policy(self, policy_name: str, policy_document: Any) -> FakePolicy:
        """moto's, for a document that AWS IoT accepts."""
        return super().create_policy(policy_name, _checked(policy_document))

    def create_policy_version(
        self, policy_name: str, policy_document: Any, set_as_default: bool
    ) -> FakePolicyVersion:
        """moto's, for a document that AWS IoT accepts."""
        document = _checked(policy_document)
        return super().create_policy_version(policy_name, document, set_as_default)

    def detach_policy(self, policy_name: str, target: str) -> None:
        """moto's; notes when, since a policy can't be deleted right afterwards."""
        super().detach_policy(policy_name, target)
        self.detached_at[policy_name] = time.monotonic()

    def delete_policy(self, policy_name: str) -> None:
        """moto's, once AWS IoT knows that the policy is detached; the wording is moto's."""
        detached_at = self.detached_at.get(policy_name)
        if detached_at is not None and time.monotonic() - detached_at < Delays.detachment:
            raise delete_conflict(
                "The policy cannot be deleted as the policy is attached to one or more principals "
                f"(name={policy_name})"
            )
        super().delete_policy(policy_name)
        self.detached_at.pop(policy_name, None)

    def describe_endpoint(self, endpoint_type: str) -> FakeEndpoint:
        """moto's endpoint under the account's own name, where devices reach it (for moto)."""
        endpoint = super().describe_endpoint(endpoint_type)
        endpoint.endpoint = prefix_of(self.account_id) + endpoint.endpoint[PREFIX_LENGTH:]
        if endpoint_type == "iot:Data-ATS":
            endpoint.endpoint = data_endpoint(self.account_id, self.region_name)
        return endpoint

    def create_thing(
        self,
        thing_name: str,
        thing_type_name: str,
        attribute_payload: dict[str, Any] | None,
        billing_group_name: str | None = None,
    ) -> FakeThing:
        """moto's, with room for as many attributes as at AWS, and no thing in place of another.

        A thing that exists is not an error if it is exactly the same (API reference).
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
            message = f"Thing {thing_name} already exists in account with different properties"
            raise already_exists(message, present.thing_id, present.arn)
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
        """Return the ARN of something here."""
        return f"arn:{self.partition}:iot:{self.region_name}:{self.account_id}:{kind}/{name}"

    def tags_of(self, arn: str) -> dict[str, str]:
        """Return the tags of a CA certificate, template, policy, topic rule or thing group.

        The caller changes them in place.

        ResourceNotFoundException for anything else.
        """
        kind, _, name = "".join(arn.split(":", 5)[5:]).partition("/")
        if arn == self.arn_of(kind, name):
            if kind == "cacert" and name in self.ca_store.certificates:
                return self.ca_store.certificates[name].tags
            if kind == "provisioningtemplate" and name in self.templates:
                return self.templates[name].tags
            if (
                (kind == "policy" and name in self.policies)
                or (kind == "rule" and name in self.rules)
                or (kind == "thinggroup" and arn in self.thing_groups)
            ):
                return self.tags_by_arn.setdefault(arn, {})
        raise not_found(f"The resource {arn} does not exist")


def _checked(document: Any) -> Any:
    # It is text, although moto's annotations say a dictionary.
    return check_document(str(document or ""))


def backend_of(account: str, region: str) -> IoTBackend:
    """Return what ``account`` has in ``region``."""
    backend = iot_backends[account][region]
    assert isinstance(backend, IoTBackend)
    return backend
