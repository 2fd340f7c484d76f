"""JITR from the device's side: Terraform makes it, and devices meet it over TLS and MQTT."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Listener, Sandbox, start
from tests.support.certificates import new_ca
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, REGION, Clients
from tests.support.sandbox.fleet import Maker, endpoint, id_of, register
from tools.checkout import ROOT
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

HOOK_ARN = f"arn:aws:lambda:{REGION}:{ONE}:function:admit"

CONFIGURATION = f"""
variable "ca_id" {{}}

provider "aws" {{}}

module "jitr" {{
  source            = "{ROOT}//modules/jitr"
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


# Lambda itself asks for these, and the sandbox keeps no logs of functions.
OF_THE_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}


@dataclass(frozen=True)
class World:
    """What Terraform has made, devices, and where they connect."""

    sandbox: Sandbox
    aws: Clients
    maker: Maker
    listener: Listener
    host: str
    jitr: Mapping[str, Any]

    @property
    def lambdas(self) -> Any:
        """A client of Lambda."""
        return self.aws.kept("lambda", ONE, REGION)

    def come(self, *names: str) -> list[str]:
        """New devices connect for the first time; the IDs of their certificates, when all is done.

        As AWS does at first contact, none is let in.
        """
        devices = [self.maker.device(name) for name in names]
        for device in devices:
            assert not device.visit(self.listener, self.host, attempts=1).accepted
        self.sandbox.settle(60)
        return [id_of(device) for device in devices]

    def status(self, certificate_id: str) -> str:
        """The status of a device certificate."""
        described = self.aws.iot().describe_certificate(certificateId=certificate_id)
        return str(described["certificateDescription"]["status"])

