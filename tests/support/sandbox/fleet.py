"""Devices and what they meet: CAs registered in accounts, templates, rules and functions."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import Name, NameAttribute
from cryptography.x509.oid import NameOID

from tests.support.certificates import CA, ec_key
from tests.support.sandbox.clients import ONE, REGION, Clients
from tools.device import Device

THINGS_REGISTRATION = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
MAY_ALL = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str) -> str:
    return policy(
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    )


def device_policy(account: str, region: str = REGION) -> str:
    """A device may connect as its thing, and use the topics below its thing's name."""
    iot = f"arn:aws:iot:{region}:{account}"
    thing = "${iot:Connection.Thing.ThingName}"
    return policy(
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{iot}:client/{thing}"},
        {
            "Effect": "Allow",
            "Action": ["iot:Publish", "iot:Receive"],
            "Resource": f"{iot}:topic/{thing}/*",
        },
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": f"{iot}:topicfilter/{thing}/*"},
    )


def template_body(account: str, region: str = REGION, **thing: Any) -> str:
    parameters = ["CommonName", "Organization", "Id"]
    return json.dumps(
        {
            "Parameters": {f"AWS::IoT::Certificate::{p}": {"Type": "String"} for p in parameters},
            "Resources": {
                "thing": {
                    "Type": "AWS::IoT::Thing",
                    "Properties": {
                        "ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"},
                        "AttributePayload": {
                            "maker": {"Ref": "AWS::IoT::Certificate::Organization"},
                            "account": account,
                        },
                    },
                    **thing,
                },
                "certificate": {
                    "Type": "AWS::IoT::Certificate",
                    "Properties": {
                        "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"},
                        "Status": "ACTIVE",
                    },
                },
                "policy": {
                    "Type": "AWS::IoT::Policy",
                    "Properties": {"PolicyDocument": device_policy(account, region)},
                },
            },
        }
    )


@dataclass(frozen=True)
class Maker:
    """Makes devices of one CA, as PEM files in ``folder``."""

    ca: CA
    folder: Path

    def device(self, name: str, *, chain: bool = False, **validity: Any) -> Device:
        key = ec_key()
        subject = Name(
            [
                NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
                NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        certificate = self.ca.issue(subject, key, **validity)
        pem = certificate.public_bytes(Encoding.PEM)
        stem = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        certificate_file, key_file = stem.with_suffix(".pem"), stem.with_suffix(".key")
        certificate_file.write_bytes(pem + (self.ca.pem.encode() if chain else b""))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Device(certificate_file, key_file, name)


def id_of(device: Device) -> str:
    from cryptography import x509

    pem = Path(device.certificate).read_bytes()
    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex()


def endpoint(aws: Clients, account: str = ONE, region: str = REGION) -> str:
    answer = aws.iot(account, region).describe_endpoint(endpointType="iot:Data-ATS")
    return str(answer["endpointAddress"])


def provisioning_role(aws: Clients, account: str, name: str = "jitp") -> str:
    arn = aws.role(account, name)
    aws.iam(account).attach_role_policy(RoleName=name, PolicyArn=THINGS_REGISTRATION)
    return arn


def jitp(
    aws: Clients, account: str, region: str = REGION, body: str | None = None
) -> dict[str, str]:
    """A registrationConfig that provisions, in an account that hadn't one."""
    aws.iot(account, region).create_provisioning_template(
        templateName="fleet",
        templateBody=body or template_body(account, region),
        provisioningRoleArn=provisioning_role(aws, account, f"jitp-{region}"),
        enabled=True,
        type="JITP",
    )
    return {"templateName": "fleet"}


def register(
    aws: Clients,
    ca: CA,
    account: str = ONE,
    mode: str = "SNI_ONLY",
    *,
    region: str = REGION,
    **changed: Any,
) -> None:
    """Registers a CA, ACTIVE and registering devices unless ``changed`` says otherwise."""
    iot = aws.iot(account, region)
    members: dict[str, Any] = {
        "caCertificate": ca.pem,
        "certificateMode": mode,
        "setAsActive": True,
        "allowAutoRegistration": True,
        **changed,
    }
    if mode == "DEFAULT":
        code = iot.get_registration_code()["registrationCode"]
        members["verificationCertificate"] = ca.verification(code)
    iot.register_ca_certificate(**members)


def package(source: str) -> bytes:
    """A Lambda function's zip with ``source`` as its module ``app``."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("app.py", source)
    return data.getvalue()


def function(
    aws: Clients,
    source: str,
    account: str = ONE,
    *,
    name: str = "jitr",
    may: tuple[dict[str, Any], ...] = (),
    **changed: Any,
) -> str:
    """The ARN of a new Python function whose role may do what ``may`` says."""
    iam = aws.iam(account)
    role = aws.role(account, f"role-of-{name}", trust("lambda.amazonaws.com"))
    if may:
        iam.put_role_policy(
            RoleName=f"role-of-{name}", PolicyName="may", PolicyDocument=policy(*may)
        )
    made = aws.kept("lambda", account, REGION).create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": package(source)},
        **changed,
    )
    return str(made["FunctionArn"])


def rule(
    aws: Clients, topic: str, function_arn: str, account: str = ONE, *, let_in: bool = True,
    sql: str | None = None, **changed: Any,
) -> None:  # fmt: skip
    """A topic rule that calls the function."""
    aws.iot(account).create_topic_rule(
        ruleName="registered",
        topicRulePayload={
            "sql": sql or f"SELECT * FROM '{topic}'",
            "actions": [{"lambda": {"functionArn": function_arn}}],
            "awsIotSqlVersion": "2016-03-23",
            **changed,
        },
    )
    if let_in:
        aws.kept("lambda", account, REGION).add_permission(
            FunctionName=function_arn,
            StatementId="rule",
            Action="lambda:InvokeFunction",
            Principal="iot.amazonaws.com",
            SourceArn=f"arn:aws:iot:{REGION}:{account}:rule/registered",
        )
