"""What the unit tests share: certificates of all sorts, and an AWS IoT in memory."""

from __future__ import annotations

import itertools
import re
import subprocess
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
)
from cryptography.x509.oid import NameOID

CaKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ACCOUNT = "111122223333"
REGION = "eu-west-1"
# As long as AWS's registration codes are.
CODE = "c0de" * 16
NOW = datetime.now(timezone.utc)


def openssl(folder: Path, *arguments: str) -> str:
    """Run the command line of OpenSSL in a folder; returns what it prints."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def name(common_name: str) -> x509.Name:
    """A subject with nothing but a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key: the quickest there is."""
    return ec.generate_private_key(ec.SECP256R1())


def issue(
    key: CertificateIssuerPrivateKeyTypes,
    *,
    common_name: str = "root",
    subject_key: PrivateKeyTypes | None = None,
    issuer: x509.Certificate | None = None,
    ca: bool | None = True,
    digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | hashes.SHA224 | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> x509.Certificate:
    """A certificate signed by `key`; of that key itself unless `subject_key` is another.

    `ca` None leaves basicConstraints out.
    """
    public_key: Any = (subject_key or key).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer.subject if issuer else name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or NOW - timedelta(days=1))
        .not_valid_after(end or NOW + timedelta(days=365))
    )
    if ca is not None:
        constraints = x509.BasicConstraints(ca=ca, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    hashed = isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return builder.sign(key, (digest or hashes.SHA256()) if hashed else None)


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def key_pem(
    key: PrivateKeyTypes,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    password: bytes | None = None,
) -> str:
    """The private key as PEM text."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def everything_said(error: BaseException) -> str:
    """The texts of an exception and of all behind it, also of those that `from None` hides."""
    told = traceback.TracebackException.from_exception(error)
    said = list(told.format())
    behind: list[BaseException | None] = [error]
    while behind:
        each = behind.pop()
        if each is not None:
            said.append(str(each))
            behind += [each.__cause__, each.__context__]
    return "\n".join(said)


def assert_tells_nothing_of(secret: str, said: str) -> None:
    """Fail if a recognisable part of a PEM text's body is in `said`."""
    lines = [line.strip() for line in secret.splitlines()]
    body = "".join(line for line in lines if line and "-----" not in line)
    squeezed = "".join(said.split())
    for start in range(0, len(body) - 11, 4):
        assert body[start : start + 12] not in squeezed


@dataclass
class Issuer:
    """A CA in AWS Private CA: `delay` is how often it answers that it is still at it."""

    key: CaKey
    certificate: x509.Certificate
    delay: int = 1
    issued: dict[str, str] = field(default_factory=dict)


