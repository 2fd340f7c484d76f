"""What a run makes in the accounts: under names of its own, each with its removal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.x509 import Name

from tests.support.aws_contract import documents
from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import insist
from tests.support.aws_contract.cleanup import Cleanup
from tests.support.certificates import CA, Issued, Key, ec_key, new_ca, pem, x509_name
from tools.device import Device

THINGS_REGISTRATION = "service-role/AWSIoTThingsRegistration"


@dataclass(frozen=True)
class NewDevice:
    """A device that AWS IoT does not know yet: its certificate, and files with it and its key."""

    issued: Issued
    device: Device

    @property
    def name(self) -> str:
        """The common name, which is the client ID and becomes the name of the thing."""
        return self.device.client_id


@dataclass(frozen=True)
class Run:
    """One run. `prefix` begins all its names; `folder` gets the keys of its devices."""

    prefix: str
    folder: Path
    cleanup: Cleanup
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def name(self, kind: str) -> str:
        """Return a name that no other resource has."""
        return f"{self.prefix}-{kind}{next(self._numbers)}"

    # --- CA certificates

    def new_ca(self, common_name: str | None = None, **settings: Any) -> CA:
        """Return a CA that no account knows."""
        return new_ca(common_name or self.name("ca"), **settings)

    def remove_ca(self, account: AwsAccount, certificate_id: str) -> None:
        """Record the removal of a CA certificate."""
        iot, which = account.iot, f"--certificate-id {certificate_id}"

        def remove() -> None:
            iot.update_ca_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            iot.delete_ca_certificate(certificateId=certificate_id)

        self.cleanup.add(
            f"CA certificate {certificate_id} ({account.profile})",
            f"{account.cli} iot update-ca-certificate {which} --new-status INACTIVE\n"
            f"{account.cli} iot delete-ca-certificate {which}",
            remove,
        )

    def register(
        self, account: AwsAccount, ca: CA, mode: str = "SNI_ONLY", **settings: Any
    ) -> dict[str, Any]:
        """RegisterCACertificate, ACTIVE and with auto-registration unless `settings` differ."""
        self.remove_ca(account, ca.id)
        request = {
            "caCertificate": ca.pem,
            "certificateMode": mode,
            "setAsActive": True,
            "allowAutoRegistration": True,
            **settings,
        }
        if mode == "DEFAULT" and "verificationCertificate" not in settings:
            request["verificationCertificate"] = self.proof(account, ca)
        answer: dict[str, Any] = account.iot.register_ca_certificate(**request)
        return answer

    def proof(self, account: AwsAccount, ca: CA) -> str:
        """Return a verification certificate for an account."""
        return ca.verification(account.iot.get_registration_code()["registrationCode"])

    # --- roles and templates

    def role(
        self,
        account: AwsAccount,
        trust: str,
        managed: str | None = None,
        inline: str | None = None,
    ) -> str:
        """Make a role; return its ARN."""
        iam, name = account.client("iam"), self.name("role")
        arn = f"arn:{account.partition}:iam::aws:policy/{managed}"

        def remove() -> None:
            for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
            for policy_name in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                iam.delete_role_policy(RoleName=name, PolicyName=policy_name)
            iam.delete_role(RoleName=name)

        which = f"--role-name {name}"
        lines = []
        if managed:
            lines.append(f"{account.cli} iam detach-role-policy {which} --policy-arn {arn}")
        if inline:
            lines.append(f"{account.cli} iam delete-role-policy {which} --policy-name inline")
        lines.append(f"{account.cli} iam delete-role {which}")
        self.cleanup.add(f"role {name} ({account.profile})", "\n".join(lines), remove)
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        if managed:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        if inline:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=inline)
        return str(made["Role"]["Arn"])

    def provisioning_role(
        self, account: AwsAccount, condition: Mapping[str, Any] | None = None
    ) -> str:
        """Make the role of modules/jitp; return its ARN."""
        trust = documents.trust("iot.amazonaws.com", condition)
        return self.role(account, trust, managed=THINGS_REGISTRATION)

    def template(self, account: AwsAccount, role_arn: str, body: str, **settings: Any) -> str:
        """Make a JITP template; return its name. Insists while AWS does not know the role."""
        name = self.name("t")
        self.remove_template(account, name)
        request = {
            "templateName": name,
            "type": "JITP",
            "enabled": True,
            "provisioningRoleArn": role_arn,
            "templateBody": body,
            **settings,
        }
        insist(
            lambda: account.iot.create_provisioning_template(**request),
            {"InvalidRequestException"},
        )
        return name

    def remove_template(self, account: AwsAccount, name: str) -> None:
        """Record the removal of a template."""
        self.cleanup.add(
            f"provisioning template {name} ({account.profile})",
            f"{account.cli} iot delete-provisioning-template --template-name {name}",
            lambda: account.iot.delete_provisioning_template(templateName=name),
        )

    # --- events

    def queue(self, account: AwsAccount) -> tuple[str, str]:
        """Make a queue; return its address and its ARN."""
        sqs, name = account.client("sqs"), self.name("events")

        def remove() -> None:
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])

        self.cleanup.add(
            f"queue {name} ({account.profile})",
            f'{account.cli} sqs delete-queue --queue-url "$({account.cli} sqs get-queue-url '
            f'--queue-name {name} --query QueueUrl --output text)"',
            remove,
        )
        url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
        return url, f"arn:{account.partition}:sqs:{account.region}:{account.number}:{name}"

    def rule_name(self) -> str:
        """Return the name of a topic rule, which must not have "-"."""
        return self.name("rule").replace("-", "_")

    def topic_rule(self, account: AwsAccount, name: str, payload: dict[str, Any]) -> None:
        """Make a topic rule. Insists while AWS does not know its role."""
        self.cleanup.add(
            f"topic rule {name} ({account.profile})",
            f"{account.cli} iot delete-topic-rule --rule-name {name}",
            lambda: account.iot.delete_topic_rule(ruleName=name),
        )
        insist(
            lambda: account.iot.create_topic_rule(ruleName=name, topicRulePayload=payload),
            {"InvalidRequestException"},
        )

    # --- devices

    def new_device(
        self, ca: CA, name: str | None = None, key: Key | None = None, subject: Name | None = None
    ) -> NewDevice:
        """Return a new device of a CA. Its file has the CA's certificate behind its own."""
        name, key = name or self.name("device"), key or ec_key()
        certificate = ca.issue(subject or x509_name(name), key)
        issued = Issued(certificate, key)
        files = self.folder / issued.id[:16]
        files.with_suffix(".pem").write_text(pem(certificate) + ca.pem, encoding="ascii")
        key_file = issued.key_file(self.folder, f"{issued.id[:16]}.key")
        return NewDevice(issued, Device(files.with_suffix(".pem"), key_file, name))

    def expect(self, account: AwsAccount, device: NewDevice) -> None:
        """Record the removal of all that an account may get of a device."""
        self.remove_thing(account, device.name)
        self.remove_device_certificate(account, device.issued.id)

    def remove_thing(self, account: AwsAccount, name: str) -> None:
        """Record the removal of a thing."""
        self.cleanup.add(
            f"thing {name} ({account.profile})",
            f"{account.cli} iot delete-thing --thing-name {name}",
            lambda: account.iot.delete_thing(thingName=name),
        )

    def remove_policy(self, account: AwsAccount, name: str) -> None:
        """Record the removal of a policy."""
        self.cleanup.add(
            f"policy {name} ({account.profile})",
            # Last, and for minutes: see the script's beginning.
            f'echo "{account.cli} iot delete-policy --policy-name {name}" >>"$policies"',
            lambda: account.iot.delete_policy(policyName=name),
        )

    def remove_device_certificate(self, account: AwsAccount, certificate_id: str) -> None:
        """Record the removal of a device's certificate, which records that of its policies."""
        iot, arn = account.iot, account.arn(f"cert/{certificate_id}")

        def remove() -> None:
            iot.describe_certificate(certificateId=certificate_id)
            for policy in iot.list_attached_policies(target=arn)["policies"]:
                self._remove_made_policy(account, policy["policyName"])
                iot.detach_policy(policyName=policy["policyName"], target=arn)
            for thing in iot.list_principal_things(principal=arn)["things"]:
                iot.detach_thing_principal(thingName=thing, principal=arn)
            iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            iot.delete_certificate(certificateId=certificate_id, forceDelete=True)

        which = f"--certificate-id {certificate_id}"
        self.cleanup.add(
            f"device certificate {certificate_id} ({account.profile})",
            f"for name in $({account.cli} iot list-attached-policies --target {arn} "
            "--query 'policies[].policyName' --output text); do\n"
            f'  echo "{account.cli} iot delete-policy --policy-name $name" >>"$policies"\n'
            f'  {account.cli} iot detach-policy --policy-name "$name" --target {arn}\n'
            "done\n"
            f"for name in $({account.cli} iot list-principal-things --principal {arn} "
            "--query 'things[]' --output text); do\n"
            f'  {account.cli} iot detach-thing-principal --thing-name "$name" --principal {arn}\n'
            "done\n"
            f"{account.cli} iot update-certificate {which} --new-status INACTIVE\n"
            f"{account.cli} iot delete-certificate {which} --force-delete",
            remove,
            appears_late=True,
        )

    def _remove_made_policy(self, account: AwsAccount, name: str) -> None:
        """Record the removal of a policy that a template of this run made.

        AWS IoT names such a policy by a hash, devices share it, and nothing names it any more once
        it is detached.
        """
        document = account.iot.get_policy(policyName=name)["policyDocument"]
        if self.prefix in document or name.startswith(self.prefix):
            self.remove_policy(account, name)
