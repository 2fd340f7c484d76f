"""JITR end to end, topic rules, and Lambda functions that run."""

from __future__ import annotations

import base64
import fcntl
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.control import Listener, Sandbox, start
from sandbox.functions import process
from sandbox.functions.runner import lets_rule_in
from tests.support.certificates import new_ca
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, REGION, TWO, Clients
from tests.support.sandbox.fleet import Maker, endpoint, id_of, register
from tests.support.sandbox.refusals import refused

# What a function behind JITR has to do; the real one belongs to the module.
ACTIVATE = """
import json, os
import boto3

def handler(event, context):
    print(json.dumps(event))
    iot = boto3.client("iot")
    certificate_id = event["certificateId"]
    arn = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
    iot.attach_policy(policyName=os.environ["POLICY"], target=arn["certificateArn"])
    iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
    return {"caller": boto3.client("sts").get_caller_identity()["Arn"]}
"""
FAIL = """
def handler(event, context):
    print("about to fail")
    raise RuntimeError(f"not {event['a']}")
"""
SHOW = """
import json
def handler(event, context):
    print(json.dumps(event))
"""
ECHO = """
import os
def handler(event, context):
    return {
        "event": event,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis() > 0,
        "colour": os.environ["COLOUR"],
        "region": os.environ["AWS_REGION"],
        "pid": os.getpid(),
        "leaked": [n for n in os.environ if n.startswith("MOTO_")],
    }
"""
HOLD = """
import fcntl, os, time
def handler(event, context):
    held = open(os.environ["HELD"], "w")
    fcntl.flock(held, fcntl.LOCK_EX)
    held.write("held")
    held.flush()
    time.sleep(60)
"""
RULE = f"arn:aws:iot:{REGION}:{ONE}:rule/registered"
SEND = ({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"},)


@pytest.fixture
def listener(sandbox: Sandbox) -> Listener:
    return sandbox.devices(REGION)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(new_ca("Fleet CA"), tmp_path)


def queue(aws: Clients, name: str = "dead") -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = aws.kept("sqs", ONE, REGION)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, f"arn:aws:sqs:{REGION}:{ONE}:{name}"


def messages(aws: Clients, url: str) -> list[dict[str, Any]]:
    answer = aws.kept("sqs", ONE, REGION).receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def test_just_in_time_registration(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca)
    aws.iot().create_policy(policyName="devices", policyDocument=fleet.policy(fleet.MAY_ALL))
    arn = fleet.function(aws, ACTIVATE, Environment={"Variables": {"POLICY": "devices"}})
    fleet.rule(aws, f"$aws/events/certificates/registered/{maker.ca.id}", arn)
    device = maker.device("sensor-1")
    visit = device.visit(listener, endpoint(aws), topic="any/where", attempts=30, seconds=30)
    assert visit.accepted, visit
    assert visit.received == (("any/where", b"hello"),)
    sandbox.settle()
    first, *between, last = sandbox.device_log(kind="connection", outcome="registered") + (
        sandbox.device_log(kind="connection", outcome="connected")
    )
    assert (first.outcome, between, last.outcome) == ("registered", [], "connected")
    # While the function works on the first event, each attempt of the device publishes another one.
    runs = sandbox.device_log(kind="function")
    assert {(run.outcome, run.name, run.account) for run in runs} == {("succeeded", "jitr", ONE)}
    event = min((json.loads(str(run.log)) for run in runs), key=lambda event: event["timestamp"])
    stamp = event.pop("timestamp")
    assert event == {
        "certificateId": id_of(device),
        "caCertificateId": maker.ca.id,
        "certificateStatus": "PENDING_ACTIVATION",
        "awsAccountId": ONE,
        "certificateRegistrationTimestamp": str(stamp),
    }
    activations = sandbox.calls(operation="UpdateCertificate")
    caller = f"arn:aws:sts::{ONE}:assumed-role/role-of-jitr/jitr"
    assert {activation.principal for activation in activations} == {caller}


def test_jitr_without_a_rule_leaves_the_device_pending(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca)
    device = maker.device("sensor-1")
    assert not device.visit(listener, endpoint(aws), attempts=3).accepted
    sandbox.settle()
    reasons = [(e.outcome, e.reason) for e in sandbox.device_log(kind="connection")]
    pending = ("refused", "the device certificate is PENDING_ACTIVATION")
    assert reasons == [("registered", None), pending, pending]


def test_event_is_published_only_if_enabled_where_that_counts(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca)
    arn = fleet.function(aws, SHOW)
    fleet.rule(aws, f"$aws/events/certificates/registered/{maker.ca.id}", arn)
    device = maker.device("sensor-1")
    sandbox.count_event_configurations()
    for event_type in ("CERTIFICATE", "CA_CERTIFICATE"):
        types = {event_type: {"Enabled": True}}
        aws.iot().update_event_configurations(eventConfigurations=types)
        device.visit(listener, endpoint(aws), attempts=1)
        sandbox.settle()
        expected = [] if event_type == "CERTIFICATE" else ["succeeded"]
        assert [run.outcome for run in sandbox.device_log(kind="function")] == expected
    (entry,) = sandbox.device_log(outcome="not-published")
    assert entry.certificate_id == id_of(device)


def test_each_attempt_of_a_pending_device_publishes_the_event(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    """So an event that reached nobody heals, and a device that can't be provisioned repeats it."""
    register(aws, maker.ca)
    arn = fleet.function(aws, SHOW)
    device = maker.device("sensor-1")
    device.visit(listener, endpoint(aws), attempts=1)  # its event reaches nobody
    fleet.rule(aws, f"$aws/events/certificates/registered/{maker.ca.id}", arn)

    device.visit(listener, endpoint(aws), attempts=2)
    sandbox.settle()

    events = sorted(
        (json.loads(str(run.log)) for run in sandbox.device_log(kind="function")),
        key=lambda event: event["timestamp"],
    )
    assert len(events) == 2
    assert {event["certificateId"] for event in events} == {id_of(device)}
    first, second = (event.pop("timestamp") for event in events)
    assert first < second
    assert events[0] == events[1]  # when it was registered stays
    assert int(events[0]["certificateRegistrationTimestamp"]) < first
    for status in ("INACTIVE", "ACTIVE"):
        aws.iot().update_certificate(certificateId=id_of(device), newStatus=status)
        device.visit(listener, endpoint(aws), attempts=1)
    sandbox.settle()
    assert len(sandbox.device_log(kind="function")) == 2


def test_failed_event_is_retried_and_kept(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    dead, dead_arn = queue(aws)
    failed, failed_arn = queue(aws, "failed")
    arn = fleet.function(aws, FAIL, may=SEND, DeadLetterConfig={"TargetArn": dead_arn})
    client = aws.kept("lambda", ONE, REGION)
    config = client.get_function_configuration(FunctionName=arn)
    assert config["DeadLetterConfig"] == {"TargetArn": dead_arn}
    client.put_function_event_invoke_config(
        FunctionName=arn, DestinationConfig={"OnFailure": {"Destination": failed_arn}}
    )
    register(aws, maker.ca)
    fleet.rule(
        aws, "", arn, sql=f"SELECT 1 AS a FROM '$aws/events/certificates/registered/{maker.ca.id}'"
    )
    assert not maker.device("sensor-1").visit(listener, endpoint(aws), attempts=1).accepted
    sandbox.settle()
    runs = sandbox.device_log(kind="function")
    assert [(run.outcome, run.reason) for run in runs] == [("failed", "not 1")] * 3
    assert "about to fail" in str(runs[0].log)
    (kept,) = messages(aws, dead)
    assert json.loads(kept["Body"]) == {"a": 1}
    assert kept["MessageAttributes"]["ErrorMessage"]["StringValue"] == "not 1"
    (record,) = [json.loads(m["Body"]) for m in messages(aws, failed)]
    assert record["requestPayload"] == {"a": 1}
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responsePayload"]["errorType"] == "RuntimeError"


def test_event_is_lost_if_the_role_must_not_send(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    url, queue_arn = queue(aws)
    arn = fleet.function(aws, FAIL, DeadLetterConfig={"TargetArn": queue_arn})
    aws.kept("lambda", ONE, REGION).put_function_event_invoke_config(
        FunctionName=arn, MaximumRetryAttempts=0
    )
    register(aws, maker.ca)
    fleet.rule(aws, "$aws/events/certificates/registered/+", arn)
    maker.device("sensor-1").visit(listener, endpoint(aws), attempts=1)
    sandbox.settle()
    reasons = [str(e.reason) for e in sandbox.device_log(kind="function")]
    assert len(reasons) == 2
    assert reasons[1].startswith("its event is lost: the role")
    assert messages(aws, url) == []


@pytest.mark.parametrize("may_use_key", [False, True])
def test_an_encrypted_queue_takes_events_of_roles_with_its_key(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker, may_use_key: bool
) -> None:
    url, queue_arn = queue(aws)
    key = aws.kept("kms").create_key()["KeyMetadata"]["Arn"]
    aws.kept("sqs").set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
    use = {
        "Effect": "Allow",
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": key,
    }
    may = (*SEND, *((use,) if may_use_key else ()))
    arn = fleet.function(aws, FAIL, may=may, DeadLetterConfig={"TargetArn": queue_arn})
    aws.kept("lambda").put_function_event_invoke_config(FunctionName=arn, MaximumRetryAttempts=0)
    register(aws, maker.ca)
    fleet.rule(aws, "$aws/events/certificates/registered/+", arn)
    maker.device("sensor-1").visit(listener, endpoint(aws), attempts=1)
    sandbox.settle()
    assert len(messages(aws, url)) == int(may_use_key)
    lost = f"may not kms:GenerateDataKey on {key}"
    reasons = [str(entry.reason) for entry in sandbox.device_log(kind="function")]
    assert any(lost in reason for reason in reasons) is not may_use_key


def test_rule_without_permission_to_call_a_function(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    url, _ = queue(aws)
    arn = fleet.function(aws, ECHO)
    role = aws.role(ONE, "rule")
    aws.iam().put_role_policy(RoleName="rule", PolicyName="may", PolicyDocument=fleet.policy(*SEND))
    register(aws, maker.ca)
    fleet.rule(
        aws, "$aws/events/certificates/registered/+", arn, let_in=False,
        errorAction={"sqs": {"roleArn": role, "queueUrl": url, "useBase64": False}},
    )  # fmt: skip
    device = maker.device("sensor-1")
    device.visit(listener, endpoint(aws), attempts=1)
    sandbox.settle()
    assert sandbox.device_log(kind="function") == []
    (entry,) = sandbox.device_log(kind="rule")
    assert "does not let iot.amazonaws.com call it" in str(entry.reason)
    (message,) = [json.loads(m["Body"]) for m in messages(aws, url)]
    assert message["ruleName"] == "registered"
    assert message["failures"][0]["failedAction"] == "LambdaAction"
    assert message["failures"][0]["failedResource"] == arn
    original = json.loads(base64.b64decode(message["base64OriginalPayload"]))
    assert original["certificateId"] == id_of(device)


FUNCTION = f"arn:aws:lambda:{REGION}:{ONE}:function:jitr"


@pytest.mark.parametrize(
    ("condition", "let_in"),
    [
        ({}, True),
        ({"ArnLike": {"AWS:SourceArn": RULE}, "StringEquals": {"AWS:SourceAccount": ONE}}, True),
        ({"ArnLike": {"AWS:SourceArn": f"arn:aws:iot:{REGION}:{ONE}:rule/*"}}, True),
        ({"ArnLike": {"AWS:SourceArn": f"{RULE}_2"}}, False),
        ({"ArnLike": {"AWS:SourceArn": RULE.replace(ONE, TWO)}}, False),
        ({"StringEquals": {"AWS:SourceAccount": TWO}}, False),
        ({"ArnLike": {"AWS:SourceArn": RULE}, "StringEquals": {"AWS:SourceAccount": TWO}}, False),
        ({"StringEquals": {"lambda:EventSourceToken": "t"}}, False),
        ({"ArnNotLike": {"AWS:SourceArn": f"{RULE}_2"}}, False),  # not understood
    ],
)
def test_function_policies_for_rules(condition: dict[str, Any], let_in: bool) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "iot.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": FUNCTION,
        "Condition": condition,
    }
    assert lets_rule_in([statement], FUNCTION, RULE) is let_in
    for other in (
        {"Principal": {"Service": "sns.amazonaws.com"}},
        {"Action": "lambda:GetFunction"},
        {"Resource": f"{FUNCTION}:live"},
        {"Effect": "Deny"},
    ):
        assert not lets_rule_in([{**statement, **other}], FUNCTION, RULE)
    # A Deny wins wherever it stands, if it is about this rule.
    anyone = {**statement, "Condition": {}}
    deny = {**anyone, "Effect": "Deny", "Principal": "*"}
    assert not lets_rule_in([statement, deny], FUNCTION, RULE)
    assert not lets_rule_in([deny, statement], FUNCTION, RULE)
    other_source = {"StringEquals": {"AWS:SourceAccount": TWO}}
    assert lets_rule_in([anyone, {**deny, "Condition": other_source}], FUNCTION, RULE)


@pytest.mark.parametrize(
    ("permission", "trusted"),
    [
        ({"SourceArn": f"{RULE}_2"}, {"aws:SourceArn": RULE, "aws:SourceAccount": ONE}),
        ({"SourceArn": RULE, "SourceAccount": TWO}, {"aws:SourceAccount": ONE}),
        ({"SourceArn": f"{RULE}_2"}, {"aws:SourceAccount": TWO}),
    ],
)
def test_rule_needs_trust_and_permission_with_matching_source(
    sandbox: Sandbox,
    aws: Clients,
    listener: Listener,
    maker: Maker,
    permission: dict[str, str],
    trusted: dict[str, str],
) -> None:
    """The function's permission is never one for this rule; the role's trust twice is."""
    url, _ = queue(aws)
    arn = fleet.function(aws, ECHO)
    aws.kept("lambda", ONE, REGION).add_permission(
        FunctionName=arn,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        **permission,
    )
    trust = json.loads(fleet.trust("iot.amazonaws.com"))
    trust["Statement"][0]["Condition"] = {"StringEquals": trusted}
    role = aws.role(ONE, "rule", json.dumps(trust))
    aws.iam().put_role_policy(RoleName="rule", PolicyName="may", PolicyDocument=fleet.policy(*SEND))
    register(aws, maker.ca)
    fleet.rule(
        aws, "$aws/events/certificates/registered/+", arn, let_in=False,
        errorAction={"sqs": {"roleArn": role, "queueUrl": url, "useBase64": False}},
    )  # fmt: skip
    maker.device("sensor-1").visit(listener, endpoint(aws), attempts=1)
    sandbox.settle()
    assert sandbox.device_log(kind="function") == []
    refused_by, *more = [str(entry.reason) for entry in sandbox.device_log(kind="rule")]
    assert "does not let iot.amazonaws.com call it" in refused_by
    if trusted["aws:SourceAccount"] == ONE:
        assert (len(messages(aws, url)), more) == (1, [])
    else:
        assert more == [f"error action sqs: the role {role} does not trust iot.amazonaws.com"]
        assert messages(aws, url) == []


def test_permissions_boundary_limits_a_service_role(sandbox: Sandbox, aws: Clients) -> None:
    url, queue_arn = queue(aws)
    arn = fleet.function(aws, FAIL, may=SEND, DeadLetterConfig={"TargetArn": queue_arn})
    lambdas, iam = aws.kept("lambda", ONE, REGION), aws.iam()
    lambdas.put_function_event_invoke_config(FunctionName=arn, MaximumRetryAttempts=0)
    made = iam.create_policy(PolicyName="bounds", PolicyDocument=fleet.policy(fleet.MAY_ALL))
    boundary = made["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="role-of-jitr", PermissionsBoundary=boundary)
    lambdas.invoke(FunctionName=arn, InvocationType="Event", Payload=b'{"a": 1}')
    sandbox.settle()
    lost = sandbox.device_log(kind="function")[-1].reason
    assert str(lost).endswith(f"may not sqs:SendMessage on {queue_arn}")
    assert messages(aws, url) == []


def test_device_message_runs_rules_and_is_republished(
    aws: Clients, listener: Listener, maker: Maker
) -> None:
    role = aws.role(ONE, "rule")
    aws.iam().put_role_policy(
        RoleName="rule", PolicyName="may", PolicyDocument=fleet.policy(fleet.MAY_ALL)
    )
    aws.iot().create_topic_rule(
        ruleName="hot",
        topicRulePayload={
            "sql": "SELECT value, topic(2) AS room FROM 'house/+/heat' WHERE unit = 'C'",
            "actions": [{"republish": {"roleArn": role, "topic": "alarm"}}],
        },
    )
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1")
    assert device.visit(listener, endpoint(aws)).accepted
    aws.iot().create_policy(policyName="all", policyDocument=fleet.policy(fleet.MAY_ALL))
    aws.iot().attach_policy(
        policyName="all", target=f"arn:aws:iot:{REGION}:{ONE}:cert/{id_of(device)}"
    )
    with device.connect(listener, endpoint(aws)) as session:
        assert session.subscribe("alarm")
        for unit in "FC":
            session.publish("house/attic/heat", json.dumps({"value": 41, "unit": unit}).encode())
        assert session.wait_for_message()
        assert [json.loads(p) for _, p in session.received] == [{"value": 41, "room": "attic"}]


# --- Lambda's own API


def test_duplicate_functions_and_statements_are_refused(aws: Clients) -> None:
    arn = fleet.function(aws, ECHO, Description="the first")
    client = aws.kept("lambda", ONE, REGION)
    members = {
        "Runtime": "python3.12",
        "Role": f"arn:aws:iam::{ONE}:role/role-of-jitr",
        "Handler": "app.handler",
        "Code": {"ZipFile": fleet.package(FAIL)},
    }
    for name in ("jitr", arn):
        with refused("ResourceConflictException", "already exist", 409):
            client.create_function(FunctionName=name, **members)
    assert client.get_function_configuration(FunctionName="jitr")["Description"] == "the first"

    permission = {"Action": "lambda:InvokeFunction", "Principal": "iot.amazonaws.com"}
    client.add_permission(FunctionName="jitr", StatementId="rule", SourceArn=RULE, **permission)
    before = client.get_policy(FunctionName="jitr")
    for name in ("jitr", arn):
        with refused("ResourceConflictException", "statement id (rule) provided already", 409):
            client.add_permission(FunctionName=name, StatementId="rule", **permission)
    after = client.get_policy(FunctionName="jitr")
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}
    client.add_permission(FunctionName="jitr", StatementId="other", **permission)
    kept = json.loads(client.get_policy(FunctionName="jitr")["Policy"])["Statement"]
    assert [statement["Sid"] for statement in kept] == ["rule", "other"]
    assert kept[0]["Condition"] == {"ArnLike": {"AWS:SourceArn": RULE}}
    # Gone, it may be given again.
    client.remove_permission(FunctionName="jitr", StatementId="rule")
    client.add_permission(FunctionName="jitr", StatementId="rule", **permission)


def test_invoke_runs_a_function(aws: Clients, sandbox: Sandbox) -> None:
    arn = fleet.function(aws, ECHO, Environment={"Variables": {"COLOUR": "green"}})
    client = aws.kept("lambda", ONE, REGION)
    answer = client.invoke(FunctionName="jitr", Payload=b'{"a": [1]}')
    document = json.loads(answer["Payload"].read())
    assert document.pop("pid") != sandbox.health()["pid"]
    assert document == {
        "event": {"a": [1]},
        "name": "jitr",
        "arn": arn,
        "left": True,
        "colour": "green",
        "region": REGION,
        "leaked": [],
    }
    assert "FunctionError" not in answer
    later = client.invoke(FunctionName=arn, InvocationType="Event", Payload=b"{}")
    assert later["StatusCode"] == 202
    sandbox.settle()
    assert [e.outcome for e in sandbox.device_log(kind="function")] == ["succeeded"] * 2
    (call, _) = sandbox.calls(operation="Invoke")
    assert (call.service, call.status) == ("lambda", 200)


def test_invoke_reports_errors(aws: Clients) -> None:
    fleet.function(aws, FAIL)
    client = aws.kept("lambda", ONE, REGION)
    answer = client.invoke(FunctionName="jitr", Payload=b'{"a": 7}', LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    error = json.loads(answer["Payload"].read())
    assert (error["errorType"], error["errorMessage"]) == ("RuntimeError", "not 7")
    assert b"about to fail" in base64.b64decode(answer["LogResult"])
    aws.iam().update_assume_role_policy(
        RoleName="role-of-jitr", PolicyDocument=fleet.trust("ec2.amazonaws.com")
    )
    answer = client.invoke(FunctionName="jitr", Payload=b"{}")
    assert "does not trust lambda" in json.loads(answer["Payload"].read())["errorMessage"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.invoke(FunctionName="none")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        aws.kept("lambda", TWO, REGION).invoke(FunctionName="jitr")


def test_child_that_exits_early_is_a_function_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, closed, question = tmp_path / "child.py", tmp_path / "closed", process.question_of
    child.write_text(
        f"import os\nos.close(0)\nopen({str(closed)!r}, 'w')\nraise SystemExit('gone')"
    )

    def late(*arguments: Any) -> bytes:
        eventually(closed.exists)
        return question(*arguments)

    monkeypatch.setattr(process, "CHILD", child)
    monkeypatch.setattr(process, "question_of", late)
    function = SimpleNamespace(
        timeout=60, code_bytes=fleet.package(ECHO), handler="app.handler", function_name="f",
        function_arn=FUNCTION, memory_size=128,
    )  # fmt: skip

    outcome = process.run(process.Invocation(function, "1f1a", {}), {"a": 1})

    assert outcome.error is not None
    assert outcome.error["errorType"] == "Runtime.ExitError"
    assert outcome.log == "gone\n"


def test_a_function_ends_with_the_sandbox(tmp_path: Path) -> None:
    path = tmp_path / "held"
    with start(run_functions=True) as own:
        aws = Clients(own.endpoint)
        fleet.function(aws, HOLD, Environment={"Variables": {"HELD": str(path)}})
        client = aws.kept("lambda", ONE, REGION)
        client.invoke(FunctionName="jitr", InvocationType="Event", Payload=b"{}")
        eventually(lambda: path.exists() and path.read_text() == "held")

    def let_go() -> bool:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    eventually(let_go)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