class FakeAws:
    """AWS as one account sees it, behind real botocore clients: their requests end here.

    Attributes:
        cas: each CA by its ID, in the shape of DescribeCACertificate's answer.
        tags: the tags of each, by ID.
        calls: the operations that were called, in order.
        requests: their parameters.
        faults: what an operation fails with, as (code, message), instead of doing anything, or
            an exception to raise.
        removal_disables: whether removing the registrationConfig also switches auto-registration
            off. Not documented, so the program must get along with both.
        tells_validity: whether CAs that are registered from now on are described with it.
        before: called with the name of each operation before it happens.
        groups: the attributes of each thing group, by its name.
        late: how many of the next DescribeThingGroup are answered as if there was no group yet.
        devices: how many certificates of devices are registered, by the CA's ID.
        endless: whether each listing answers that there is more, with the same token.
        empty_pages: how many pages with nothing on them ListCertificatesByCA begins with.
        secrets: answers of Secrets Manager, by ARN.
        keys: the private keys in KMS and what they are for, by any name that they are asked by.
        issuers: the private CAs, by ARN.
        clients: the services that were asked, and where.
    """

    WRITES = frozenset(
        {
            "CreateThingGroup",
            "DeleteCACertificate",
            "DeleteThingGroup",
            "RegisterCACertificate",
            "TagResource",
            "UntagResource",
            "UpdateCACertificate",
        }
    )
    # What costs money or leaves a trace outside AWS IoT.
    SIGNS = frozenset({"IssueCertificate", "Sign"})

    def __init__(self, account: str = ACCOUNT, region: str = REGION) -> None:
        self.account = account
        self.region = region
        self.cas: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.faults: dict[str, tuple[str, str] | Exception] = {}
        self.removal_disables = False
        self.tells_validity = True
        self.before: Callable[[str], None] = lambda _operation: None
        self.groups: dict[str, dict[str, str]] = {}
        self.templates: set[str] = set()
        self.late = 0
        self.devices: dict[str, int] = {}
        self.endless = False
        self.empty_pages = 0
        self.secrets: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, tuple[CaKey, str]] = {}
        self.issuers: dict[str, Issuer] = {}
        self.clients: list[tuple[str, str]] = []

    @property
    def writes(self) -> list[str]:
        """The calls that changed something, or were meant to."""
        return [call for call in self.calls if call in self.WRITES]

    @property
    def signs(self) -> list[str]:
        """The calls that had something signed or issued."""
        return [call for call in self.calls if call in self.SIGNS]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of an operation, in order."""
        pairs = zip(self.calls, self.requests, strict=True)
        return [request for call, request in pairs if call == operation]

    def client(self, session: Any, service: str, region: str) -> Any:
        """Takes the place of the program's own way of making a client."""
        from botocore.config import Config

        client = session.create_client(
            service, region_name=region, config=Config(retries={"total_max_attempts": 1})
        )
        self.clients.append((service, region))
        client.meta.events.register("before-parameter-build", self._remember)
        client.meta.events.register("before-call", self._answer)
        return client

    @staticmethod
    def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["fake"] = params

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse
        from botocore.compat import HTTPHeaders

        operation = model.name
        self.before(operation)
        self.calls.append(operation)
        self.requests.append(context["fake"])
        fault = self.faults.get(operation)
        if isinstance(fault, Exception):
            raise fault
        try:
            if fault is not None:
                raise Refused(*fault)
            status, answer = 200, self._answer_of(operation, context["fake"])
        except Refused as refused:
            status = 400
            answer = {
                "Error": {"Code": refused.args[0], "Message": refused.args[1]},
                **refused.more,
            }
        answer = {**(answer or {}), "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("", status, HTTPHeaders(), None), answer

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
        # Pages of two: whoever reads only the first one is found out.
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
        listed = [{"certificateId": each, "certificateArn": self.arn(each)} for each in page]
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

    def _GetSecretValue(self, *, SecretId: str) -> dict[str, Any]:
        if SecretId not in self.secrets:
            raise Refused("ResourceNotFoundException", "can't find the specified secret.")
        return self.secrets[SecretId]

    def _GetPublicKey(self, *, KeyId: str) -> dict[str, Any]:
        key, usage = self._key(KeyId)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"KeyId": KeyId, "PublicKey": public, "KeyUsage": usage}

    def _Sign(
        self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str
    ) -> dict[str, bytes]:
        assert MessageType == "DIGEST"
        key, _ = self._key(KeyId)
        # The algorithms that AWS KMS has for each sort of key (API reference of Sign).
        known: dict[str, hashes.HashAlgorithm] = {"RSASSA_PKCS1_V1_5_SHA_256": hashes.SHA256()}
        if isinstance(key, ec.EllipticCurvePrivateKey):
            digests = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384()}
            digest = digests.get(key.curve.name, hashes.SHA512())
            known = {f"ECDSA_SHA_{digest.digest_size * 8}": digest}
        if SigningAlgorithm not in known:
            raise Refused("InvalidKeyUsageException", f"{SigningAlgorithm} is not for this key.")
        prehashed = utils.Prehashed(known[SigningAlgorithm])
        if isinstance(key, rsa.RSAPrivateKey):
            return {"Signature": key.sign(Message, padding.PKCS1v15(), prehashed)}
        return {"Signature": key.sign(Message, ec.ECDSA(prehashed))}

    def _key(self, key_id: str) -> tuple[CaKey, str]:
        if key_id not in self.keys:
            raise Refused("NotFoundException", "Invalid keyId")
        return self.keys[key_id]

    def _issuer(self, arn: str) -> Issuer:
        if arn not in self.issuers:
            raise Refused("ResourceNotFoundException", "Could not find that CA.")
        return self.issuers[arn]

    def _GetCertificateAuthorityCertificate(
        self, *, CertificateAuthorityArn: str
    ) -> dict[str, str]:
        return {"Certificate": pem(self._issuer(CertificateAuthorityArn).certificate)}

    def _IssueCertificate(
        self,
        *,
        CertificateAuthorityArn: str,
        Csr: bytes,
        SigningAlgorithm: str,
        Validity: dict[str, Any],
        IdempotencyToken: str,
        TemplateArn: str,
    ) -> dict[str, str]:
        issuer = self._issuer(CertificateAuthorityArn)
        assert re.fullmatch(r"[\x21-\x7e]{1,36}", IdempotencyToken)
        partition = CertificateAuthorityArn.split(":")[1]
        template = "template/EndEntityCertificate/V1"
        assert TemplateArn == f"arn:{partition}:acm-pca:::{template}"
        family = "RSA" if isinstance(issuer.key, rsa.RSAPrivateKey) else "ECDSA"
        if not SigningAlgorithm.endswith(f"WITH{family}"):
            raise Refused("InvalidArgsException", "That is not the CA's key family.")
        assert Validity["Type"] == "ABSOLUTE"
        request = x509.load_pem_x509_csr(Csr)
        assert request.is_signature_valid
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(issuer.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(hours=1))
            .not_valid_after(datetime.fromtimestamp(Validity["Value"], timezone.utc))
            .sign(issuer.key, hashes.SHA256())
        )
        arn = f"{CertificateAuthorityArn}/certificate/{len(issuer.issued)}"
        issuer.issued[arn] = pem(certificate)
        return {"CertificateArn": arn}

    def _GetCertificate(
        self, *, CertificateAuthorityArn: str, CertificateArn: str
    ) -> dict[str, str]:
        issuer = self._issuer(CertificateAuthorityArn)
        if issuer.delay > 0:
            issuer.delay -= 1
            raise Refused("RequestInProgressException", "The request is in progress.")
        return {
            "Certificate": issuer.issued[CertificateArn],
            "CertificateChain": pem(issuer.certificate),
        }

    def _GetRegistrationCode(self) -> dict[str, str]:
        return {"registrationCode": CODE}

    def _GetCallerIdentity(self) -> dict[str, str]:
        return {"Account": self.account}

    def _AssumeRole(self, **_: str) -> dict[str, Any]:
        return {
            "Credentials": {
                "AccessKeyId": "ASIA0000",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
            }
        }


class Refused(Exception):
    """AWS says no: code, message, and what else stands in the answer."""

    def __init__(self, code: str, message: str, **more: str) -> None:
        super().__init__(code, message)
        self.more = more
