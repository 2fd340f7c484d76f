"""modules/jitr by itself: a real Terraform, the real aws provider, the package it makes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.clients import client_for
from tests.e2e.support import Account, new_ca
from tools.checkout import ROOT
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

MODULE = ROOT / "modules" / "jitr"
SOURCE = {
    path.name: path.read_text(encoding="utf-8") for path in sorted(MODULE.glob("function/*.py"))
}

# The CA comes out of a resource: a first plan does not know it. Two names that a rule's name
# cannot tell apart, and two regions.
CONFIGURATION = """
variable "ca" {}

provider "aws" {}

provider "aws" {
  alias  = "other"
  region = "us-west-2"
}

resource "terraform_data" "lookup" {
  for_each = toset(["eu-west-1", "us-west-2"])
  input = {
    id   = var.ca.id
    arn  = "arn:aws:iot:${each.key}:${var.ca.account}:cacert/${var.ca.id}"
    mode = "SNI_ONLY"
  }
}

module "hyphen" {
  source           = "./with spaces/jitr"
  name             = "root-1"
  certificate_id   = terraform_data.lookup["eu-west-1"].output.id
  certificate_arn  = terraform_data.lookup["eu-west-1"].output.arn
  certificate_mode = terraform_data.lookup["eu-west-1"].output.mode
}

module "underscore" {
  source           = "./with spaces/jitr"
  name             = "root_1"
  certificate_id   = "2e2b"
  certificate_arn  = "arn:aws:iot:eu-west-1:${var.ca.account}:cacert/2e2b"
  certificate_mode = "SNI_ONLY"
}

module "other_region" {
  source           = "./with spaces/jitr"
  providers        = { aws = aws.other }
  name             = "root-1"
  certificate_id   = terraform_data.lookup["us-west-2"].output.id
  certificate_arn  = terraform_data.lookup["us-west-2"].output.arn
  certificate_mode = terraform_data.lookup["us-west-2"].output.mode
}

