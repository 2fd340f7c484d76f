"""The control requests: JSON over HTTP below ``/_sandbox/``, for tests and the demo.

What each does is in the README, "Control".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata

from werkzeug.wrappers import Response

from sandbox.identity.service_roles import Propagation
from sandbox.iot.applied_quotas import AppliedQuotas
from sandbox.iot.delays import Delays
from sandbox.iot.events import EventConfigurations
from sandbox.server.faults import parse_fault
from sandbox.server.local_aws import LocalAws
from sandbox.server.quotas import parse_rate
from sandbox.server.requests import ApiRequest

PREFIX = "/_sandbox/"
REGION = re.compile(r"[a-z]+(-[a-z]+)+-\d")
PORTS = range(65536)

Action = Callable[[LocalAws, ApiRequest], Response]


def respond(aws: LocalAws, request: ApiRequest) -> Response:
    """Answer a control request; 404 for one that doesn't exist."""
    action = ACTIONS.get((request.method, request.path.removeprefix(PREFIX)))
    if action is None:
        return _json({"error": f"no {request.method} {request.path}"}, 404)
    return action(aws, request)


def _json(document: object, status: int = 200) -> Response:
    body = json.dumps(document, indent=2) + "\n"
    return Response(body, status, content_type="application/json")


def _health(aws: LocalAws, _: ApiRequest) -> Response:
    return _json(
        {
            "server": "sandbox of terraform-aws-iot-ca",
            "moto": metadata.version("moto"),
            "pid": os.getpid(),
            "started": aws.started,
        }
    )


def _order_fault(aws: LocalAws, request: ApiRequest) -> Response:
    try:
        fault = parse_fault(request.json_object)
    except ValueError as error:
        return _json({"error": str(error)}, 400)
    aws.faults.order(fault)
    return _json(asdict(fault), 201)


def _enforce_quotas(aws: LocalAws, request: ApiRequest) -> Response:
    try:
        rate = parse_rate(request.json_object)
    except ValueError as error:
        return _json({"error": str(error)}, 400)
    aws.quotas.enforce(rate)
    return _json(asdict(rate), 201)


def _enforce_permissions(aws: LocalAws, request: ApiRequest) -> Response:
    account = str(request.json_object.get("account"))
    if not re.fullmatch(r"[0-9]{12}", account):
        return _json({"error": "account must have twelve digits"}, 400)
    aws.enforced.add(account)
    return _json({})


def _delay(owner: type, name: str) -> Action:
    """Return the action that sets the delay `name` of a class."""

    def run(_: LocalAws, request: ApiRequest) -> Response:
        seconds = request.json_object.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            return _json({"error": "seconds must be a number, at least 0"}, 400)
        setattr(owner, name, seconds)
        return _json({})

    return run


def _count_event_configurations(_: LocalAws) -> None:
    EventConfigurations.count = True


def _omit_applied_quotas(_: LocalAws) -> None:
    AppliedQuotas.available = False


def _listen_for_devices(aws: LocalAws, request: ApiRequest) -> Response:
    region = str(request.json_object.get("region"))
    port = request.json_object.get("port", 0)
    # A bool and a whole float are in a range, too.
    if not REGION.fullmatch(region) or type(port) is not int or port not in PORTS:
        return _json({"error": "region, and port if wanted, are needed"}, 400)
    gateway = aws.devices.gateway()
    try:
        port = gateway.listen(region, port)
    except OSError as error:
        return _json({"error": f"port {port}: {error.strerror}"}, 400)
    listener = {"region": region, "host": gateway.host, "port": port}
    return _json({**listener, "ca_pem": gateway.authority.pem}, 201)


def _settle(aws: LocalAws, request: ApiRequest) -> Response:
    seconds = request.json_object.get("seconds", 20)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return _json({"error": "seconds must be a number"}, 400)
    return _json({"settled": aws.devices.log.settle(seconds)})


def _then_nothing(action: Callable[[LocalAws], None]) -> Action:
    """Return ``action`` as one that answers with an empty object."""

    def run(aws: LocalAws, _: ApiRequest) -> Response:
        action(aws)
        return _json({})

    return run


ACTIONS: dict[tuple[str, str], Action] = {
    ("GET", "health"): _health,
    ("GET", "calls"): lambda aws, request: _json({"calls": aws.calls.matching(request.parameters)}),
    ("DELETE", "calls"): _then_nothing(lambda aws: aws.calls.forget()),
    ("GET", "faults"): lambda aws, _: _json({"faults": aws.faults.pending()}),
    ("POST", "faults"): _order_fault,
    ("DELETE", "faults"): _then_nothing(lambda aws: aws.faults.forget()),
    ("POST", "quotas"): _enforce_quotas,
    ("DELETE", "quotas"): _then_nothing(lambda aws: aws.quotas.enforce(None)),
    ("POST", "default-quotas"): _then_nothing(_omit_applied_quotas),
    ("POST", "event-configurations"): _then_nothing(_count_event_configurations),
    ("POST", "role-delay"): _delay(Propagation, "seconds"),
    ("POST", "detachment-delay"): _delay(Delays, "detachment"),
    ("POST", "provisioning-delay"): _delay(Delays, "provisioning"),
    ("GET", "permissions"): lambda aws, _: _json({"accounts": sorted(aws.enforced)}),
    ("POST", "permissions"): _enforce_permissions,
    ("POST", "devices"): _listen_for_devices,
    ("GET", "devices/log"): lambda aws, request: _json(
        {"events": aws.devices.log.matching(request.parameters)}
    ),
    ("DELETE", "devices/log"): _then_nothing(lambda aws: aws.devices.log.forget()),
    ("POST", "devices/settle"): _settle,
    ("POST", "reset"): _then_nothing(lambda aws: aws.reset()),
}
