"""Messages: to the devices that have subscribed, and to the topic rules of the account."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from sandbox.device_log import DeviceEvent, DeviceLog
from sandbox.devices import mqtt, topic_rules
from sandbox.functions.messages import send
from sandbox.functions.runner import Functions
from sandbox.identity.service_roles import NotAllowed, assumable, require, source
from sandbox.iot.backend import backend_of


class Subscriber(Protocol):
    """A connected device."""

    def wants(self, topic: str) -> int | None:
        """Return the QoS at which the device has subscribed to ``topic``; None if it hasn't."""

    def may(self, action: str, kind: str, name: str) -> bool:
        """Return whether the device's policies allow an action. Called under the lock."""

    def deliver(self, message: mqtt.Message) -> None:
        """Send a message to the device."""

    def end(self, reason: str) -> None:
        """Make the connection end soon; from any thread."""


class Broker:
    """All connected devices. ``lock`` guards moto's state and them."""

    def __init__(
        self, lock: AbstractContextManager[Any], functions: Functions, log: DeviceLog
    ) -> None:
        self.lock = lock
        self.log = log
        self._functions = functions
        # By account, region and client ID: AWS lets one connection have a client ID.
        self.connected: dict[tuple[str, str, str], Subscriber] = {}

    def disconnect_all(self, reason: str) -> None:
        """End every connection."""
        with self.lock:
            connected = list(self.connected.values())
        for device in connected:
            device.end(reason)

    def publish(
        self, account: str, region: str, message: mqtt.Message, client_id: str = "N/A"
    ) -> None:
        """Hand a message to the subscribers and the topic rules of an account."""
        arrived = topic_rules.ReceivedMessage(message.topic, message.payload, client_id)
        era = self.log.era
        with self.lock:
            rules = list(backend_of(account, region).rules.values())
            receivers = [
                (device, qos)
                for (owner, device_region, _), device in self.connected.items()
                if (owner, device_region) == (account, region)
                and (qos := device.wants(message.topic)) is not None
                and device.may("iot:Receive", "topic", message.topic)
            ]
        for device, qos in receivers:
            device.deliver(replace(message, qos=min(qos, message.qos)))
        for rule in rules:
            for problem in topic_rules.run(rule, arrived, functools.partial(self._act, rule)):
                name = rule.rule_name
                event = DeviceEvent("rule", "failed", region, account, name, reason=problem)
                self.log.add(event, era)

    def _act(self, rule: Any, name: str, settings: Mapping[str, Any], data: Any) -> None:
        """Carry out an action of a topic rule. Raise ActionFailed."""
        account, region = rule.account_id, rule.region_name
        try:
            with self.lock:
                if name == "lambda":
                    function = self._functions.find_for_rule(settings["functionArn"], rule.arn)
                    self._functions.invoke_later(function, data)
                    return
                role_arn = settings.get("roleArn", "")
                role = assumable(role_arn, account, "iot.amazonaws.com", source(rule.arn))
                body = json.dumps(data)
                if name == "sqs":
                    *_, owner, queue = settings["queueUrl"].split("/")
                    target = f"arn:{role.arn.split(':')[1]}:sqs:{region}:{owner}:{queue}"
                    send(target, body, role)
                elif name == "sns":
                    send(settings["targetArn"], body, role)
                elif name == "republish":
                    topic = mqtt.checked_topic(settings["topic"])
                    require(role, "iot:Publish", backend_of(account, region).arn_of("topic", topic))
                else:
                    raise topic_rules.ActionFailed(f"the sandbox has no action {name}")
            if name == "republish":
                self.publish(account, region, mqtt.Message(topic, body.encode(), 1))
        except (NotAllowed, mqtt.Malformed) as problem:
            raise topic_rules.ActionFailed(str(problem)) from None