output "hyphen" { value = module.hyphen }
output "underscore" { value = module.underscore }
output "other_region" { value = module.other_region }
"""


def source_hash(source: dict[str, str]) -> str:
    """What Terraform's base64sha256(jsonencode(...)) must be, computed without it."""
    text = json.dumps(source, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def everything_below(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_hash_is_the_same_on_every_machine(
    engine: Engine, providers: Providers, tmp_path: Path
) -> None:
    """Of another checkout: other modes and times, other line ends, and what is left lying about."""
    copy = tmp_path / "jitr"
    shutil.copytree(MODULE, copy)
    for number, path in enumerate(sorted(copy.glob("function/*.py"))):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        path.chmod(0o600 if number % 2 else 0o755)
        os.utime(path, (number, 10**9 + number))
    (copy / "function" / "__pycache__").mkdir(exist_ok=True)
    (copy / "function" / "__pycache__" / "event.cpython-312.pyc").write_bytes(b"\0")
    (copy / "function" / "event.py.orig").write_text("left over", encoding="utf-8")
    terraform = Terraform(copy, engine, environment(providers))
    terraform.init()
    values = {
        "name": "a",
        "certificate_id": "1f1a",
        "certificate_arn": "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a",
        "certificate_mode": "SNI_ONLY",
    }
    answer = subprocess.run(
        [*engine.argv, "console", *(f"-var={name}={value}" for name, value in values.items())],
        cwd=copy,
        env=dict(terraform.environment),
        input="local.source_hash\n",
        capture_output=True,
        text=True,
        check=True,
        umask=0o077,
    )
    assert json.loads(answer.stdout) == source_hash(SOURCE)


@pytest.mark.one_engine("its own test shows that both engines make the same package")
def test_from_the_module_to_a_device_that_works(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    terraform = new_workspace(account, "a workspace")
    copy = terraform.folder / "with spaces" / "jitr"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns("__pycache__", ".terraform*"))
    module_before = everything_below(copy)
    ca = new_ca()
    terraform.write(CONFIGURATION)
    values = {"ca": {"id": ca.id, "account": account}}
    terraform.write(json.dumps(values), "terraform.tfvars.json")
    terraform.init()
    packages = terraform.folder / ".terraform" / "iot-ca"

    # A device that has come before there was a rule.
    there = Account(sandbox, account, region)
    there.register(ca)
    device = there.meet(ca, "device-1", terraform.folder)

    # A plan from one machine, applied on another: whatever planning has written is gone.
    terraform.plan("-out=saved")
    shutil.rmtree(packages, ignore_errors=True)
    terraform.apply("saved")

    outputs = terraform.output()
    assert everything_below(copy) == module_before
    names = {outputs[module]["rule_name"] for module in ("hyphen", "underscore")}
    assert len(names) == 2
    assert outputs["hyphen"]["rule_name"] == outputs["other_region"]["rule_name"]
    assert len({outputs[module]["role_arn"] for module in outputs}) == 3
    assert {outputs[module]["source_code_hash"] for module in outputs} == {source_hash(SOURCE)}
    check_order(sandbox, account, region)
    check_wiring(sandbox, account, region, outputs["hyphen"], ca.id)

    # The package, as Lambda runs it.
    deployed = client_for(sandbox, account, region, "lambda").get_function(
        FunctionName=outputs["hyphen"]["function_name"]
    )["Configuration"]
    package = package_of(terraform, deployed["CodeSha256"])
    with zipfile.ZipFile(package) as archive:
        packed = {entry: archive.read(entry).decode() for entry in archive.namelist()}
        archive.extractall(terraform.folder / "unpacked")
    assert packed == {f"jitr/{name}": text for name, text in SOURCE.items()}
    event = {"certificateId": device.id, "caCertificateId": ca.id, "awsAccountId": account}
    settings = {
        **sandbox.environment(account, region),
        **deployed["Environment"]["Variables"],
    }
    for outcome in ("activated", "completed"):
        assert invoke(deployed["Handler"], event, terraform.folder / "unpacked", settings) == {
            "requestId": None,
            "certificateId": device.id,
            "outcome": outcome,
            "status": "ACTIVE",
            "thingName": "device-1",
        }
    arn = f"arn:aws:iot:{region}:{account}:cert/{device.id}"
    policies = there.iot.list_attached_policies(target=arn)["policies"]
    assert [policy["policyName"] for policy in policies] == [outputs["hyphen"]["policy_name"]]
    assert there.iot.describe_thing(thingName="device-1")["attributes"] == {
        "ca_certificate_id": ca.id,
        "ca_certificate_mode": "SNI_ONLY",
    }

    # No change without a change in the source.
    for path in copy.glob("function/*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    assert terraform.plan().status == 0

    # A change in the source is one, and applied without what planning has written. If it can't be
    # uploaded, no later plan of the aws provider says so: README has the way out.
    with (copy / "function" / "event.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    terraform.plan("-out=saved")
    shutil.rmtree(packages)
    sandbox.fault(
        "error",
        operation="UpdateFunctionCode",
        account=account,
        times=None,
        code="AccessDeniedException",
        status=403,
    )
    assert terraform.apply("saved", check=False).status == 1
    sandbox.forget_faults()
    terraform.apply(*(f"-replace=module.{each}.terraform_data.source" for each in outputs))
    assert terraform.plan().status == 0
    changed = client_for(sandbox, account, region, "lambda").get_function(
        FunctionName=outputs["hyphen"]["function_name"]
    )["Configuration"]
    with zipfile.ZipFile(package_of(terraform, changed["CodeSha256"])) as archive:
        assert archive.read("jitr/event.py").endswith(b"# changed\n")

    # A policy that devices have cannot be deleted: README says what to do first.
    there.iot.detach_policy(policyName=outputs["hyphen"]["policy_name"], target=arn)
    terraform.destroy()
    for where in (region, "us-west-2"):
        assert client_for(sandbox, account, where, "lambda").list_functions()["Functions"] == []
        assert client_for(sandbox, account, where, "sqs").list_queues().get("QueueUrls", []) == []
        assert client_for(sandbox, account, where, "iot").list_topic_rules()["rules"] == []
        assert client_for(sandbox, account, where, "iot").list_policies()["policies"] == []
        logs = client_for(sandbox, account, where, "logs")
        assert logs.describe_log_groups()["logGroups"] == []
        alarms = client_for(sandbox, account, where, "cloudwatch").describe_alarms()
        assert alarms["MetricAlarms"] == []
    assert there.iam.list_roles()["Roles"] == []
    # The device stays as it is.
    described = there.iot.describe_certificate(certificateId=device.id)
    assert described["certificateDescription"]["status"] == "ACTIVE"


ONE = """
variable "ca" {}

provider "aws" {}

module "jitr" {
  source           = "./jitr"
  name             = "fleet"
  certificate_id   = var.ca.id
  certificate_arn  = "arn:aws:iot:eu-west-1:${var.ca.account}:cacert/${var.ca.id}"
  certificate_mode = "SNI_ONLY"
}

output "jitr" { value = module.jitr }
"""
# With the function goes who may call it, and where its failures are kept. The rule is told its ARN
# again, which is the same.
FUNCTION_GONE = {
    "module.jitr.aws_iot_topic_rule.registered": ("update",),
    "module.jitr.aws_lambda_function.function": ("create",),
    "module.jitr.aws_lambda_function_event_invoke_config.function": ("create",),
    "module.jitr.aws_lambda_permission.rule": ("create",),
}


def saved_plan(terraform: Terraform, *arguments: str) -> dict[str, tuple[str, ...]]:
    """Plan into the file `saved`; the actions that are in it, by address."""
    terraform.plan("-out=saved", *arguments)
    changes = terraform.show_json("saved")["resource_changes"]
    actions = {change["address"]: tuple(change["change"]["actions"]) for change in changes}
    return {address: each for address, each in actions.items() if each[0] not in ("no-op", "read")}


@pytest.mark.one_engine("when a data source is read is tested with both, in modules/lookup")
def test_a_function_that_is_gone_comes_back_whole(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    ca = new_ca()
    shutil.copytree(MODULE, workspace.folder / "jitr", ignore=shutil.ignore_patterns(".terraform*"))
    workspace.write(ONE)
    workspace.write(json.dumps({"ca": {"id": ca.id, "account": account}}), "terraform.tfvars.json")
    workspace.init()
    workspace.apply()
    made = workspace.output()["jitr"]
    packages = workspace.folder / ".terraform" / "iot-ca"
    functions = client_for(sandbox, account, region, "lambda")

    def delete() -> None:
        functions.delete_function(FunctionName=made["function_name"])

    # The source is the same, so the package is written by the plan. Another machine has none of it.
    delete()
    assert saved_plan(workspace) == FUNCTION_GONE
    kept = {path.name: path.read_bytes() for path in packages.iterdir()}
    shutil.rmtree(packages)
    failed = workspace.apply("saved", check=False)

    assert failed.status == 1
    said = " ".join(failed.output.split())
    package = r"\.terraform/iot-ca/iot-jitr-fleet-\S+\.zip"
    assert re.search(rf"Error: reading ZIP file \({package}\)", said), said
    assert "no such file or directory" in said
    # Nothing else is lost, and the next plan is the same.
    assert saved_plan(workspace) == FUNCTION_GONE

    # With the folder, as another run has packed it.
    for name, content in kept.items():
        (packages / name).write_bytes(content)
    workspace.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)

    # Or without it, by a plan that has it packed anew when it is applied. What belongs to the
    # function goes with it where it is replaced, too, and is back at once.
    replacements = ("terraform_data.source", "aws_lambda_function.function")
    saved_plan(workspace, *(f"-replace=module.jitr.{each}" for each in replacements))
    shutil.rmtree(packages)
    workspace.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)
    assert workspace.plan().status == 0


def check_order(sandbox: Sandbox, account: str, region: str) -> None:
    """No event reaches the function before it may do its work and failures have a place."""
    writes = [
        (call.operation, call.parameters)
        for call in sandbox.calls(account=account, region=region, write=True)
    ]

    def position(operation: str, named: str) -> int:
        return next(
            place
            for place, (each, parameters) in enumerate(writes)
            if each == operation and named in parameters.values()
        )

    rule = position("CreateTopicRule", "iot_jitr_root_1_" + digest("root-1"))
    function = "iot-jitr-root-1"
    assert position("CreateFunction", function) < rule
    assert position("PutFunctionEventInvokeConfig", function) < rule
    # IAM has no region.
    roles = [call.operation for call in sandbox.calls(service="iam", account=account, write=True)]
    assert roles.count("PutRolePolicy") == 6


def digest(name: str) -> str:
    """What keeps two rules apart."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def check_wiring(
    sandbox: Sandbox, account: str, region: str, outputs: dict[str, Any], ca_id: str
) -> None:
    """From the event to the function, and from failures to the queue, as AWS has it."""
    rule = client_for(sandbox, account, region, "iot").get_topic_rule(ruleName=outputs["rule_name"])
    assert rule["rule"]["sql"] == f"SELECT * FROM '$aws/events/certificates/registered/{ca_id}'"
    assert rule["rule"]["actions"] == [{"lambda": {"functionArn": outputs["function_arn"]}}]
    assert rule["rule"]["errorAction"]["sqs"]["queueUrl"] == outputs["dead_letter_queue_url"]
    lambda_ = client_for(sandbox, account, region, "lambda")
    policy = json.loads(lambda_.get_policy(FunctionName=outputs["function_name"])["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"AWS:SourceArn": outputs["rule_arn"]},
        "StringEquals": {"AWS:SourceAccount": account},
    }
    invocation = lambda_.get_function_event_invoke_config(FunctionName=outputs["function_name"])
    assert invocation["DestinationConfig"]["OnFailure"] == {
        "Destination": outputs["dead_letter_queue_arn"]
    }
    alarms = client_for(sandbox, account, region, "cloudwatch").describe_alarms()["MetricAlarms"]
    assert set(outputs["alarm_arns"]) <= {alarm["AlarmArn"] for alarm in alarms}


def package_of(terraform: Terraform, code_sha256: str) -> Path:
    """The package with the hash that Lambda tells of the uploaded one."""
    for path in (terraform.folder / ".terraform" / "iot-ca").glob("*.zip"):
        if base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode() == code_sha256:
            return path
    raise AssertionError("what Lambda has is no package that Terraform has written")


def invoke(
    handler: str, event: dict[str, Any], folder: Path, settings: dict[str, str]
) -> dict[str, Any]:
    """What the packaged function answers, in a process of its own as in Lambda."""
    module, _, function = handler.rpartition(".")
    script = (
        "import importlib, json, sys\n"
        f"handler = importlib.import_module({module!r}).{function}\n"
        "print(json.dumps(handler(json.load(sys.stdin), None)))"
    )
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "JITR_", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**clean, **settings},
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    logged, answer = map(json.loads, done.stdout.splitlines())
    assert logged == {"level": "INFO", **answer}
    return dict(answer)
