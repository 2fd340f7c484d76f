"""Devices over real TLS, with a real MQTT client: the rules of the two modes, JITP, policies."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Listener, Sandbox, SandboxError
from tests.support.certificates import DAY, NOW, new_ca
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import ONE, REGION, THREE, TWO, Clients
from tests.support.sandbox.fleet import Maker, endpoint, id_of, register
from tools.device import Closed, Device
from tools.device import main as device_command

OTHER_REGION = "us-east-1"


@pytest.fixture
def listener(sandbox: Sandbox) -> Listener:
    return sandbox.devices(REGION)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(new_ca("Fleet CA"), tmp_path)


def known(aws: Clients, device: Device, account: str = ONE, *statements: dict[str, Any]) -> None:
    """The device's certificate, registered in an account with a policy of its own."""
    iot = aws.iot(account)
    made = iot.register_certificate_without_ca(
        certificatePem=Path(device.certificate).read_text(), status="ACTIVE"
    )
    document = fleet.policy(*(statements or (fleet.MAY_ALL,)))
    name = f"of-{device.client_id}"
    iot.create_policy(policyName=name, policyDocument=document)
    iot.attach_policy(policyName=name, target=made["certificateArn"])


def why(sandbox: Sandbox, device: Device) -> str:
    """Why the device's last connection ended or was refused."""
    sandbox.settle()
    event = sandbox.device_log(kind="connection", certificate_id=id_of(device))[-1]
    return f"{event.outcome}: {event.reason}"


def refused(
    sandbox: Sandbox, listener: Listener, device: Device, server_name: str | None, reason: str
) -> None:
    visit = device.visit(listener, server_name)
    assert not visit.accepted, visit
    assert visit.attempts == 2
    assert reason in why(sandbox, device)
    assert why(sandbox, device).startswith("refused: ")


# --- the main job


