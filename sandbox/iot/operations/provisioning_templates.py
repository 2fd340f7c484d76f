"""Provisioning templates: the operations."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from sandbox.errors import AWSError
from sandbox.identity.iam import ROLE_ARN, find_role
from sandbox.identity.policies import trusts_service
from sandbox.identity.service_roles import Propagation
from sandbox.iot import provisioning_templates as templates
from sandbox.iot.backend import IoTBackend
from sandbox.iot.operations.request import IoTRequest, utc_now
from sandbox.iot.refusals import already_exists, invalid_request, not_found


def find_template(backend: IoTBackend, name: str) -> templates.ProvisioningTemplate:
    """Return the template called ``name``; ResourceNotFoundException without one."""
    templates.check_name(name)
    try:
        return backend.templates[name]
    except KeyError:
        raise not_found(f"Template with name {name} does not exist") from None


def check_role(role_arn: str, backend: IoTBackend) -> str:
    """Return ``role_arn`` if it is a role of this account that AWS IoT can assume (guide).

    AWS can only be passed a role of the caller's own account; the wording is ours.
    """
    parts = ROLE_ARN.fullmatch(role_arn)
    if not parts:
        raise invalid_request(f"{role_arn} is not the ARN of a role")
    if parts["account"] != backend.account_id or parts["partition"] != backend.partition:
        raise invalid_request(f"The role {role_arn} belongs to another account")
    role = find_role(role_arn)
    if role is None or not trusts_service(role.assume_role_policy_document, "iot.amazonaws.com"):
        raise invalid_request(f"The provisioning role {role_arn} cannot be assumed by AWS IoT")
    check_is_known(role_arn)
    return role_arn


def check_is_known(role_arn: str) -> None:
    """Refuse a role that was just created, where that is asked for (the aws provider's sources).

    The same words for a call that takes a CA's template are a guess.
    """
    role = find_role(role_arn)
    if role is not None and not Propagation.knows(role, utc_now()):
        raise invalid_request("The provisioning role cannot be assumed by AWS IoT")


class ProvisioningTemplateOperations(IoTRequest):
    """The operations on provisioning templates, which moto lacks."""

    def _hook(self) -> templates.Hook | None:
        document = self.document.get("preProvisioningHook")
        if document is None:
            return None
        if not isinstance(document, dict):
            raise invalid_request("preProvisioningHook must be an object")
        return templates.check_hook(
            templates.Hook(
                str(document.get("targetArn", "")),
                str(document.get("payloadVersion") or "2020-04-01"),
            )
        )

    def create_provisioning_template(self) -> ActionResult:
        """CreateProvisioningTemplate."""
        name = templates.check_name(self.needed("templateName"))
        now = utc_now()
        template = templates.ProvisioningTemplate(
            name=name,
            arn=self.backend.arn_of("provisioningtemplate", name),
            type=templates.check_type(self.text("type") or "FLEET_PROVISIONING"),
            description=templates.check_description(self.text("description")),
            enabled=self.flag("enabled") or False,
            role_arn=check_role(self.needed("provisioningRoleArn"), self.backend),
            hook=self._hook(),
            creation_date=now,
            last_modified_date=now,
            versions={
                1: templates.Version(1, templates.check_body(self.needed("templateBody")), now)
            },
            tags=self.tags(),
        )
        if name in self.backend.templates:  # message seen
            message = f"Template with name {name} already exists"
            raise already_exists(message, name, template.arn)
        self.backend.templates[name] = template
        return ActionResult(
            {"templateArn": template.arn, "templateName": name, "defaultVersionId": 1}
        )

    def describe_provisioning_template(self) -> ActionResult:
        """DescribeProvisioningTemplate."""
        template = find_template(self.backend, self.in_path("templateName"))
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
        template = find_template(self.backend, self.in_path("templateName"))
        description = templates.check_description(self.text("description"))
        enabled = self.flag("enabled")
        role_arn = self.text("provisioningRoleArn")
        hook = self._hook()
        remove_hook = self.flag("removePreProvisioningHook") or False
        default = self.document.get("defaultVersionId")
        if default is not None:
            templates.version_of(template, default)
        if hook and remove_hook:
            raise invalid_request("preProvisioningHook can't be set and removed at once")
        if role_arn is not None:
            template.role_arn = check_role(role_arn, self.backend)
        if description is not None:
            template.description = description
        if enabled is not None:
            template.enabled = enabled
        if default is not None:
            template.default_version_id = default
        template.hook = None if remove_hook else hook or template.hook
        template.last_modified_date = utc_now()
        return EmptyResult()

    def delete_provisioning_template(self) -> ActionResult:
        """DeleteProvisioningTemplate. Stricter: refused while a registrationConfig names it."""
        template = find_template(self.backend, self.in_path("templateName"))
        users = [
            held.certificate_id
            for held in self.backend.ca_store.certificates.values()
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
        items, token = self.page(list(self.backend.templates.values()))
        return self.listing("templates", [self._summary(item) for item in items], token)


class TemplateVersionOperations(IoTRequest):
    """The operations on the versions of a template, which moto lacks."""

    def create_provisioning_template_version(self) -> ActionResult:
        """CreateProvisioningTemplateVersion."""
        template = find_template(self.backend, self.in_path("templateName"))
        as_default = self.query_flag("setAsDefault")
        version = templates.add_version(
            template, self.needed("templateBody"), as_default, utc_now()
        )
        return ActionResult(
            {
                "templateArn": template.arn,
                "templateName": template.name,
                "versionId": version.version_id,
                "isDefaultVersion": as_default,
            }
        )

    def _version_id(self) -> int:
        text = self.in_path("versionId")
        if not text.isdecimal():
            raise invalid_request("versionId must be a number")
        return int(text)

    def describe_provisioning_template_version(self) -> ActionResult:
        """DescribeProvisioningTemplateVersion."""
        template = find_template(self.backend, self.in_path("templateName"))
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
        template = find_template(self.backend, self.in_path("templateName"))
        items, token = self.page(list(template.versions.values()))
        summaries = [self._version_summary(template, item) for item in items]
        return self.listing("versions", summaries, token)

    def delete_provisioning_template_version(self) -> ActionResult:
        """DeleteProvisioningTemplateVersion."""
        template = find_template(self.backend, self.in_path("templateName"))
        templates.delete_version(template, self._version_id())
        return EmptyResult()
