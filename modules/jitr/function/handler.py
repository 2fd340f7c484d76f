"""The entry point: AWS Lambda calls `handler` with what the rule sends.

Whatever raises is tried again by Lambda, twice, and then goes to the dead letters with its message.
Each call writes one line of JSON that says how it ended; no line holds a certificate.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from .event import event_of
from .hook import Answer, ask
from .metrics import devices_refused
from .provisioning import Ask, Outcome, provision
from .settings import Settings, read_settings

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_lambda import LambdaClient

USER_AGENT = "iot-ca-jitr"
# Within the function's timeout there is room for waiting a little where AWS IoT throttles, as it
# does when many devices come at once.
IOT = Config(
    user_agent_extra=USER_AGENT,
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 5},
)
# boto3 asks once: a hook that is slow has heard the question. One that Lambda throttles has not,
# and `ask` waits for it.
HOOK = Config(
    user_agent_extra=USER_AGENT,
    connect_timeout=3,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 1},
)


def handler(event: object, context: object) -> dict[str, Any]:
    """Provision the device of one event, or of one dead letter.

    Returns how it ended, as it is logged; a device that was refused for good is not an error.
    Raises for everything that must be tried again or kept.
    """
    facts: dict[str, Any] = {"requestId": getattr(context, "aws_request_id", None)}
    try:
        settings = read_settings(os.environ)
        found = event_of(event)
        facts["certificateId"] = found["certificateId"]
        iot: IoTClient = _client("iot", None, IOT)
        outcome = provision(found, settings, iot, _asker(settings))
    except Exception as error:
        _log("ERROR", **facts, outcome="failed", error=type(error).__name__, message=str(error))
        raise
    facts |= _facts(outcome)
    if outcome.outcome == "refused":
        _log("WARN", **facts, **_refused(context))
    else:
        _log("INFO", **facts)
    return facts


def _refused(context: object) -> dict[str, Any]:
    """The metric of a refused device; none outside of Lambda, which names the function."""
    name = getattr(context, "function_name", None)
    return {} if name is None else devices_refused(name, time.time())


def _asker(settings: Settings) -> Ask:
    arn = settings.hook_function_arn
    if arn is None:
        return lambda _: Answer(allowed=True)

    def asker(question: Mapping[str, Any]) -> Answer:
        # It may be in another region than the devices are.
        client: LambdaClient = _client("lambda", arn.split(":")[3], HOOK)
        return ask(client, arn, question)

    return asker


def _client(service: str, region: str | None, config: Config) -> Any:
    """A client of boto3's default chain; the one made before where all of that is the same."""
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return _new_client(service, region, config, tuple(sorted(environment.items())))


# Making one takes longer than all the calls of a run, and Lambda keeps the process between runs.
@functools.lru_cache(maxsize=16)
def _new_client(
    service: str, region: str | None, config: Config, _environment: tuple[tuple[str, str], ...]
) -> Any:
    # A session of its own: the default one would keep the credentials of the first call.
    session = boto3.session.Session()
    return session.client(service, region_name=region, config=config)  # type: ignore[call-overload]


def _facts(outcome: Outcome) -> dict[str, Any]:
    named = {
        "outcome": outcome.outcome,
        "status": outcome.status,
        "thingName": outcome.thing_name,
        "cause": outcome.cause,
        "reason": outcome.reason,
        "subject": outcome.subject,
        "serialNumber": outcome.serial_number,
    }
    return {name: value for name, value in named.items() if value}


def _log(level: str, **facts: Any) -> None:
    # JSON has no line break inside a text: what others have written cannot forge a line.
    print(json.dumps({"level": level, **facts}), flush=True)
