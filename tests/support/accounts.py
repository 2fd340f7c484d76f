"""One account and region of the sandbox: what somebody does and sees there by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.control import Sandbox
from tests.support.certificates import CA, Issued, new_leaf
from tests.support.clients import client_for
from tools.device import Device

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iot import IoTClient

REVISION = "iot-ca:revision"
ORIGIN = "iot-ca:origin"
OWNER = "iot-ca:owner"
OWN_TAGS = "iot-ca:"


@dataclass(frozen=True)
class Registered:
    """A CA as one account has it."""

    mode: str
    status: str
    auto_registration: str
    template: str | None
    tags: Mapping[str, str]
    generation: str = ""

    @property
    def user_tags(self) -> dict[str, str]:
        """The tags that are not the module's own."""
        return {k: v for k, v in self.tags.items() if not k.startswith(OWN_TAGS)}

    @property
    def own_tags(self) -> dict[str, str]:
        """The module's own tags."""
        return {k: v for k, v in self.tags.items() if k.startswith(OWN_TAGS)}

    @property
    def settings(self) -> Registered:
        """Without what changes with every repair, for comparing before and after."""
        tags = {k: v for k, v in self.tags.items() if k != REVISION}
        return replace(self, tags=tags, generation="")


@dataclass(frozen=True)
class Account:
    """What somebody does and sees by hand in one account and region."""

    sandbox: Sandbox = field(repr=False)
    number: str
    region: str

    @property
    def iot(self) -> IoTClient:
        """boto3's client for IoT."""
        client: IoTClient = self.client("iot")
        return client

    @property
    def iam(self) -> IAMClient:
        """boto3's client for IAM."""
        client: IAMClient = self.client("iam")
        return client

    def client(self, service: str) -> Any:
        """boto3's client for a service."""
        return client_for(self.sandbox, self.number, self.region, service)

    def arn(self, certificate_id: str) -> str:
        """The ARN that a CA has here."""
        return f"arn:aws:iot:{self.region}:{self.number}:cacert/{certificate_id}"

    def look(self, certificate_id: str) -> Registered | None:
        """A CA as it is here; None where it is not registered."""
        iot = self.iot
        try:
            answer = iot.describe_ca_certificate(certificateId=certificate_id)
        except iot.exceptions.ResourceNotFoundException:
            return None
        description = answer["certificateDescription"]
        tags = iot.list_tags_for_resource(resourceArn=description["certificateArn"])["tags"]
        return Registered(
            mode=description["certificateMode"],
            status=description["status"],
            auto_registration=description["autoRegistrationStatus"],
            template=answer.get("registrationConfig", {}).get("templateName"),
            tags={tag["Key"]: tag.get("Value", "") for tag in tags},
            generation=description["generationId"],
        )

    def see(self, certificate_id: str) -> Registered:
        """As `look`, for a CA that must be registered."""
        registered = self.look(certificate_id)
        assert registered is not None, f"{certificate_id} is not registered in {self.number}"
        return registered

    def describe(self, certificate_id: str) -> dict[str, Any]:
        """What DescribeCACertificate answers: the description, and the name of the template."""
        answer: Any = self.iot.describe_ca_certificate(certificateId=certificate_id)
        template = answer.get("registrationConfig", {}).get("templateName")
        return {**answer["certificateDescription"], "templateName": template}

    def left(self) -> list[str]:
        """The ARNs of the CAs and provisioning templates that are there."""
        certificates = self.iot.list_ca_certificates()["certificates"]
        templates = self.iot.list_provisioning_templates()["templates"]
        return [
            *(certificate["certificateArn"] for certificate in certificates),
            *(template["templateArn"] for template in templates),
        ]

    def register(self, ca: CA, **settings: Any) -> None:
        """Register a CA by hand, SNI_ONLY, ACTIVE and with auto-registration unless told."""
        usual = {
            "certificateMode": "SNI_ONLY",
            "setAsActive": True,
            "allowAutoRegistration": True,
        }
        self.iot.register_ca_certificate(caCertificate=ca.pem, **{**usual, **settings})

    def meet(self, ca: CA, name: str, folder: Path) -> Issued:
        """A device of a registered CA comes for the first time; its certificate.

        AWS IoT registers that, and where nobody answers its event it stays PENDING_ACTIVATION.
        """
        leaf = new_leaf(ca, name)
        certificate = folder / f"{name}.pem"
        certificate.write_text(leaf.pem, encoding="utf-8")
        device = Device(certificate, leaf.key_file(folder, f"{name}.key"), name)
        host = self.iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        device.visit(self.sandbox.devices(self.region), host, attempts=1)
        return leaf

    def register_default(self, ca: CA) -> None:
        """Register a CA by hand in DEFAULT mode."""
        code = self.iot.get_registration_code()["registrationCode"]
        proof = new_leaf(ca, code).pem
        self.register(ca, certificateMode="DEFAULT", verificationCertificate=proof)

    def enable_events(self) -> None:
        """Enable the events that JITR needs: else each plan with JITR has a warning."""
        self.iot.update_event_configurations(
            eventConfigurations={"CA_CERTIFICATE": {"Enabled": True}}
        )

    def update(self, ca: CA, **settings: Any) -> None:
        """UpdateCACertificate by hand."""
        self.iot.update_ca_certificate(certificateId=ca.id, **settings)

    def tag(self, ca: CA, tags: Mapping[str, str]) -> None:
        """TagResource by hand."""
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.iot.tag_resource(resourceArn=self.arn(ca.id), tags=pairs)  # type: ignore[arg-type]

    def untag(self, ca: CA, *keys: str) -> None:
        """UntagResource by hand."""
        self.iot.untag_resource(resourceArn=self.arn(ca.id), tagKeys=list(keys))

    def delete(self, ca: CA) -> None:
        """Deactivate and delete a CA by hand."""
        self.update(ca, newStatus="INACTIVE")
        self.iot.delete_ca_certificate(certificateId=ca.id)

    def templates(self) -> set[str]:
        """The names of the provisioning templates."""
        return {
            template["templateName"]
            for template in self.iot.list_provisioning_templates()["templates"]
        }

    def provisioning_role(self, name: str = "by-hand") -> str:
        """Make a role that AWS IoT may assume; returns its ARN."""
        trust = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "iot.amazonaws.com"},
            },
        }
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        return role["Role"]["Arn"]

    def create_template(self, name: str) -> None:
        """Make a JITP template by hand, with a role of its own."""
        self.iot.create_provisioning_template(
            templateName=name,
            type="JITP",
            enabled=True,
            provisioningRoleArn=self.provisioning_role(f"role-{name}"),
            templateBody=TEMPLATE_BODY,
        )

    def cli(self, *arguments: str) -> Any:
        """What `aws ARGUMENTS` answers, as this account."""
        environment = {**os.environ, **self.sandbox.environment(self.number, self.region)}
        answer = subprocess.run(
            [sys.executable, "-m", "awscli", *arguments, "--output", "json"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(answer.stdout) if answer.stdout.strip() else None


TEMPLATE_BODY = json.dumps(
    {
        "Parameters": {"AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}},
            }
        },
    }
)