def test_one_device_in_three_accounts(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    modes = {ONE: "SNI_ONLY", TWO: "SNI_ONLY", THREE: "DEFAULT"}
    for account, mode in modes.items():
        config = fleet.jitp(aws, account)
        register(aws, maker.ca, account, mode, registrationConfig=config)
    device = maker.device("sensor-1")
    hosts = {account: endpoint(aws, account) for account in modes}
    assert len(set(hosts.values())) == 3
    for account, host in hosts.items():
        visit = device.visit(listener, host, topic="sensor-1/up")
        assert (visit.accepted, visit.attempts) == (True, 2)
        assert visit.received == (("sensor-1/up", b"hello"),)
        iot = aws.iot(account)
        held = iot.describe_certificate(certificateId=id_of(device))["certificateDescription"]
        assert held["status"] == "ACTIVE"
        thing = iot.describe_thing(thingName="sensor-1")
        assert thing["attributes"] == {"maker": "Example", "account": account}
        principals = iot.list_thing_principals(thingName="sensor-1")["principals"]
        assert principals == [held["certificateArn"]]
        by_ca = iot.list_certificates_by_ca(caCertificateId=maker.ca.id)["certificates"]
        assert [c["certificateId"] for c in by_ca] == [id_of(device)]
        again = device.visit(listener, host)
        assert (again.accepted, again.attempts) == (True, 1)
    outcomes = [(e.account, e.outcome) for e in sandbox.device_log(kind="connection")]
    for account in modes:
        assert [o for a, o in outcomes if a == account][:2] == ["provisioned", "connected"]


def test_device_without_server_name_needs_default_mode(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    device = maker.device("sensor-1", chain=True)
    for account in (ONE, TWO):
        register(aws, maker.ca, account, registrationConfig=fleet.jitp(aws, account))
    refused(sandbox, listener, device, None, "only in SNI_ONLY")
    register(aws, maker.ca, THREE, "DEFAULT", registrationConfig=fleet.jitp(aws, THREE))
    visit = device.visit(listener, None, topic="sensor-1/up")
    assert (visit.accepted, visit.attempts, len(visit.received)) == (True, 2, 1)
    for account, count in ((ONE, 0), (TWO, 0), (THREE, 1)):
        assert len(aws.iot(account).list_certificates()["certificates"]) == count


def test_known_sni_only_device_needs_a_server_name(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1", chain=True)
    assert device.visit(listener, endpoint(aws)).accepted
    refused(sandbox, listener, device, None, "sent no server name (SNI)")


def test_new_device_without_server_name_must_send_the_ca(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, mode="DEFAULT", registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1")
    refused(sandbox, listener, device, None, "it must send its CA's certificate")
    assert device.visit(listener, endpoint(aws)).accepted
    assert device.visit(listener, None).attempts == 1  # known by now


def test_server_name_selects_the_account_in_both_modes(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, ONE, "DEFAULT", registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1", chain=True)
    refused(sandbox, listener, device, endpoint(aws, TWO), "has signed the device's")
    refused(sandbox, listener, device, "nobody-ats.iot.eu-west-1.amazonaws.com", "no account has")
    assert device.visit(listener, endpoint(aws, ONE)).accepted


def test_regions_are_separate(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    other_listener = sandbox.devices(OTHER_REGION)
    assert other_listener.port != listener.port
    assert sandbox.devices(OTHER_REGION).port == other_listener.port
    config = fleet.jitp(aws, ONE, OTHER_REGION)
    register(aws, maker.ca, ONE, "DEFAULT", region=OTHER_REGION, registrationConfig=config)
    register(aws, maker.ca, ONE, registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1", chain=True)
    refused(sandbox, listener, device, None, "only in SNI_ONLY")
    host = endpoint(aws, ONE, OTHER_REGION)
    with pytest.raises(Closed, match="certificate"):  # no certificate for a name elsewhere
        device.connect(listener, host)
    assert device.visit(other_listener, None).accepted
    assert device.visit(other_listener, host).attempts == 1
    assert device.visit(listener, endpoint(aws)).attempts == 2


def test_a_device_on_the_command_line(
    aws: Clients,
    listener: Listener,
    maker: Maker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1", chain=True)
    trusted = tmp_path / "server-ca.pem"
    trusted.write_text(listener.ca_pem)
    arguments = [
        "--certificate", str(device.certificate), "--key", str(device.key),
        "--client-id", "sensor-1", "--address", f"{listener.host}:{listener.port}",
        "--ca", str(trusted),
    ]  # fmt: skip
    assert (
        device_command([*arguments, "--server-name", endpoint(aws), "--topic", "sensor-1/up"]) == 0
    )
    assert capsys.readouterr().out == "accepted at attempt 2\nsensor-1/up: hello\n"
    assert device_command([*arguments, "--attempts", "2", "--pause", "0.1"]) == 1
    said = capsys.readouterr()
    assert said.out == "refused at attempt 2\n"
    assert "the server closed the connection" in said.err


def test_the_command_line_tries_long_enough_for_a_function(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        device_command(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "how many connections at most (default: 15)" in said
    assert "seconds between two connections (default: 1)" in said
    assert "(default: none; no SNI is sent)" in said


def test_a_device_pauses_between_two_connections(
    listener: Listener, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tools.device.time.sleep", pauses.append)
    visit = maker.device("sensor-1").visit(listener, None, attempts=3, pause=7)
    assert (visit.accepted, visit.attempts) == (False, 3)
    assert pauses == [7, 7]


# --- the CA


def test_inactive_ca_admits_known_devices_only(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    old, new = maker.device("old"), maker.device("new")
    host = endpoint(aws)
    assert old.visit(listener, host).accepted
    aws.iot().update_ca_certificate(certificateId=maker.ca.id, newStatus="INACTIVE")
    assert old.visit(listener, host).attempts == 1
    refused(sandbox, listener, new, host, "is INACTIVE")
    aws.iot().delete_ca_certificate(certificateId=maker.ca.id)
    assert old.visit(listener, host).attempts == 1
    refused(sandbox, listener, new, host, "no CA certificate registered")


def test_without_auto_registration_new_devices_stay_out(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, allowAutoRegistration=False)
    device = maker.device("sensor-1")
    refused(sandbox, listener, device, endpoint(aws), "has auto-registration disabled")
    assert aws.iot().list_certificates()["certificates"] == []


def test_ca_with_same_name_and_other_key_is_ignored(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, new_ca("Fleet CA"), registrationConfig=fleet.jitp(aws, ONE))
    refused(sandbox, listener, maker.device("sensor-1", chain=True), endpoint(aws), "has signed")


# --- the device's certificate


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_device_certificate_must_be_active(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker, status: str
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device = maker.device("sensor-1")
    host = endpoint(aws)
    assert device.visit(listener, host).accepted
    with device.connect(listener, host) as session:
        aws.iot().update_certificate(certificateId=id_of(device), newStatus=status)
        assert session.wait_for_end()
    assert f"the device certificate is {status}" in why(sandbox, device)
    refused(sandbox, listener, device, host, f"the device certificate is {status}")


def test_validity_of_the_device_certificate(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    host = endpoint(aws)
    expired = maker.device("expired", start=NOW - 3 * DAY, end=NOW - DAY)
    refused(sandbox, listener, expired, host, "has expired")
    early = maker.device("early", start=NOW + DAY)
    refused(sandbox, listener, early, host, "not yet valid")


# --- JITP


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("parameter", "no value for AWS::IoT::Certificate::SerialNumber"),
        ("role", "may not iot:"),
        ("template", "no enabled template fleet"),
        ("trust", "does not trust iot.amazonaws.com"),
    ],
)
def test_failed_provisioning_leaves_certificate_pending(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker, change: str, reason: str
) -> None:
    body = json.loads(fleet.template_body(ONE))
    if change == "parameter":
        body["Parameters"]["AWS::IoT::Certificate::SerialNumber"] = {"Type": "String"}
    config = fleet.jitp(aws, ONE, body=json.dumps(body))
    register(aws, maker.ca, registrationConfig=config)
    if change == "role":
        aws.iam().detach_role_policy(RoleName=f"jitp-{REGION}", PolicyArn=fleet.THINGS_REGISTRATION)
    if change == "template":
        aws.iot().update_provisioning_template(templateName="fleet", enabled=False)
    if change == "trust":  # it isn't known whether AWS IoT says whom it provisions for
        trust = json.loads(fleet.trust("iot.amazonaws.com"))
        trust["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": ONE}}
        aws.iam().update_assume_role_policy(
            RoleName=f"jitp-{REGION}", PolicyDocument=json.dumps(trust)
        )
    device = maker.device("sensor-1")
    assert not device.visit(listener, endpoint(aws)).accepted
    sandbox.settle()
    first, second = sandbox.device_log(kind="connection")
    assert first.outcome == "provisioning-failed"
    assert reason in str(first.reason)
    assert second.reason == "the device certificate is PENDING_ACTIVATION"
    assert aws.iot().list_things()["things"] == []
    assert aws.iot().list_policies()["policies"] == []
    if change == "template":  # as the README of modules/jitp lets a device in
        aws.iot().update_provisioning_template(templateName="fleet", enabled=True)
        assert not device.visit(listener, endpoint(aws)).accepted
        aws.iot().delete_certificate(certificateId=fleet.id_of(device))
        assert device.visit(listener, endpoint(aws)).accepted


def test_a_late_template_is_carried_out_unless_the_device_is_gone(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device, deleted, host = maker.device("sensor-1"), maker.device("sensor-2"), endpoint(aws, ONE)
    sandbox.delay_provisioning(0.5)
    for pending in (device, deleted):
        assert not pending.visit(listener, host).accepted
        certificate = aws.iot().describe_certificate(certificateId=id_of(pending))
        assert certificate["certificateDescription"]["status"] == "PENDING_ACTIVATION"
    aws.iot().delete_certificate(certificateId=id_of(deleted))
    sandbox.settle()

    assert device.visit(listener, host, attempts=1).accepted
    (failed,) = sandbox.device_log(outcome="provisioning-failed")
    assert (failed.certificate_id, failed.reason) == (id_of(deleted), "the certificate was deleted")


def test_template_body_and_role_provision_like_a_template(
    aws: Clients, listener: Listener, maker: Maker
) -> None:
    role = fleet.provisioning_role(aws, ONE)
    config = {"templateBody": fleet.template_body(ONE), "roleArn": role}
    register(aws, maker.ca, registrationConfig=config)
    assert maker.device("sensor-1").visit(listener, endpoint(aws)).accepted


def test_a_new_certificate_for_an_old_thing(aws: Clients, listener: Listener, maker: Maker) -> None:
    body = fleet.template_body(ONE, OverrideSettings={"AttributePayload": "MERGE"})
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE, body=body))
    aws.iot().create_thing(
        thingName="sensor-1", attributePayload={"attributes": {"maker": "Old", "shelf": "3"}}
    )
    for _ in range(2):
        assert maker.device("sensor-1").visit(listener, endpoint(aws), topic="sensor-1/up").received
    thing = aws.iot().describe_thing(thingName="sensor-1")
    assert thing["attributes"] == {"maker": "Example", "shelf": "3", "account": ONE}
    assert len(aws.iot().list_thing_principals(thingName="sensor-1")["principals"]) == 2
    assert len(aws.iot().list_policies()["policies"]) == 1


def test_an_old_thing_needs_override_settings_in_the_template(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE, body=fleet.template_body(ONE)))
    assert maker.device("sensor-1").visit(listener, endpoint(aws)).accepted
    assert not maker.device("sensor-1").visit(listener, endpoint(aws)).accepted
    sandbox.settle()
    assert "the thing sensor-1 is already there" in [
        entry.reason for entry in sandbox.device_log(kind="connection")
    ]


def test_an_old_thing_without_room_is_not_provisioned(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    body = fleet.template_body(ONE, OverrideSettings={"AttributePayload": "MERGE"})
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE, body=body))
    full = {"maker": "Old", "shelf": "3", "room": "4"}
    aws.iot().create_thing(thingName="sensor-1", attributePayload={"attributes": full})
    assert not maker.device("sensor-1").visit(listener, endpoint(aws)).accepted
    sandbox.settle()
    first, _ = sandbox.device_log(kind="connection")
    assert first.outcome == "provisioning-failed"
    assert "without a thing type can have up to 3 attributes, not 4" in str(first.reason)
    assert aws.iot().describe_thing(thingName="sensor-1")["attributes"] == full


# --- policies and messages


def test_device_without_policy_is_refused(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    device = maker.device("sensor-1")
    known(aws, device)
    aws.iot().detach_policy(
        policyName="of-sensor-1",
        target=f"arn:aws:iot:{REGION}:{ONE}:cert/{id_of(device)}",
    )
    refused(sandbox, listener, device, endpoint(aws), "allows iot:Connect on client/sensor-1")


def test_forbidden_action_ends_the_connection(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    device = maker.device("sensor-1")
    iot = f"arn:aws:iot:{REGION}:{ONE}"
    known(
        aws, device, ONE,
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{iot}:client/${{iot:ClientId}}"},
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": f"{iot}:topic/up/*"},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": f"{iot}:topicfilter/up/*"},
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": f"{iot}:topic/up/loud"},
    )  # fmt: skip
    host = endpoint(aws)
    with device.connect(listener, host) as session:
        assert session.subscribe("up/#")
        for topic in ("up/quiet", "up/loud"):
            assert session.publish(topic, b"x")
        assert session.wait_for_message()
        assert [topic for topic, _ in session.received] == ["up/loud"]
        assert not session.publish("down/1", b"x")
        assert session.lost
    assert "may not iot:Publish on topic/down/1" in why(sandbox, device)
    with device.connect(listener, host) as session:
        assert not session.subscribe("#")
    assert "may not iot:Subscribe to topicfilter/#" in why(sandbox, device)
    with device.connect(listener, host) as session:
        assert not session.publish("$aws/events/certificates/registered/1", b"{}")


def test_messages_stay_within_the_account(aws: Clients, listener: Listener, maker: Maker) -> None:
    here, there, elsewhere = (maker.device(n) for n in ("here", "there", "elsewhere"))
    known(aws, here)
    known(aws, there)
    known(aws, elsewhere, TWO)
    with (
        there.connect(listener, endpoint(aws)) as near,
        elsewhere.connect(listener, endpoint(aws, TWO)) as far,
        here.connect(listener, endpoint(aws)) as sender,
    ):
        assert near.subscribe("a/+/c")
        assert far.subscribe("#")
        assert sender.publish("a/b/c", b"1" * 20_000, qos=1)
        assert sender.publish("a/b/c", b"2", qos=0)
        assert near.wait_for_message(2)
        assert near.received == [("a/b/c", b"1" * 20_000), ("a/b/c", b"2")]
        assert far.publish("end", b"")
        assert far.wait_for_message()
        assert far.received == [("end", b"")]


def test_client_id_has_one_connection(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    device = maker.device("sensor-1")
    known(aws, device)
    with (
        device.connect(listener, endpoint(aws)) as first,
        device.connect(listener, endpoint(aws)) as second,
    ):
        assert first.wait_for_end()
        assert second.publish("still/here", b"x")
    assert "another connection has its client ID" in [
        e.reason for e in sandbox.device_log(outcome="disconnected")
    ]


def test_a_reset_ends_connections(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    device = maker.device("sensor-1")
    known(aws, device)
    with device.connect(listener, endpoint(aws)) as session:
        sandbox.reset()
        assert session.wait_for_end()
    assert sandbox.devices(REGION) == listener


def test_silent_device_is_dropped_and_last_will_published(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    silent, friend = maker.device("silent"), maker.device("friend")
    known(aws, silent)
    known(aws, friend)
    will = b"\x00\x04gone\x00\x02me"
    connect = b"\x00\x04MQTT\x04\x06\x00\x01\x00\x06silent" + will  # keeps alive for a second
    context = silent.context(listener.ca_pem, endpoint(aws))
    with (
        friend.connect(listener, endpoint(aws)) as session,
        socket.create_connection((listener.host, listener.port), 10) as sock,
        context.wrap_socket(sock) as tls,
    ):
        assert session.subscribe("gone")
        tls.sendall(bytes([0x10, len(connect)]) + connect)
        assert tls.recv(4) == b"\x20\x02\x00\x00"
        tls.sendall(b"\xc0\x00")
        assert tls.recv(2) == b"\xd0\x00"
        assert tls.recv(1) == b""
        assert session.wait_for_message()
        assert session.received == [("gone", b"me")]
    assert why(sandbox, silent) == "disconnected: nothing was heard of it"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x1e\x00\x01a",  # MQTT 5
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x1e\x00\x00",  # no client ID
    ],
)
def test_other_protocols_get_no_answer(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker, data: bytes
) -> None:
    device = maker.device("sensor-1")
    known(aws, device)
    context = device.context(listener.ca_pem, endpoint(aws))
    answer = b""
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection((listener.host, listener.port), 5) as sock,
        context.wrap_socket(sock) as tls,
    ):
        tls.sendall(data)
        answer = tls.recv(1)
    assert answer == b""
    assert why(sandbox, device).startswith("refused: ")


def test_concurrent_first_contacts_register_once(
    sandbox: Sandbox, aws: Clients, listener: Listener, maker: Maker
) -> None:
    register(aws, maker.ca, registrationConfig=fleet.jitp(aws, ONE))
    device, host = maker.device("sensor-1"), endpoint(aws)
    context = device.context(listener.ca_pem, host)

    def knock(_: int) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((listener.host, listener.port), 3) as sock,
            context.wrap_socket(sock) as tls,
        ):
            tls.recv(1)  # the end; who is known by then could begin to talk MQTT, and leaves

    with ThreadPoolExecutor(8) as pool:
        visits = list(pool.map(knock, range(8), timeout=60))
    assert len(visits) == 8
    sandbox.settle()
    assert len(sandbox.device_log(outcome="provisioned")) == 1
    assert len(aws.iot().list_certificates()["certificates"]) == 1
    assert aws.iot().list_things()["things"][0]["thingName"] == "sensor-1"


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"region": "no where"},
        *({"region": REGION, "port": port} for port in (-1, 65536, True, 0.0, "0", None)),
    ],
)
def test_invalid_listeners_are_refused(sandbox: Sandbox, wanted: Any) -> None:
    with pytest.raises(SandboxError, match="400"):
        sandbox.devices(**{"region": "", **wanted})


def test_settle_refuses_invalid_seconds(sandbox: Sandbox) -> None:
    for seconds in (True, "1", None):
        with pytest.raises(SandboxError, match="400"):
            sandbox.settle(seconds)  # type: ignore[arg-type]


# --- the server


def test_client_without_certificate_fails_in_tls(
    sandbox: Sandbox, aws: Clients, listener: Listener
) -> None:
    context = ssl.create_default_context(cadata=listener.ca_pem)
    answer = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((listener.host, listener.port), 5) as sock,
        context.wrap_socket(sock, server_hostname=endpoint(aws)) as tls,
    ):
        tls.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x1e\x00\x01a")
        answer = tls.recv(1)
    assert answer == b""
    deadline = time.monotonic() + 60
    while not (log := sandbox.device_log()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log[0].reason == "TLS: peer did not return a certificate"


def test_devices_listen_on_loopback_only(listener: Listener) -> None:
    assert listener.host == "127.0.0.1"
    with socket.socket() as another:
        another.settimeout(2)
        assert another.connect_ex(("127.0.0.2", listener.port)) != 0


def test_each_account_has_endpoints(aws: Clients) -> None:
    host = endpoint(aws)
    assert host == endpoint(aws)
    assert host.endswith(f"-ats.iot.{REGION}.amazonaws.com")
    assert endpoint(aws, ONE, OTHER_REGION).partition("-")[0] == host.partition("-")[0]
    jobs = aws.iot().describe_endpoint(endpointType="iot:Jobs")["endpointAddress"]
    assert jobs == f"{host.partition('-')[0]}.jobs.iot.{REGION}.amazonaws.com"