    def dead_letters(self) -> list[str]:
        """Remove all messages from the queue; return their bodies."""
        sqs, url = self.aws.kept("sqs", ONE, REGION), self.jitr["dead_letter_queue_url"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [str(message["Body"]) for message in messages]

    def logged(self, certificate_id: str) -> list[dict[str, Any]]:
        """The lines of the function's log about a certificate."""
        runs = self.sandbox.device_log(kind="function", name=self.jitr["function_name"])
        lines = [line for run in runs for line in str(run.log).splitlines()]
        return [json.loads(line) for line in lines if line[:1] == "{" and certificate_id in line]

    def send_again(self, letter: str) -> dict[str, Any]:
        """What the function answers to a dead letter, as an operator sends it again."""
        answer = self.lambdas.invoke(FunctionName=self.jitr["function_name"], Payload=letter)
        return {"error": answer.get("FunctionError"), **json.loads(answer["Payload"].read())}


@dataclass(frozen=True)
class InlinePolicy:
    """The only policy of a role that Terraform has made."""

    iam: Any
    role: str

    @property
    def name(self) -> str:
        """Its name."""
        assert not self.iam.list_attached_role_policies(RoleName=self.role)["AttachedPolicies"]
        (name,) = self.iam.list_role_policies(RoleName=self.role)["PolicyNames"]
        return str(name)

    def read(self) -> dict[str, Any]:
        """The document."""
        answer = self.iam.get_role_policy(RoleName=self.role, PolicyName=self.name)
        document: dict[str, Any] = answer["PolicyDocument"]
        return document

    @contextmanager
    def less(self, action: str) -> Iterator[None]:
        """The role may not do `action` any more, until the block ends."""
        name, before = self.name, self.read()
        left = [
            {**statement, "Action": others}
            for statement in before["Statement"]
            if (others := [other for other in actions_of(statement) if other != action])
        ]
        assert left != before["Statement"]
        if left:
            self._write(name, {**before, "Statement": left})
        else:  # a policy must have a statement
            self.iam.delete_role_policy(RoleName=self.role, PolicyName=name)
        yield
        self._write(name, before)

    def _write(self, name: str, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        self.iam.put_role_policy(RoleName=self.role, PolicyName=name, PolicyDocument=text)


def actions_of(statement: Mapping[str, Any]) -> list[str]:
    """The actions of a statement, of which one may stand without a list."""
    actions = statement["Action"]
    return list(actions) if isinstance(actions, list) else [str(actions)]


@pytest.mark.one_engine("what devices meet does not depend on Terraform's version")
def test_devices_are_admitted_refused_or_kept_for_later(
    new_workspace: Callable[[str], Terraform], providers: Providers, tmp_path: Path
) -> None:
    """With no more than the roles that the module makes: permissions are enforced all along."""
    maker = Maker(new_ca("Fleet CA"), tmp_path)
    with start(run_functions=True) as sandbox:
        # Everybody's sandbox runs no functions.
        settings = environment(providers, sandbox.environment(ONE, REGION))
        terraform = replace(new_workspace(ONE), environment=settings)
        terraform.write(CONFIGURATION)
        terraform.write(json.dumps({"ca_id": maker.ca.id}), "terraform.tfvars.json")
        terraform.init()
        terraform.apply()
        aws = Clients(sandbox.endpoint)
        fleet.function(aws, ADMIT, name="admit")
        register(aws, maker.ca)
        sandbox.enforce_permissions(ONE)
        jitr = terraform.output()["jitr"]
        world = World(sandbox, aws, maker, sandbox.devices(REGION), endpoint(aws), jitr)

        let_in_with_its_own_topics(world)
        refused_or_kept(world)
        a_lost_event_heals(world)
        each_permission_is_needed(world)
        what_the_rule_can_not_hand_over_is_kept(world)
        # All else is as it was; the next apply gives the rule its permission back.
        address = "module.jitr.aws_lambda_permission.rule"
        assert terraform.changes() == {address: ("create",)}


def let_in_with_its_own_topics(world: World) -> None:
    """By the default policy of devices; others' topics are not its own."""
    good = world.maker.device("sensor-1")
    visit = good.visit(world.listener, world.host, topic="sensor-1/up", attempts=30, seconds=60)
    assert visit.received == (("sensor-1/up", b"hello"),)
    assert not good.visit(world.listener, world.host, topic="sensor-2/up").received


def refused_or_kept(world: World) -> None:
    """By the hook; with a name that fits no thing; and one that the hook has no answer for."""
    unnamed_device = world.maker.device("sensor one")
    assert not unnamed_device.visit(world.listener, world.host, attempts=1).accepted
    stolen, riddle = world.come("stolen", "riddle")
    unnamed = id_of(unnamed_device)
    assert world.status(stolen) == "REVOKED"
    assert world.status(unnamed) == "INACTIVE"
    assert world.status(riddle) == "PENDING_ACTIVATION"
    (letter,) = world.dead_letters()
    kept = json.loads(letter)
    assert kept["requestPayload"]["certificateId"] == riddle
    assert kept["responsePayload"]["errorType"] == "HookFailed"
    # What was refused for good has ended, however often the device comes.
    for _ in range(2):
        unnamed_device.visit(world.listener, world.host, attempts=1)
    world.sandbox.settle(60)
    (line,) = world.logged(unnamed)
    assert (line["level"], line["outcome"], line["cause"]) == ("WARN", "refused", "subject")
    assert line["subject"]["CommonName"] == ["sensor one"]
    assert line["serialNumber"]
    assert (line["FunctionName"], line["DevicesRefused"]) == (world.jitr["function_name"], 1)
    (line,) = world.logged(stolen)
    assert (line["outcome"], line["cause"], line["reason"]) == ("refused", "hook", "a list")
    assert world.dead_letters() == []


def a_lost_event_heals(world: World) -> None:
    """AWS IoT publishes it again when the device connects again."""
    rule = world.jitr["rule_name"]
    world.aws.iot().disable_topic_rule(ruleName=rule)
    device = world.maker.device("sensor-0")
    assert not device.visit(world.listener, world.host, attempts=2).accepted
    world.sandbox.settle(60)
    assert world.status(id_of(device)) == "PENDING_ACTIVATION"
    assert world.logged(id_of(device)) == []
    world.aws.iot().enable_topic_rule(ruleName=rule)

    assert device.visit(world.listener, world.host, attempts=30, seconds=60).accepted
    world.sandbox.settle(60)
    assert world.dead_letters() == []


def each_permission_is_needed(world: World) -> None:
    """Without one of its permissions the function fails, and its dead letter names the action."""
    name = world.jitr["function_name"]
    policy = InlinePolicy(world.aws.iam(), world.jitr["role_arn"].rpartition("/")[2])
    actions = [
        action for statement in policy.read()["Statement"] for action in actions_of(statement)
    ]
    tried = [action for action in actions if action not in {"sqs:SendMessage", *OF_THE_LOG}]
    assert set(actions) - set(tried) == {"sqs:SendMessage", *OF_THE_LOG}
    config = world.lambdas.get_function_event_invoke_config(FunctionName=name)
    settings = {key: config[key] for key in ("MaximumEventAgeInSeconds", "DestinationConfig")}
    world.lambdas.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, **settings
    )

    letter = {}
    for action in tried:
        thing = f"no-{action.partition(':')[2]}"
        if action == "iot:UpdateThing":  # is for a thing that is there and lacks attributes
            world.aws.iot().create_thing(thingName=thing)
        with policy.less(action):
            (certificate_id,) = world.come(thing)
        (letter[action],) = world.dead_letters()
        kept = json.loads(letter[action])
        assert kept["requestPayload"]["certificateId"] == certificate_id
        assert f"not authorized to perform: {action} on" in kept["responsePayload"]["errorMessage"]
        assert world.status(certificate_id) == "PENDING_ACTIVATION"

    with policy.less("sqs:SendMessage"):
        (lost,) = world.come("riddle")
    assert world.dead_letters() == []
    assert world.status(lost) == "PENDING_ACTIVATION"
    *_, event = world.sandbox.device_log(kind="function", name=name)
    why = f"may not sqs:SendMessage on {world.jitr['dead_letter_queue_arn']}"
    assert event.reason == f"its event is lost: the role {world.jitr['role_arn']} {why}"

    # With the permission back, the letter is all that it takes.
    assert world.send_again(letter["iot:UpdateThing"])["outcome"] == "activated"
    thing = world.aws.iot().describe_thing(thingName="no-UpdateThing")
    assert thing["attributes"]["ca_certificate_id"] == world.maker.ca.id
    world.lambdas.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=config["MaximumRetryAttempts"], **settings
    )


def what_the_rule_can_not_hand_over_is_kept(world: World) -> None:
    """And taken when it is sent again; unless the rule's role may not even keep it."""
    name, rule = world.jitr["function_name"], world.jitr["rule_name"]
    given = json.loads(world.lambdas.get_policy(FunctionName=name)["Policy"])
    (statement,) = given["Statement"]
    world.lambdas.remove_permission(FunctionName=name, StatementId=statement["Sid"])
    (late,) = world.come("sensor-2")
    (letter,) = world.dead_letters()
    assert json.loads(letter)["ruleName"] == rule
    assert world.send_again(letter)["outcome"] == "activated"
    assert world.status(late) == "ACTIVE"

    actions = world.aws.iot().get_topic_rule(ruleName=rule)["rule"]["errorAction"]
    role = actions["sqs"]["roleArn"]
    with InlinePolicy(world.aws.iam(), role.rpartition("/")[2]).less("sqs:SendMessage"):
        world.come("sensor-3")
    assert world.dead_letters() == []
    *_, event = world.sandbox.device_log(kind="rule", name=rule)
    why = f"may not sqs:SendMessage on {world.jitr['dead_letter_queue_arn']}"
    assert event.reason == f"error action sqs: the role {role} {why}"
