"""What the end-to-end tests share: CAs, accounts, root modules, and what a Terraform run did.

stack = Stack(workspace, sandbox, account, region)
stack.want({"root": {"certificate_pem": new_ca("Root").pem}})
stack.apply()
assert stack.plan().status == 0
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sandbox.control import Call, Sandbox
from tests.clients import client_for
from tools.device import Device
from tools.engine.terraform import Completed, Terraform

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iot import IoTClient

PROGRAM = "terraform-aws-iot-ca"  # in the user agent of every call that the program makes
REVISION = "iot-ca:revision"
ORIGIN = "iot-ca:origin"
OWNER = "iot-ca:owner"
OWN_TAGS = "iot-ca:"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Configuration = Mapping[str, Mapping[str, Any]]


# --- certificates


@dataclass(frozen=True)
class CA:
    """A certificate authority that a test has made."""

    pem: str
    key: Key = field(repr=False)
    certificate: x509.Certificate = field(repr=False)

    @property
    def id(self) -> str:
        """What AWS IoT shall call it: SHA-256 of the DER."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def key_file(self, folder: Path, name: str = "ca.key") -> str:
        """The path of a file with the private key."""
        return write_key(self.key, folder / name)


def new_ca(
    common_name: str = "Root",
    *,
    key: Key | None = None,
    valid_from: timedelta = timedelta(hours=-1),
    valid_for: timedelta = timedelta(days=365),
    is_ca: bool = True,
) -> CA:
    """A self-signed CA on P-256, or on `key`; no two have the same ID."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return _signed(name, name, key, key, valid_from, valid_for, is_ca)


def issue(ca: CA, common_name: str) -> CA:
    """A leaf certificate (in the same wrapping) that `ca` has signed."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = ca.certificate.subject
    return _signed(name, issuer, key, ca.key, timedelta(minutes=-5), timedelta(days=1), False)


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    issuer_key: Key,
    valid_from: timedelta,
    valid_for: timedelta,
    is_ca: bool,
) -> CA:
    start = datetime.now(timezone.utc) + valid_from
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + valid_for)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return CA(pem, key, certificate)


def write_key(key: Key, path: Path) -> str:
    """Write `key` as PKCS#8 PEM; returns the path as text."""
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def openssl(*arguments: str, folder: Path) -> None:
    """Run `openssl ARGUMENTS` in `folder`."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


# --- accounts


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
        found = self.look(certificate_id)
        assert found is not None, f"{certificate_id} is not registered in {self.number}"
        return found

    def register(self, ca: CA, **settings: Any) -> None:
        """Register a CA by hand, SNI_ONLY, ACTIVE and with auto-registration unless told."""
        usual = {
            "certificateMode": "SNI_ONLY",
            "setAsActive": True,
            "allowAutoRegistration": True,
        }
        self.iot.register_ca_certificate(caCertificate=ca.pem, **{**usual, **settings})

    def meet(self, ca: CA, name: str, folder: Path) -> CA:
        """A device of a registered CA comes for the first time; its certificate.

        AWS IoT registers that, and where nobody answers its event it stays PENDING_ACTIVATION.
        """
        leaf = issue(ca, name)
        certificate = folder / f"{name}.pem"
        certificate.write_text(leaf.pem, encoding="utf-8")
        device = Device(certificate, leaf.key_file(folder, f"{name}.key"), name)
        host = self.iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        device.visit(self.sandbox.devices(self.region), host, attempts=1)
        return leaf

    def register_default(self, ca: CA) -> None:
        """Register a CA by hand in DEFAULT mode."""
        code = self.iot.get_registration_code()["registrationCode"]
        proof = issue(ca, code).pem
        self.register(ca, certificateMode="DEFAULT", verificationCertificate=proof)

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


# --- Terraform


def registration(name: str, module: str = "ca") -> str:
    """Address of what registers and repairs a CA."""
    return f'module.{module}.module.registration.terraform_data.registration["{name}"]'


def deregistration(name: str, module: str = "ca") -> str:
    """Address of what takes a CA out."""
    return f'module.{module}.module.registration.terraform_data.deregistration["{name}"]'


def records(name: str, action: str, module: str = "ca") -> dict[str, str]:
    """The same planned action for all records of a CA."""
    addresses = [
        f'module.{module}.module.identity.terraform_data.identity["{name}"]',
        f'module.{module}.module.registration.terraform_data.first_revision["{name}"]',
        registration(name, module),
        deregistration(name, module),
    ]
    return dict.fromkeys(addresses, action)


def guards(action: str, module: str = "ca") -> dict[str, str]:
    """The same planned action for what refuses another account or certificate, for all CAs."""
    addresses = [
        f"module.{module}.module.identity.terraform_data.guard",
        f"module.{module}.module.registration.terraform_data.certificate_guard",
    ]
    return dict.fromkeys(addresses, action)


def template(name: str) -> str:
    """Address of a CA's provisioning template."""
    return f'module.ca.module.jitp["{name}"].aws_iot_provisioning_template.provisioning'


