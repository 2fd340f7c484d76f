"""One account of the sandbox with a CA, a device of it, and the program that diagnoses it."""

from __future__ import annotations

import functools
import io
import json
import shlex
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from iot_ca import cli as program
from iot_ca.aws import session
from sandbox.control import Listener, Sandbox
from tests.support.certificates import CA, Key, ec_key, issue, key_pem, new_ca, pem, x509_name
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION, Clients
from tools.device import Device, Visit

THING = "sensor-1"
POLICY = "devices"
_new_loader = session._loader
RULE_TOPIC = "$aws/events/certificates/registered/"

# Activates the certificate and attaches the policy, without an SDK: that would take longest.
FUNCTION = """
import json, os, urllib.request

def call(method, path, body=None):
    request = urllib.request.Request(
        os.environ["AWS_ENDPOINT_URL"] + path, json.dumps(body or {}).encode(), method=method,
        headers={
            "Content-Type": "application/json",
            "X-Amz-Security-Token": os.environ["AWS_SESSION_TOKEN"],
            "Authorization": "AWS4-HMAC-SHA256 Credential=%s/20260101/%s/iot/aws4_request, "
            "SignedHeaders=host, Signature=0"
            % (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_REGION"]),
        })
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).read()

def handler(event, context):
    arn = "arn:aws:iot:%s:%s:cert/%s" % (
        os.environ["AWS_REGION"], event["awsAccountId"], event["certificateId"])
    call("PUT", "/target-policies/" + os.environ["JITR_POLICY_NAME"], {"target": arn})
    call("PUT", "/certificates/%s?newStatus=ACTIVE" % event["certificateId"])
"""


