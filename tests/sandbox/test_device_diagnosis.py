"""What says why a device is not let in: TestAuthorization, the logs, transfers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, REGION, TWO, Clients
from tests.support.sandbox.fleet import Maker, endpoint, id_of, policy
from tests.support.sandbox.refusals import refused
from tools.device import Device

CLIENT = f"arn:aws:iot:{REGION}:{ONE}:client/"


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(new_ca("Fleet CA"), tmp_path)


@pytest.fixture
def known(aws: Clients, maker: Maker) -> tuple[Device, str]:
    """A device that is registered and ACTIVE, and the ARN of its certificate."""
    device = maker.device("sensor-1")
    made = aws.iot().register_certificate_without_ca(
        certificatePem=Path(device.certificate).read_text(), status="ACTIVE"
    )
    return device, made["certificateArn"]


def attach(aws: Clients, target: str, name: str, effect: str, resource: str = "*") -> None:
    document = policy({"Effect": effect, "Action": "iot:Connect", "Resource": resource})
    aws.iot().create_policy(policyName=name, policyDocument=document)
    aws.iot().attach_policy(policyName=name, target=target)


def result_for(aws: Clients, principal: str, **members: Any) -> Any:
    info = {"actionType": "CONNECT", "resources": [CLIENT + "sensor-1"]}
    answer = aws.iot().test_authorization(
        **{"principal": principal, "clientId": "sensor-1", "authInfos": [info], **members}
    )
    (result,) = answer["authResults"]
    return result


def test_authorization_goes_by_the_policies_of_the_certificate(
    aws: Clients, known: tuple[Device, str]
) -> None:
    _, arn = known
    assert result_for(aws, arn)["authDecision"] == "IMPLICIT_DENY"
    attach(aws, arn, "thing", "Allow", CLIENT + "${iot:Connection.Thing.ThingName}")
    silent = result_for(aws, arn)
    assert silent["authDecision"] == "IMPLICIT_DENY"
    assert silent["denied"]["implicitDeny"]["policies"] == [{"policyName": "thing"}]
    aws.iot().create_thing(thingName="sensor-1")
    aws.iot().attach_thing_principal(thingName="sensor-1", principal=arn)
    allowed = result_for(aws, arn)
    assert allowed["authDecision"] == "ALLOWED"
    assert allowed["allowed"]["policies"] == [{"policyName": "thing"}]
    assert result_for(aws, arn, clientId="other")["authDecision"] == "IMPLICIT_DENY"
    attach(aws, arn, "stop", "Deny")
    denied = result_for(aws, arn)
    assert denied["authDecision"] == "EXPLICIT_DENY"
    assert denied["denied"]["explicitDeny"]["policies"] == [{"policyName": "stop"}]


def test_authorization_is_of_certificates_only(aws: Clients, known: tuple[Device, str]) -> None:
    _, arn = known
    with refused("ResourceNotFoundException"):
        result_for(aws, arn[:-1] + "x")
    with refused("InvalidRequestException", "authInfos"):
        result_for(aws, arn, authInfos=[])
    with refused("InvalidRequestException", "actionType"):
        result_for(aws, arn, authInfos=[{"actionType": "CALL", "resources": ["*"]}])
    with refused("InvalidRequestException", "certificates only"):
        result_for(aws, arn, policyNamesToAdd=["x"])


def test_log_of_devices_is_written_where_turned_on(
    sandbox: Sandbox, aws: Clients, known: tuple[Device, str]
) -> None:
    device, arn = known
    iot, logs = aws.iot(), aws.kept("logs", ONE, REGION)
    with refused("NotConfiguredException", status=404):
        iot.get_v2_logging_options()
    with refused("InvalidRequestException", "roleArn is needed"):
        iot.set_v2_logging_options(defaultLogLevel="INFO")
    role = aws.role(name="logging")
    iot.set_v2_logging_options(roleArn=role, defaultLogLevel="INFO")
    listener, host = sandbox.devices(REGION), endpoint(aws)

    def entries() -> list[dict[str, Any]]:
        device.visit(listener, host, attempts=1)
        sandbox.settle()
        pattern = f'"{id_of(device)}"'
        answer = logs.filter_log_events(logGroupName="AWSIotLogsV2", filterPattern=pattern)
        return [json.loads(event["message"]) for event in answer["events"]]

    with refused("ResourceNotFoundException"):  # the role may not write
        entries()
    logging = "arn:aws:iam::aws:policy/service-role/AWSIoTLogging"
    aws.iam().attach_role_policy(RoleName="logging", PolicyArn=logging)
    (entry,) = entries()
    assert (entry["eventType"], entry["status"]) == ("Connect", "Failure")
    assert (entry["clientId"], entry["principalId"]) == ("sensor-1", id_of(device))
    assert "iot:Connect" in entry["details"]
    attach(aws, arn, "all", "Allow")
    assert [entry["status"] for entry in entries()] == ["Failure", "Success"]
    iot.set_v2_logging_options(defaultLogLevel="ERROR")
    assert iot.get_v2_logging_options()["defaultLogLevel"] == "ERROR"
    assert len(entries()) == 2
    iot.set_v2_logging_options(disableAllLogs=True)
    assert iot.get_v2_logging_options()["disableAllLogs"] is True


def test_a_certificate_is_transferred_while_inactive_and_free(
    aws: Clients, known: tuple[Device, str]
) -> None:
    device, arn = known
    iot, name = aws.iot(), {"certificateId": id_of(device)}

    def status() -> str:
        return str(iot.describe_certificate(**name)["certificateDescription"]["status"])

    with refused("CertificateStateException"):
        iot.transfer_certificate(**name, targetAwsAccount=TWO)
    iot.update_certificate(**name, newStatus="INACTIVE")
    with refused("InvalidRequestException", "another account"):
        iot.transfer_certificate(**name, targetAwsAccount=ONE)
    answer = iot.transfer_certificate(**name, targetAwsAccount=TWO)
    assert answer["transferredCertificateArn"] == arn.replace(ONE, TWO)
    assert status() == "PENDING_TRANSFER"
    iot.cancel_certificate_transfer(**name)
    assert status() == "INACTIVE"
    with refused("TransferAlreadyCompletedException"):
        iot.cancel_certificate_transfer(**name)


def test_a_reserved_concurrency_of_0_stops_a_function(sandbox: Sandbox, aws: Clients) -> None:
    functions, logs = aws.kept("lambda", ONE, REGION), aws.kept("logs", ONE, REGION)
    source = "def handler(event, context):\n    print('hello')\n    raise ValueError('no')\n"
    may = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    fleet.function(aws, source, may=(may,))
    functions.put_function_concurrency(FunctionName="jitr", ReservedConcurrentExecutions=0)
    functions.invoke(FunctionName="jitr", InvocationType="Event", Payload=b"{}")
    sandbox.settle()
    assert sandbox.device_log(kind="function") == []
    functions.invoke(FunctionName="jitr", Payload=b"{}")
    events = logs.filter_log_events(logGroupName="/aws/lambda/jitr")["events"]
    assert "hello" in [event["message"] for event in events]
    assert events[-1]["message"] == "[ERROR] no"
