"""JITR from the device's side: Terraform makes it, and devices meet it over TLS and MQTT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import start
from tests.sandbox import fleet, pki
from tests.sandbox.conftest import ONE, REGION, Clients
from tests.sandbox.fleet import Maker, endpoint, id_of, register
from tools.providers import Providers
from tools.terraform import ROOT, Engine, Terraform, environment

HOOK_ARN = f"arn:aws:lambda:{REGION}:{ONE}:function:admit"

CONFIGURATION = f"""
variable "ca_id" {{}}

provider "aws" {{}}

module "jitr" {{
  source            = "{ROOT}/modules/jitr"
  name              = "fleet"
  certificate_id    = var.ca_id
  certificate_arn   = "arn:aws:iot:{REGION}:{ONE}:cacert/${{var.ca_id}}"
  certificate_mode  = "SNI_ONLY"
  hook_function_arn = "{HOOK_ARN}"
  on_refusal        = "REVOKED"
}}

output "jitr" {{ value = module.jitr }}
"""

ADMIT = """
def handler(event, context):
    name = event["certificate"]["thingName"]
    if name == "riddle":
        return "who knows"
    return {"allowProvisioning": name != "stolen", "reason": "a list"}
"""


def invoke(aws: Clients, function: str, payload: str) -> dict[str, Any]:
    """What a function answers to a dead letter, as an operator sends it again."""
    answer = aws.kept("lambda", ONE, REGION).invoke(FunctionName=function, Payload=payload)
    return {"error": answer.get("FunctionError"), **json.loads(answer["Payload"].read())}


def dead_letters(aws: Clients, url: str) -> list[str]:
    """The bodies of the messages in the queue, which are taken out of it."""
    sqs = aws.kept("sqs", ONE, REGION)
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [str(message["Body"]) for message in found]


@pytest.mark.one_engine("what devices meet does not depend on Terraform's version")
def test_devices_are_let_in_refused_or_kept_for_later(
    engine: Engine, providers: Providers, tmp_path: Path
) -> None:
    ca = pki.make_ca("Fleet CA")
    maker = Maker(ca, tmp_path)
    folder = tmp_path / "terraform"
    folder.mkdir()
    with start(run_functions=True) as sandbox:
        settings = environment(providers, sandbox.environment(ONE, REGION))
        terraform = Terraform(folder, engine, settings)
        terraform.write(CONFIGURATION)
        terraform.write(json.dumps({"ca_id": ca.id}), "terraform.tfvars.json")
        terraform.init()
        terraform.apply()
        jitr = terraform.output()["jitr"]
        aws = Clients(sandbox.endpoint)
        fleet.function(aws, ADMIT, name="admit")
        register(aws, ca)
        listener, host = sandbox.devices(REGION), endpoint(aws)

        # Let in: its own topics work, with the default policy; others' do not.
        good = maker.device("sensor-1")
        visit = good.visit(listener, host, topic="sensor-1/up", attempts=30, seconds=60)
        assert visit.received == (("sensor-1/up", b"hello"),)
        assert not good.visit(listener, host, topic="sensor-2/up").received

        # Refused, with a name that fits no thing, and one that the hook has no answer for.
        stolen, unnamed = maker.device("stolen"), maker.device("sensor one")
        riddle = maker.device("riddle")
        for device in (stolen, unnamed, riddle):
            assert not device.visit(listener, host).accepted
        sandbox.settle()
        status = {
            name: aws.iot().describe_certificate(certificateId=id_of(device))[
                "certificateDescription"
            ]["status"]
            for name, device in {"stolen": stolen, "unnamed": unnamed, "riddle": riddle}.items()
        }
        assert status == {
            "stolen": "REVOKED",
            "unnamed": "PENDING_ACTIVATION",
            "riddle": "PENDING_ACTIVATION",
        }
        letters = dead_letters(aws, jitr["dead_letter_queue_url"])
        kept = {json.loads(body)["requestPayload"]["certificateId"]: body for body in letters}
        assert kept.keys() == {id_of(unnamed), id_of(riddle)}
        said = json.loads(kept[id_of(unnamed)])["responsePayload"]
        assert (said["errorType"], "sensor one" in said["errorMessage"]) == (
            "NotProvisionable",
            True,
        )
        assert json.loads(kept[id_of(riddle)])["responsePayload"]["errorType"] == "HookFailed"

        # What the rule cannot hand over is kept as well, and taken when it is sent again.
        aws.kept("lambda", ONE, REGION).remove_permission(
            FunctionName=jitr["function_name"], StatementId="iot-rule"
        )
        late = maker.device("sensor-2")
        assert not late.visit(listener, host).accepted
        sandbox.settle()
        (letter,) = dead_letters(aws, jitr["dead_letter_queue_url"])
        assert json.loads(letter)["ruleName"] == jitr["rule_name"]
        assert invoke(aws, jitr["function_name"], letter)["outcome"] == "activated"
        assert late.visit(listener, host, topic="sensor-2/up").accepted

        again = invoke(aws, jitr["function_name"], kept[id_of(unnamed)])
        assert (again["error"], again["errorType"]) == ("Unhandled", "NotProvisionable")
        # The next apply gives the rule its permission back.
        assert set(terraform.changes().values()) == {("create",)}
