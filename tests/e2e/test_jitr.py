"""modules/jitr by itself: a real Terraform, the real aws provider, the function that it uploads."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.clients import client_for
from tools.checkout import ROOT
from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.function_zip import pack
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


def code_sha256(package: bytes) -> str:
    """Return the hash of a package, as Lambda and Terraform's filebase64sha256() give it."""
    return base64.b64encode(hashlib.sha256(package).digest()).decode()


PACKAGE = (MODULE / "function.zip").read_bytes()


def copy_modules(target: Path) -> Path:
    """Copy modules/jitr, the module that it calls and the program, as a checkout has them."""
    ignored = shutil.ignore_patterns("__pycache__", ".terraform*")
    for name in ("jitr", "_device_policy"):
        shutil.copytree(MODULE.parent / name, target / name, ignore=ignored)
    scripts = target.parent / "scripts"
    if not scripts.exists():
        shutil.copytree(MODULE.parents[1] / "scripts", scripts, ignore=ignored)
    return target / "jitr"


def change_function(module: Path) -> bytes:
    """Change the function as a new version of the module does; returns its new package."""
    with (module / "function" / "event.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    package = pack(module / "function")
    (module / "function.zip").write_bytes(package)
    return package


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
    """In another checkout: other modes and times, other line endings, and files left there."""
    copy = copy_modules(tmp_path / "modules")
    for number, path in enumerate([*sorted(copy.glob("function/*.py")), copy / "function.zip"]):
        if path.suffix == ".py":
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
        input="local.source_code_hash\n",
        capture_output=True,
        text=True,
        check=True,
        umask=0o077,
    )
    assert json.loads(answer.stdout) == code_sha256(PACKAGE)