@dataclass(frozen=True)
class Outcome:
    """What one Terraform command said and did.

    Attributes:
        status: its exit status; with -detailed-exitcode 0 nothing to do, 2 changes.
        changes: the planned action by address.
        warnings, errors: the lines of its diagnostics.
        outputs: the root module's outputs after an apply.
        calls: the AWS calls that came in while it ran, in order.
    """

    completed: Completed
    changes: Mapping[str, str]
    warnings: Sequence[str]
    errors: Sequence[str]
    outputs: Mapping[str, Any]
    calls: Sequence[Call]

    @property
    def status(self) -> int:
        """The exit status."""
        return self.completed.status

    @property
    def text(self) -> str:
        """Everything it wrote."""
        return self.completed.stdout + self.completed.stderr

    @property
    def writes(self) -> list[str]:
        """The operations that can change something."""
        return [call.operation for call in self.calls if call.write]

    def calls_about(self, certificate_id: str, *, write: bool | None = None) -> list[str]:
        """The operations that named a CA certificate, by ID or ARN."""
        return [
            call.operation
            for call in self.calls
            if write in (None, call.write)
            and (
                call.parameters.get("certificateId") == certificate_id
                or call.parameters.get("resourceArn", "").endswith(certificate_id)
            )
        ]

    def position(self, operation: str, **parameters: str) -> int:
        """Where in the calls the first successful one with these parameters is."""
        for index, call in enumerate(self.calls):
            if (
                call.operation == operation
                and call.error is None
                and parameters.items() <= call.parameters.items()
            ):
                return index
        raise AssertionError(f"no {operation} {parameters} in {self.calls}")

    def warning(self, name: str) -> list[str]:
        """The lines of warnings about one CA."""
        return [line for line in self.warnings if line.startswith(f"{name} (")]

    def error(self, name: str) -> str:
        """The one line of errors about a CA; CAs with the same trouble may share it."""
        about = [
            line
            for line in self.errors
            if "iot_ca: " in line
            and name in line.partition("iot_ca: ")[2].partition(" (account")[0].split(", ")
        ]
        assert len(about) == 1, (name, self.errors)
        return about[0]


