"""What is in the accounts, read from AWS itself and not from Terraform."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.control import Sandbox
from tools.demo.accounts import REGION, DemoAccount
from tools.demo.claims import claim

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iot import IoTClient

    from sandbox.control import Listener

DELETIONS = ("DeleteCACertificate", "DeleteProvisioningTemplate")


@dataclass(frozen=True)
class Registration:
    """A CA as AWS has it."""

    certificate_id: str
    mode: str
    status: str
    auto_registration: str
    template: str | None


class Aws:
    """Reads, and cleans up, what is in the accounts."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @functools.cached_property
    def _clients(
        self,
    ) -> tuple[Callable[[DemoAccount], IoTClient], Callable[[DemoAccount], IAMClient]]:
        # Imported while the first apply runs, not while the user waits for the first line.
        from boto3.session import Session

        def session(account: DemoAccount) -> Session:
            return Session(account.number, "sandbox", region_name=REGION)

        endpoint = self.sandbox.endpoint
        iot = functools.cache(lambda a: session(a).client("iot", endpoint_url=endpoint))
        iam = functools.cache(lambda a: session(a).client("iam", endpoint_url=endpoint))
        return iot, iam

    @functools.cached_property
    def listener(self) -> Listener:
        """What devices connect to, for all accounts."""
        return self.sandbox.devices(REGION)

    def iot(self, account: DemoAccount) -> IoTClient:
        """A client of AWS IoT in that account."""
        return self._clients[0](account)

    def registration(self, account: DemoAccount, certificate_id: str) -> Registration | None:
        """The CA in that account, or None."""
        client = self.iot(account)
        try:
            answer = client.describe_ca_certificate(certificateId=certificate_id)
        except client.exceptions.ResourceNotFoundException:
            return None
        ca = answer["certificateDescription"]
        return Registration(
            ca["certificateId"],
            ca["certificateMode"],
            ca["status"],
            ca["autoRegistrationStatus"],
            answer.get("registrationConfig", {}).get("templateName"),
        )

    def endpoint(self, account: DemoAccount) -> str:
        """The host name that devices of the account connect to."""
        answer = self.iot(account).describe_endpoint(endpointType="iot:Data-ATS")
        return answer["endpointAddress"]

    def thing(self, account: DemoAccount, name: str) -> dict[str, str] | None:
        """The attributes of a thing with an active certificate, or None."""
        iot = self.iot(account)
        try:
            thing = iot.describe_thing(thingName=name)
        except iot.exceptions.ResourceNotFoundException:
            return None
        (principal,) = iot.list_thing_principals(thingName=name)["principals"]
        certificate_id = principal.rpartition("/")[2]
        certificate = iot.describe_certificate(certificateId=certificate_id)
        claim(certificate["certificateDescription"]["status"] == "ACTIVE", f"{name} is ACTIVE")
        return thing["attributes"]

    def delete_devices(self, account: DemoAccount) -> None:
        """Delete every device: its thing, its certificate and its policy."""
        iot = self.iot(account)
        for certificate in iot.list_certificates()["certificates"]:
            arn, certificate_id = certificate["certificateArn"], certificate["certificateId"]
            for thing in iot.list_principal_things(principal=arn)["things"]:
                iot.detach_thing_principal(thingName=thing, principal=arn)
                iot.delete_thing(thingName=thing)
            for policy in iot.list_attached_policies(target=arn)["policies"]:
                iot.detach_policy(policyName=policy["policyName"], target=arn)
            iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
            iot.delete_certificate(certificateId=certificate_id)
        # The devices shared it: its document is the template's.
        for policy in iot.list_policies()["policies"]:
            iot.delete_policy(policyName=policy["policyName"])

    def template_type(self, account: DemoAccount, name: str) -> str:
        """The type of a provisioning template that is enabled, else why it does not count."""
        template = self.iot(account).describe_provisioning_template(templateName=name)
        return template["type"] if template["enabled"] else "disabled"

    def leftovers(self, account: DemoAccount) -> list[str]:
        """Everything in the account that the example could have made."""
        iot = self.iot(account)
        certificates = iot.list_ca_certificates()["certificates"]
        templates = iot.list_provisioning_templates()["templates"]
        roles = self._clients[1](account).list_roles()["Roles"]
        return [
            *(certificate["certificateArn"] for certificate in certificates),
            *(template["templateArn"] for template in templates),
            *(role["Arn"] for role in roles),
        ]

    def deletions(self, account: DemoAccount) -> list[str]:
        """The deletions of CAs and templates in the account, in their order."""
        calls = self.sandbox.calls(account=account.number)
        return [call.operation for call in calls if call.operation in DELETIONS]

    def writes(self) -> list[str]:
        """The writing calls since the last `forget_calls`."""
        return [f"{call.account} {call.operation}" for call in self.sandbox.calls(write=True)]