@dataclass
class Scene:
    """What a test breaks, what the device meets, and what the program says of it."""

    sandbox: Sandbox
    aws: Clients
    listener: Listener
    folder: Path
    account: str
    monkeypatch: pytest.MonkeyPatch
    ca: CA = field(default_factory=lambda: new_ca("Fleet CA"))
    device: Device = field(init=False)
    server_name: str | None = field(init=False)
    options: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Reading botocore's models takes longest of a run, so all runs share a loader.
        self.monkeypatch.setattr(session, "_loader", lambda _: _loader())
        for variable in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "IOT_CA_DEBUG"):
            self.monkeypatch.delenv(variable, raising=False)
        for key, value in self.sandbox.environment(self.account, REGION).items():
            self.monkeypatch.setenv(key, value)
        self.server_name = fleet.endpoint(self.aws, self.account)
        self.reissue()

    # --- the device

    def reissue(
        self,
        common_name: str | None = THING,
        *,
        ca: CA | None = None,
        client_id: str = THING,
        key: Key | None = None,
        sends: tuple[CA, ...] = (),
        organization: str = "Example",
        **settings: Any,
    ) -> None:
        """Give the device a new certificate, with those of `sends` behind it."""
        signer, key = ca or self.ca, key or ec_key()
        subject = settings.pop("subject", None) or x509_name(
            common_name, ORGANIZATION_NAME=organization
        )
        certificate = issue(
            signer.key,
            subject=subject,
            subject_key=key,
            issuer=signer.certificate,
            **{"is_ca": None, **settings},
        )
        stem = self.folder / f"device-{len(list(self.folder.iterdir()))}"
        pem_file, key_file = stem.with_suffix(".pem"), stem.with_suffix(".key")
        pem_file.write_text(
            pem(certificate) + "".join(sent.pem for sent in sends), encoding="ascii"
        )
        key_file.write_text(key_pem(key), encoding="ascii")
        self.device = Device(pem_file, key_file, client_id)

    def send_chain(self, *cas: CA) -> None:
        """Have the device send CA certificates behind its own."""
        path = Path(self.device.certificate)
        path.write_text(path.read_text() + "".join(ca.pem for ca in cas), encoding="ascii")

    @property
    def device_id(self) -> str:
        """The ID of the device's certificate."""
        return fleet.id_of(self.device)

    @property
    def device_arn(self) -> str:
        """The ARN of the device's certificate here."""
        return f"arn:aws:iot:{REGION}:{self.account}:cert/{self.device_id}"

    def visit(self) -> Visit:
        """Let the device connect, twice if need be; functions end in between."""
        visit = self.device.visit(self.listener, self.server_name, attempts=1)
        if not visit.accepted:
            self.sandbox.settle()
            visit = self.device.visit(self.listener, self.server_name, attempts=1)
        return visit

    def why(self) -> str:
        """Why the device's last connection ended, as the sandbox knows it."""
        events = self.sandbox.device_log(kind="connection", certificate_id=self.device_id)
        return "; ".join(str(event.reason) for event in events[-2:])

    # --- the account

    @property
    def iot(self) -> Any:
        return self.aws.iot(self.account)

    @property
    def iam(self) -> Any:
        return self.aws.iam(self.account)

    @property
    def functions(self) -> Any:
        return self.aws.kept("lambda", self.account, REGION)

    def jitp(self, mode: str = "SNI_ONLY", body: str | None = None, **changed: Any) -> None:
        """Register the CA with a template that provisions its devices."""
        config = fleet.jitp(self.aws, self.account, body=body or self.template())
        fleet.register(self.aws, self.ca, self.account, mode, registrationConfig=config, **changed)

    def template(self, **changes: Any) -> str:
        """The body of the usual template; `changes` are made in its parts by their names."""
        overrides = {"AttributePayload": "MERGE"}
        document = json.loads(fleet.template_body(self.account, OverrideSettings=overrides))
        for part, properties in changes.items():
            if part == "Parameters":
                document["Parameters"] |= properties
            elif part == "OverrideSettings":
                document["Resources"]["thing"]["OverrideSettings"] = properties
            else:
                document["Resources"][part]["Properties"] |= properties
        return json.dumps(document)

    def jitr(self, mode: str = "SNI_ONLY", source: str = FUNCTION, **changed: Any) -> None:
        """Register the CA, with a rule and a function that activate its devices."""
        self.create_function(source)
        self.create_rule()
        fleet.register(self.aws, self.ca, self.account, mode, **changed)

    def create_policy(self, *statements: dict[str, Any]) -> None:
        """Create the policy that the function attaches."""
        document = fleet.policy(*(statements or (fleet.MAY_ALL,)))
        self.iot.create_policy(policyName=POLICY, policyDocument=document)

    def create_function(self, source: str = FUNCTION) -> str:
        """Create the function, like that of modules/jitr, with its role and the queue."""
        self.create_policy()
        queue = self.aws.kept("sqs", self.account, REGION).create_queue(QueueName="dead-letters")
        self.queue_url = queue["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{self.account}:dead-letters"
        may = [
            {
                "Effect": "Allow",
                "Action": ["iot:UpdateCertificate", "iot:AttachPolicy"],
                "Resource": f"arn:aws:iot:{REGION}:{self.account}:cert/*",
            },
            {"Effect": "Allow", "Action": ["sqs:SendMessage", "logs:*"], "Resource": "*"},
        ]
        function = fleet.function(
            self.aws,
            source,
            self.account,
            may=tuple(may),
            Environment={
                "Variables": {"JITR_CA_CERTIFICATE_ID": self.ca.id, "JITR_POLICY_NAME": POLICY}
            },
        )
        self.functions.put_function_event_invoke_config(
            FunctionName="jitr",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": arn}},
        )
        return function

    def create_rule(self, ca_id: str | None = None, **changed: Any) -> None:
        """Create the rule on events of a CA, with its permission to call the function."""
        arn = f"arn:aws:lambda:{REGION}:{self.account}:function:jitr"
        fleet.rule(self.aws, RULE_TOPIC + (ca_id or self.ca.id), arn, self.account, **changed)

    # --- the program

    def diagnose(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """Run `diagnose --json` here; return its exit status and what it says."""
        command = ["diagnose", "--json", "--certificate", str(self.device.certificate)]
        command += ["--client-id", self.device.client_id, *self.options]
        command += [] if self.server_name else ["--no-sni"]
        command += list(arguments or ("--region", REGION))
        status, out = self.run(*command)
        return status, json.loads(out)

    def run(self, *command: str) -> tuple[int, str]:
        """Run the program here; return its exit status and what it prints."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = program.run(command)
        assert not err.getvalue(), err.getvalue()
        return status, out.getvalue()

    def cause(self) -> tuple[int, str, dict[str, Any]]:
        """Return exit status, verdict and the first check that is not ok, if there is one."""
        status, (diagnosis,) = self.diagnose()
        faults = [check for check in diagnosis["checks"] if check["ok"] is False]
        cause: dict[str, Any] = faults[0] if faults else {}
        return status, diagnosis["verdict"], cause


@functools.cache
def _loader() -> Any:
    return _new_loader(Session())


@functools.cache
def _aws_cli() -> Any:
    """The AWS CLI in this process: starting one for each command would take longest."""
    from awscli.clidriver import create_clidriver

    return create_clidriver()


def carry_out(remedy: str, account: str) -> None:
    """Run a remedy as it is printed: command lines of the AWS CLI, joined by `&&`."""
    commands: list[list[str]] = [[]]
    for word in shlex.split(remedy):
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    driver = _aws_cli()
    # What it has read from the environment of the test before.
    driver.session.set_credentials(account, "sandbox")
    for command in commands:
        assert command[0] == "aws", remedy
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = driver.main(command[1:])
        assert status == 0, (command, err.getvalue())