class Stack:
    """A root module that calls this module as `module.ca`, for one account and region."""

    def __init__(
        self,
        terraform: Terraform,
        sandbox: Sandbox,
        account: str,
        region: str,
        *,
        provider: str = "",
        authorities: str = "var.certificate_authorities",
        arguments: str = "",
        extra: str = "",
        source: str | None = None,
        output: str = "module.ca.certificate_authorities",
    ) -> None:
        """Write the configuration, and initialise.

        `provider` goes into the aws provider's block, `arguments` into the module's, `extra`
        beside both; `authorities` is the map of CAs where it is not what `want` sets.
        """
        self.terraform = terraform
        self.sandbox = sandbox
        self.account = Account(sandbox, account, region)
        self.want({})
        terraform.write(
            f"""
variable "certificate_authorities" {{
  type = any
}}

provider "aws" {{
  {provider}
}}

module "ca" {{
  source = "{source or terraform.source()}"

  certificate_authorities = {authorities}
  {arguments}
}}

output "certificate_authorities" {{
  value = {output}
}}

{extra}
"""
        )
        terraform.init()

    def want(self, authorities: Configuration) -> None:
        """Set the map of CAs."""
        values = {"certificate_authorities": authorities}
        self.terraform.write(json.dumps(values, indent=2), "terraform.tfvars.json")

    def plan(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Plan; status 0 or 2, or 1 where it is said to fail. `env` goes over the environment."""
        return self.run("plan", "-detailed-exitcode", *arguments, expected=_plan(fails), env=env)

    def apply(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Apply; succeeds unless it is said to fail."""
        return self.run("apply", "-auto-approve", *arguments, expected={int(fails)}, env=env)

    def destroy(
        self, *arguments: str, fails: bool = False, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Destroy; succeeds unless it is said to fail."""
        return self.run("destroy", "-auto-approve", *arguments, expected={int(fails)}, env=env)

    def run(
        self,
        command: str,
        *arguments: str,
        expected: set[int],
        env: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Run a command with -json, and collect what it said and which calls it made."""
        self.sandbox.forget_calls()
        completed = self.terraform.run(command, "-json", *arguments, check=False, env=env)
        outcome = read_outcome(completed, self.sandbox.calls())
        assert outcome.status in expected, "\n".join(
            [f"{command} ended with {outcome.status}", *outcome.errors, completed.stderr]
        )
        # Listing all CAs would be slow and would need a permission that is not asked for.
        assert "ListCACertificates" not in [call.operation for call in outcome.calls]
        return outcome


def _plan(fails: bool) -> set[int]:
    return {1} if fails else {0, 2}


def read_outcome(completed: Completed, calls: Sequence[Call]) -> Outcome:
    """What a command with -json said, one JSON document on each line."""
    changes: dict[str, str] = {}
    warnings: list[str] = []
    errors: list[str] = []
    outputs: dict[str, Any] = {}
    for line in completed.stdout.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        match message.get("type"):
            case "planned_change":
                change = message["change"]
                changes[change["resource"]["addr"]] = change["action"]
            case "diagnostic":
                diagnostic = message["diagnostic"]
                text = f"{diagnostic['summary']}\n{diagnostic['detail']}"
                lines = [line.strip() for line in text.splitlines() if line.strip()]
                (errors if diagnostic["severity"] == "error" else warnings).extend(lines)
            case "outputs":
                found = message["outputs"]
                outputs = {name: each.get("value") for name, each in found.items()}
    changes = {k: v for k, v in changes.items() if v not in ("noop", "read")}
    return Outcome(completed, changes, warnings, errors, outputs, calls)


# --- the network between Terraform and AWS


@dataclass
class Exchange:
    """A request on the wire and what was answered."""

    request: bytes = b""
    answer: bytes = b""


@contextlib.contextmanager
def wiretap(endpoint: str) -> Iterator[tuple[str, list[Exchange]]]:
    """An endpoint in front of `endpoint`, and everything that went through it, as it comes."""
    target = urlsplit(endpoint)
    heard: list[Exchange] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def forward(source: socket.socket, sink: socket.socket, on: list[Exchange], up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not up:
                    on[-1].answer += data
                elif on and not on[-1].answer:
                    on[-1].request += data
                else:
                    # HTTP/1.1 without pipelining: what follows an answer is the next request.
                    on.append(Exchange(data))
                    heard.append(on[-1])
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            for _ in itertools.count():
                client, _address = listener.accept()
                server = socket.create_connection((target.hostname or "", target.port or 0))
                on: list[Exchange] = []
                for ends in ((client, server, on, True), (server, client, on, False)):
                    threading.Thread(target=forward, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.close()


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of loopback where nobody listens, and nobody else can meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])
