"""What the tests of this folder need of AWS and of a CA's owner."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import Any

from sandbox.control import Sandbox
from tests.clients import client_for
from tools.engine.terraform import Terraform, unwrapped

REGION = "eu-west-1"

NewExample = Callable[[str, str], Terraform]

HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def make_ca(folder: Path, name: str = "root-ca", days: int = 3650) -> None:
    """Write NAME.pem and NAME.key, by the command that the examples' READMEs give."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days)]
    names = ("-subj", f"/CN=Example {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)


def make_device(folder: Path, ca: str, name: str) -> str:
    """The PEM of a device's certificate, signed by the CA that `make_ca` has written as CA.pem."""
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key")
    request = ["openssl", "req", "-new", *key, "-subj", f"/CN={name}", "-out", f"{name}.csr"]
    signer = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial")
    sign = ["openssl", "x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt"]
    for command in (request, [*sign, "-days", "30"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / f"{name}.crt").read_text(encoding="ascii")


def fingerprint(certificate: Path) -> str:
    """The SHA-256 of the certificate, as openssl says it, in the form of AWS IoT's IDs."""
    said = subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return said.strip().rpartition("=")[2].replace(":", "").lower()


def shell(terraform: Terraform, commands: str, env: Mapping[str, str] | None = None) -> str:
    """Run commands as they are typed, in a working folder; returns all that they say.

    The shell stops at the first failure, which fails the test. `env` goes over the environment.
    """
    done = subprocess.run(
        ["sh", "-ec", commands],
        cwd=terraform.folder,
        env={**terraform.environment, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Cloud:
    """One account and region of the sandbox, asked through boto3."""

    sandbox: Sandbox
    account: str
    region: str

    def client(self, service: str) -> Any:
        """A client that acts as the account's root user."""
        return client_for(self.sandbox, self.account, self.region, service)

    def ca(self, certificate_id: str) -> dict[str, Any]:
        """What DescribeCACertificate answers: the description, and the name of the template."""
        answer = self.client("iot").describe_ca_certificate(certificateId=certificate_id)
        template = answer.get("registrationConfig", {}).get("templateName")
        return {**answer["certificateDescription"], "templateName": template}

    def left(self) -> list[str]:
        """The CAs and provisioning templates that are there."""
        iot = self.client("iot")
        certificates = iot.list_ca_certificates()["certificates"]
        templates = iot.list_provisioning_templates()["templates"]
        return [
            *(certificate["certificateArn"] for certificate in certificates),
            *(template["templateArn"] for template in templates),
        ]


def as_output(found: dict[str, Any], cloud: Cloud) -> dict[str, Any]:
    """What the module's output should say of a CA, going by what AWS says of it."""
    name = found["templateName"]
    arn = f"arn:aws:iot:{cloud.region}:{cloud.account}:provisioningtemplate/{name}"
    return {
        "certificate_id": found["certificateId"],
        "certificate_arn": found["certificateArn"],
        "certificate_mode": found["certificateMode"],
        "status": found["status"],
        "auto_registration_status": found["autoRegistrationStatus"],
        "not_before": _rfc3339(found["validity"]["notBefore"]),
        "not_after": _rfc3339(found["validity"]["notAfter"]),
        "provisioning_template_name": name,
        "provisioning_template_arn": arn if name else None,
    }


def _rfc3339(moment: Any) -> str:
    # boto3 reads AWS's times into this machine's time zone.
    return str(moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


def blocks_below(document: str, heading: str, language: str) -> list[str]:
    """The fenced blocks of a language between a heading of a document and its next heading.

    ValueError for a heading that is not there exactly once.
    """
    # A comment in a block looks like a heading; offsets stay as they are.
    outside = FENCED.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), document)
    headings = list(HEADING.finditer(outside))
    (found,) = (each for each in headings if each[1] == heading)
    end = min((each.start() for each in headings if each.start() > found.start()), default=None)
    blocks = FENCED.findall(document[found.end() : end])
    return [text for tongue, text in blocks if tongue == language]


def run_as_typed(terraform: Terraform, commands: str) -> str:
    """Run a document's commands in a shell, as they stand; returns what they said.

    As `shell`, and `terraform` is the engine and applies without asking. The text comes without
    Terraform's line breaks.
    """
    settings = {
        "PATH": path_with(terraform),
        "TF_CLI_ARGS": "-no-color",
        "TF_CLI_ARGS_apply": "-auto-approve",
    }
    return unwrapped(shell(terraform, commands, settings))


def path_with(terraform: Terraform) -> str:
    """A PATH on which `terraform` is the engine."""
    programs = terraform.folder / ".programs"
    programs.mkdir(exist_ok=True)
    wrapper = programs / "terraform"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(terraform.engine.argv)} "$@"\n')
    wrapper.chmod(0o755)
    return os.pathsep.join([str(programs), terraform.environment["PATH"]])