@pytest.mark.one_engine("its own test shows that both engines read the same package")
def test_from_the_module_to_a_device_that_works(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    terraform = new_workspace(account, "a workspace")
    copy = copy_modules(terraform.folder / "with spaces")
    module_before = everything_below(copy)
    ca = new_ca()
    terraform.write(CONFIGURATION)
    values = {"ca": {"id": ca.id, "account": account}}
    terraform.write(json.dumps(values), "terraform.tfvars.json")
    terraform.init()

    # A device that has come before there was a rule.
    aws = Account(sandbox, account, region)
    aws.register(ca)
    device = aws.meet(ca, "device-1", terraform.folder)

    terraform.plan("-out=saved")
    terraform.apply("saved")

    outputs = terraform.output()
    assert everything_below(copy) == module_before
    names = {outputs[module]["rule_name"] for module in ("hyphen", "underscore")}
    assert len(names) == 2
    assert outputs["hyphen"]["rule_name"] == outputs["other_region"]["rule_name"]
    assert len({outputs[module]["role_arn"] for module in outputs}) == 3
    assert {outputs[module]["source_code_hash"] for module in outputs} == {code_sha256(PACKAGE)}
    check_order(sandbox, account, region)
    check_wiring(sandbox, account, region, outputs["hyphen"], ca.id)

    # The package, as Lambda runs it.
    functions = client_for(sandbox, account, region, "lambda")
    deployed = functions.get_function(FunctionName=outputs["hyphen"]["function_name"])[
        "Configuration"
    ]
    assert deployed["CodeSha256"] == code_sha256(PACKAGE)
    with zipfile.ZipFile(copy / "function.zip") as archive:
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
    policies = aws.iot.list_attached_policies(target=arn)["policies"]
    assert [policy["policyName"] for policy in policies] == [outputs["hyphen"]["policy_name"]]
    assert aws.iot.describe_thing(thingName="device-1")["attributes"] == {
        "ca_certificate_id": ca.id,
        "ca_certificate_mode": "SNI_ONLY",
    }

    # Times, modes and sources that are not packed don't count.
    for path in [*copy.glob("function/*.py"), copy / "function.zip"]:
        path.chmod(0o600)
        os.utime(path, (1, 1))
    assert terraform.plan().status == 0

    # A new package is a change. If it cannot be uploaded, version 5.100 of the aws provider plans
    # no change afterwards: README says how to upload the package without Terraform.
    changed = change_function(copy)
    sandbox.fault(
        "error",
        operation="UpdateFunctionCode",
        account=account,
        times=None,
        code="AccessDeniedException",
        status=403,
    )
    assert terraform.apply(check=False).status == 1
    sandbox.forget_faults()
    terraform.apply()
    for output in outputs.values():
        lambdas = client_for(sandbox, account, output["function_arn"].split(":")[3], "lambda")
        lambdas.update_function_code(FunctionName=output["function_name"], ZipFile=changed)
    assert terraform.plan().status == 0
    assert terraform.output()["hyphen"]["source_code_hash"] == code_sha256(changed)
    # The next version is uploaded by Terraform.
    newer = change_function(copy)
    assert terraform.apply().status == 0
    assert code_in_lambda(sandbox, account, region) == {code_sha256(newer)}

    # A policy that devices have cannot be deleted: README says what to do first.
    aws.iot.detach_policy(policyName=outputs["hyphen"]["policy_name"], target=arn)
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
    assert aws.iam.list_roles()["Roles"] == []
    # The device stays as it is.
    described = aws.iot.describe_certificate(certificateId=device.id)
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
    return {
        address: planned
        for address, planned in actions.items()
        if planned[0] not in ("no-op", "read")
    }


def machine(terraform: Terraform, ca_id: str, account: str, modules: str = ".") -> Path:
    """Prepare a machine with the configuration and a checkout of its own; returns modules/jitr."""
    copy = copy_modules(terraform.folder / modules)
    terraform.write(ONE.replace("./jitr", f"./{modules}/jitr"))
    terraform.write(json.dumps({"ca": {"id": ca_id, "account": account}}), "terraform.tfvars.json")
    terraform.init()
    return copy


def move_state(before: Terraform, after: Terraform) -> None:
    """Go on with the state on another machine; nothing of the machine before is left."""
    shutil.copy2(before.folder / "terraform.tfstate", after.folder)
    if (before.folder / "saved").exists():
        shutil.copy2(before.folder / "saved", after.folder)
    shutil.rmtree(before.folder)


def code_in_lambda(sandbox: Sandbox, account: str, region: str) -> set[str]:
    """Return the hashes of the code of all functions."""
    functions = client_for(sandbox, account, region, "lambda").list_functions()["Functions"]
    return {function["CodeSha256"] for function in functions}


CODE_CHANGED = {
    "module.jitr.aws_lambda_function.function": ("update",),
    "module.jitr.terraform_data.package": ("delete", "create"),
}


def test_another_path_of_the_module_is_no_change(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    ca = new_ca()
    first = new_workspace(account, "first")
    machine(first, ca.id, account)
    first.apply()
    assert code_in_lambda(sandbox, account, region) == {code_sha256(PACKAGE)}

    second = new_workspace(account, "second")
    copy = machine(second, ca.id, account, "vendor/iot ca")
    move_state(first, second)
    assert saved_plan(second) == {}

    # The path that the state holds is not looked for.
    package = change_function(copy)
    assert saved_plan(second) == CODE_CHANGED
    second.apply("saved")
    assert code_in_lambda(sandbox, account, region) == {code_sha256(package)}
    assert second.plan().status == 0


@pytest.mark.one_engine("the state and the plan are those of the test above")
def test_a_data_folder_of_the_machine_is_no_change(
    new_workspace: Callable[[str, str], Terraform],
    sandbox: Sandbox,
    account: str,
    region: str,
    tmp_path: Path,
) -> None:
    """As a user of the registry has the module: below TF_DATA_DIR, with an absolute path."""
    ca = new_ca()
    repository = tmp_path / "repository"
    copy = copy_modules(repository / "modules")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a version"]):
        git(repository, *command)

    def checkout(name: str) -> Terraform:
        terraform = new_workspace(account, name)
        terraform.init()
        terraform.write(ONE.replace("./jitr", f"git::file://{repository}//modules/jitr"))
        values = {"ca": {"id": ca.id, "account": account}}
        terraform.write(json.dumps(values), "terraform.tfvars.json")
        data = tmp_path / f"data of {name}"
        (terraform.folder / ".terraform").rename(data)
        settings = {**terraform.environment, "TF_DATA_DIR": str(data)}
        terraform = replace(terraform, environment=settings)
        terraform.run("get")
        return terraform

    first = checkout("first")
    first.apply()
    package = first.show_json()["values"]["root_module"]["child_modules"][0]["resources"]
    (filename,) = [
        resource["values"]["filename"] for resource in package if "filename" in resource["values"]
    ]
    assert filename == str(tmp_path / "data of first/modules/jitr/modules/jitr/function.zip")

    second = checkout("second")
    move_state(first, second)
    shutil.rmtree(tmp_path / "data of first")
    assert saved_plan(second) == {}

    changed = change_function(copy)
    git(repository, "commit", "-qam", "a new version")
    second.run("get", "-update")
    assert saved_plan(second) == CODE_CHANGED
    second.apply("saved")
    assert code_in_lambda(sandbox, account, region) == {code_sha256(changed)}
    assert second.plan().status == 0


def git(folder: Path, *arguments: str) -> None:
    """Run git in a repository, with no settings of the user's."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        settings |= {f"GIT_{role}_NAME": "Nobody", f"GIT_{role}_EMAIL": "nobody@example.com"}
    subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **settings}, check=True)


@pytest.mark.one_engine("a saved plan keeps the path that the test above looks at")
def test_a_saved_plan_is_applied_from_a_fresh_checkout(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    """The plan creates the function, changes its code, or creates it again after a deletion."""
    ca = new_ca()
    planner = new_workspace(account, "planner 1")
    machine(planner, ca.id, account)
    planner.plan("-out=saved")
    planner.write("{}", "terraform.tfstate")
    applier = new_workspace(account, "applier 1")
    machine(applier, ca.id, account)
    shutil.copy2(planner.folder / "saved", applier.folder)
    shutil.rmtree(planner.folder)
    applier.apply("saved")
    assert code_in_lambda(sandbox, account, region) == {code_sha256(PACKAGE)}

    planner = new_workspace(account, "planner 2")
    package = change_function(machine(planner, ca.id, account))
    move_state(applier, planner)
    assert saved_plan(planner) == CODE_CHANGED
    applier = new_workspace(account, "applier 2")
    change_function(machine(applier, ca.id, account))
    move_state(planner, applier)
    applier.apply("saved")
    assert code_in_lambda(sandbox, account, region) == {code_sha256(package)}

    made = applier.output()["jitr"]
    functions = client_for(sandbox, account, region, "lambda")
    functions.delete_function(FunctionName=made["function_name"])
    planner = new_workspace(account, "planner 3")
    change_function(machine(planner, ca.id, account))
    move_state(applier, planner)
    assert saved_plan(planner) == FUNCTION_GONE
    applier = new_workspace(account, "applier 3")
    change_function(machine(applier, ca.id, account))
    move_state(planner, applier)
    applier.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)
    assert code_in_lambda(sandbox, account, region) == {code_sha256(package)}
    assert applier.plan().status == 0


@pytest.mark.one_engine("what a replaced record holds is tested with both, above")
def test_a_function_that_is_gone_comes_back_whole(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    ca = new_ca()
    first = new_workspace(account, "first")
    machine(first, ca.id, account)
    first.apply()
    made = first.output()["jitr"]
    functions = client_for(sandbox, account, region, "lambda")

    functions.delete_function(FunctionName=made["function_name"])
    assert saved_plan(first) == FUNCTION_GONE
    first.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)
    assert first.plan().status == 0

    # Where the module has another path, a change of other settings does not look for the package.
    second = new_workspace(account, "second")
    machine(second, ca.id, account, "vendor")
    move_state(first, second)
    configuration = (second.folder / "main.tf").read_text(encoding="utf-8")
    second.write(configuration.replace("SNI_ONLY", "DEFAULT"))
    second.apply()
    described = functions.get_function(FunctionName=made["function_name"])["Configuration"]
    assert described["Environment"]["Variables"]["JITR_CA_CERTIFICATE_MODE"] == "DEFAULT"
    assert described["CodeSha256"] == code_sha256(PACKAGE)

    # If the function is gone, the plan says what to replace.
    functions.delete_function(FunctionName=made["function_name"])
    refused = second.run("plan", check=False)
    assert refused.status == 1
    said = " ".join(refused.output.split())
    assert "its package is not at jitr/function.zip" in said
    assert "-replace='<address of this module>.terraform_data.package'" in said
    again = saved_plan(second, "-replace=module.jitr.terraform_data.package")
    assert again == {**FUNCTION_GONE, "module.jitr.terraform_data.package": ("delete", "create")}
    second.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)
    assert second.plan().status == 0

    # What belongs to the function goes with it where it is replaced, too, and is back at once.
    saved_plan(second, "-replace=module.jitr.aws_lambda_function.function")
    second.apply("saved")
    check_wiring(sandbox, account, region, made, ca.id)
    assert second.plan().status == 0


def check_order(sandbox: Sandbox, account: str, region: str) -> None:
    """No event reaches the function before it may do its work and failures have a place."""
    writes = [
        (call.operation, call.parameters)
        for call in sandbox.calls(account=account, region=region, write=True)
    ]

    def position(operation: str, named: str) -> int:
        return next(
            index
            for index, (called, parameters) in enumerate(writes)
            if called == operation and named in parameters.values()
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
