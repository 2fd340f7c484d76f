"""AWS IoT in memory, as far as the program calls it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.support.program.refused import Refused

# As long as AWS's registration codes are.
CODE = "c0de" * 16


class FakeIot:
    """The operations of AWS IoT in one account and region: a method for each.

    Attributes:
        cas: each CA by its ID, in the shape of DescribeCACertificate's answer.
        tags: the tags of each, by ID.
        removal_disables: whether removing the registrationConfig also switches auto-registration
            off. Not documented, so the program must get along with both.
        tells_validity: whether CAs that are registered from now on are described with it.
        groups: the attributes of each thing group, by its name.
        late: how many of the next DescribeThingGroup are answered as if there was no group yet.
        devices: how many certificates of devices are registered, by the CA's ID.
        event_types: the event messages that AWS IoT publishes.
        endless: whether each listing answers that there is more, with the same token.
        empty_pages: how many pages with nothing on them ListCertificatesByCA begins with.
    """

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.cas: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.removal_disables = False
        self.tells_validity = True
        self.groups: dict[str, dict[str, str]] = {}
        self.templates: set[str] = set()
        self.late = 0
        self.devices: dict[str, int] = {}
        self.event_types = {"CA_CERTIFICATE"}
        self.endless = False
        self.empty_pages = 0

    def _answer_of(self, operation: str, request: dict[str, Any]) -> Any:
        if self.endless and operation.startswith("List"):
            token = "nextToken" if operation == "ListTagsForResource" else "nextMarker"
            return {"tags": [], "certificates": [], token: "again"}
        return getattr(self, f"_{operation}")(**request)

    def arn(self, certificate_id: str) -> str:
        """The CA's ARN."""
        return f"arn:aws:iot:{self.region}:{self.account}:cacert/{certificate_id}"

    def _get(self, certificate_id: str) -> dict[str, Any]:
        if certificate_id not in self.cas:
            raise Refused("ResourceNotFoundException", "The certificate does not exist.")
        return self.cas[certificate_id]

    def _RegisterCACertificate(
        self,
        *,
        caCertificate: str,
        certificateMode: str,
        setAsActive: bool,
        allowAutoRegistration: bool,
        tags: list[dict[str, str]],
        registrationConfig: Mapping[str, str] | None = None,
        verificationCertificate: str | None = None,
    ) -> dict[str, Any]:
        certificate = x509.load_pem_x509_certificate(caCertificate.encode())
        certificate_id = certificate.fingerprint(hashes.SHA256()).hex()
        identity = {"certificateId": certificate_id, "certificateArn": self.arn(certificate_id)}
        if certificate_id in self.cas:
            raise Refused(
                "ResourceAlreadyExistsException",
                "It is there already.",
                resourceId=certificate_id,
                resourceArn=self.arn(certificate_id),
            )
        if (certificateMode == "DEFAULT") != (verificationCertificate is not None):
            raise Refused("InvalidRequestException", "verification and mode don't fit")
        validity = {
            "notBefore": certificate.not_valid_before_utc,
            "notAfter": certificate.not_valid_after_utc,
        }
        self.cas[certificate_id] = {
            "certificateDescription": {
                **identity,
                **({"validity": validity} if self.tells_validity else {}),
                "status": "ACTIVE" if setAsActive else "INACTIVE",
                "autoRegistrationStatus": "ENABLE" if allowAutoRegistration else "DISABLE",
                "certificateMode": certificateMode,
                "certificatePem": caCertificate,
            },
            "registrationConfig": dict(registrationConfig or {}),
        }
        self.tags[certificate_id] = {tag["Key"]: tag["Value"] for tag in tags}
        return identity

    def _DescribeEventConfigurations(self) -> dict[str, Any]:
        return {"eventConfigurations": {name: {"Enabled": True} for name in self.event_types}}

    def _DescribeCACertificate(self, *, certificateId: str) -> dict[str, Any]:
        return self._get(certificateId)

    def _UpdateCACertificate(
        self,
        *,
        certificateId: str,
        newStatus: str | None = None,
        newAutoRegistrationStatus: str | None = None,
        registrationConfig: Mapping[str, str] | None = None,
        removeAutoRegistration: bool = False,
    ) -> None:
        ca = self._get(certificateId)
        description = ca["certificateDescription"]
        description["status"] = newStatus or description["status"]
        if removeAutoRegistration:
            ca["registrationConfig"] = {}
            if self.removal_disables:
                description["autoRegistrationStatus"] = "DISABLE"
        if newAutoRegistrationStatus:
            description["autoRegistrationStatus"] = newAutoRegistrationStatus
        if registrationConfig:
            ca["registrationConfig"] = dict(registrationConfig)

    def _DeleteCACertificate(self, *, certificateId: str) -> None:
        if self._get(certificateId)["certificateDescription"]["status"] == "ACTIVE":
            raise Refused("CertificateStateException", "It is ACTIVE.")
        del self.cas[certificateId]
        del self.tags[certificateId]

    def _ListTagsForResource(
        self,
        *,
        resourceArn: str,
        nextToken: str = "0",
    ) -> dict[str, Any]:
        kind, _, resource = resourceArn.rpartition(":")[2].partition("/")
        assert resourceArn.startswith(f"arn:aws:iot:{self.region}:")
        assert kind == "cacert"
        self._get(resource)
        tags = self.tags[resource]
        # Pages of two: a caller that reads only the first one misses tags.
        start = int(nextToken)
        page = list(itertools.islice(tags.items(), start, start + 2))
        more = start + 2 < len(tags)
        answer = [{"Key": key, "Value": value} for key, value in page]
        return {"tags": answer, **({"nextToken": str(start + 2)} if more else {})}

    def _TagResource(self, *, resourceArn: str, tags: list[dict[str, str]]) -> None:
        added = {tag["Key"]: tag["Value"] for tag in tags}
        self.tags[resourceArn.rpartition("/")[2]].update(added)

    def _UntagResource(self, *, resourceArn: str, tagKeys: list[str]) -> None:
        for key in tagKeys:
            self.tags[resourceArn.rpartition("/")[2]].pop(key, None)

    def _ListCACertificates(self, *, pageSize: int, marker: str = "0") -> dict[str, Any]:
        assert pageSize == 250
        # Pages of two here as well.
        start = int(marker)
        page = list(itertools.islice(self.cas, start, start + 2))
        more = start + 2 < len(self.cas)
        listed = [{"certificateId": ca_id, "certificateArn": self.arn(ca_id)} for ca_id in page]
        return {"certificates": listed, **({"nextMarker": str(start + 2)} if more else {})}

    def _ListCertificatesByCA(
        self, *, caCertificateId: str, pageSize: int, marker: str = "0"
    ) -> dict[str, Any]:
        if int(marker) < self.empty_pages:
            return {"certificates": [], "nextMarker": str(int(marker) + 1)}
        count = self.devices.get(caCertificateId, 0)
        page = [{"certificateId": f"{number:064}"} for number in range(min(count, pageSize))]
        return {"certificates": page, **({"nextMarker": "more"} if count > pageSize else {})}

    def _CreateThingGroup(
        self, *, thingGroupName: str, thingGroupProperties: dict[str, Any]
    ) -> None:
        if thingGroupName in self.groups:
            raise Refused("ResourceAlreadyExistsException", "It is there already.")
        # What AWS IoT takes (API reference, and the quotas of thing groups).
        assert re.fullmatch(r"[a-zA-Z0-9:_-]{1,128}", thingGroupName)
        description = thingGroupProperties["thingGroupDescription"]
        assert re.fullmatch(r"[\x20-\x7e]{1,2028}", description)
        attributes = thingGroupProperties["attributePayload"]["attributes"]
        assert len(attributes) <= 50
        for key, value in attributes.items():
            assert re.fullmatch(r"[a-zA-Z0-9_.,@/:#-]{1,128}", key)
            assert re.fullmatch(r"[a-zA-Z0-9_.,@/:#-]{0,800}", value)
        self.groups[thingGroupName] = dict(attributes)

    def _DescribeThingGroup(self, *, thingGroupName: str) -> dict[str, Any]:
        self.late -= 1
        if self.late >= 0 or thingGroupName not in self.groups:
            raise Refused("ResourceNotFoundException", "The thing group does not exist.")
        payload = {"attributes": dict(self.groups[thingGroupName])}
        return {"thingGroupProperties": {"attributePayload": payload}}

    def _DescribeProvisioningTemplate(self, *, templateName: str) -> dict[str, Any]:
        if templateName not in self.templates:
            raise Refused("ResourceNotFoundException", "The template does not exist.")
        return {"templateName": templateName}

    def _DeleteThingGroup(self, *, thingGroupName: str) -> None:
        # Of one that does not exist as well (API reference).
        self.groups.pop(thingGroupName, None)

    def _GetPolicy(self, *, policyName: str) -> dict[str, str]:
        return {"policyName": policyName, "policyDocument": "{}"}

    def _GetRegistrationCode(self) -> dict[str, str]:
        return {"registrationCode": CODE}
