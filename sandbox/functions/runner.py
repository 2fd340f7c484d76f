"""Calls of Lambda functions, at once and later, and what the log says of them.

Sources: AWS Lambda developer guide, "Invoking a function asynchronously" (two more tries), "Using
resource-based policies".
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sandbox.device_log import DeviceEvent, DeviceLog
from sandbox.functions.failed_events import FailedEvent, failed_events
from sandbox.functions.messages import send
from sandbox.functions.models import find_function
from sandbox.functions.process import FunctionOutcome, prepare, run
from sandbox.identity.policies import verdict_of
from sandbox.identity.principals import ServicePrincipal
from sandbox.identity.service_roles import NotAllowed, assumable, source

MORE_TRIES = 2
PAUSES_SECONDS = (0.2, 0.4)  # AWS waits one and two minutes


class Functions:
    """Calls functions. ``lock`` guards moto's state and isn't held while a function runs.

    Only if ``enabled``: the server believes everyone, other users of the machine too, and a
    function runs with the rights of the user who started the server.
    """

    def __init__(
        self,
        lock: AbstractContextManager[Any],
        endpoint: Callable[[], str],
        log: DeviceLog,
        enabled: Callable[[], bool],
    ) -> None:
        self._lock = lock
        self._enabled = enabled
        self._endpoint = endpoint
        self._log = log

    def find(self, account: str, region: str, name: str, qualifier: str | None) -> Any | None:
        """Return moto's function of this name or ARN; None without one."""
        with self._lock:
            return find_function(account, region, name, qualifier)

    def find_for_rule(self, function_arn: str, rule_arn: str) -> Any:
        """Return the function that a topic rule calls. Takes no lock.

        Raises NotAllowed if it does not exist, or if its policy does not let the rule in.
        """
        account, region = rule_arn.split(":")[4], rule_arn.split(":")[3]
        function = find_function(account, region, function_arn)
        if function is None:
            raise NotAllowed(f"the function {function_arn} does not exist")
        if not lets_rule_in(function.policy.statements, function_arn, rule_arn):
            raise NotAllowed(f"the policy of {function_arn} does not let iot.amazonaws.com call it")
        return function

    def invoke(self, function: Any, event: Any) -> FunctionOutcome:
        """Call a function once and wait for it."""
        request_id, era = str(uuid.uuid4()), self._log.era
        try:
            if not self._enabled():
                raise NotAllowed("the sandbox runs functions only if started with --run-functions")
            with self._lock:
                invocation = prepare(function, request_id, self._endpoint())
            outcome = run(invocation, event)
        except (NotAllowed, zipfile.BadZipFile) as problem:
            error = {"errorMessage": str(problem), "errorType": "AccessDeniedException"}
            outcome = FunctionOutcome(None, error, "")
        reason = None if outcome.error is None else str(outcome.error["errorMessage"])
        self._record(function, reason, era, outcome.log)
        self._write_log(function, reason, outcome.log)
        return outcome

    def _write_log(self, function: Any, reason: str | None, printed: str) -> None:
        """Write what a call printed to CloudWatch Logs, if the function's role may."""
        from sandbox.functions import logs

        lines = [line for line in printed.splitlines() if line.strip()]
        lines += [] if reason is None else [f"[ERROR] {reason}"]
        with self._lock, contextlib.suppress(NotAllowed):
            role = assumable(function.role, function.account_id, "lambda.amazonaws.com")
            group = f"/aws/lambda/{function.function_name}"
            if lines:
                logs.write(role, function.region, group, "[$LATEST]", lines)

    def invoke_later(self, function: Any, event: Any) -> None:
        """Call a function in the background, again if it fails; at last send its event on."""
        self._log.begin()
        threading.Thread(
            target=self._invoke_until_success, args=(function, event), daemon=True
        ).start()

    def _invoke_until_success(self, function: Any, event: Any) -> None:
        era = self._log.era
        try:
            if str(function.reserved_concurrency) == "0":
                return  # throttled: Lambda keeps the event and tries for up to six hours
            config = function.event_invoke_config
            settings: dict[str, Any] = config[-1].config if config else {}
            tries = 1 + int(settings.get("MaximumRetryAttempts", MORE_TRIES))
            for number in range(tries):
                if number:
                    time.sleep(PAUSES_SECONDS[number - 1])
                if self._log.era != era:
                    return  # the sandbox was reset
                outcome = self.invoke(function, event)
                if outcome.error is None:
                    return
            assert outcome.error is not None
            for failed in failed_events(function, event, outcome.error, tries, settings):
                self._send(function, failed)
        finally:
            self._log.end()

    def _send(self, function: Any, failed: FailedEvent) -> None:
        try:
            with self._lock:
                role = assumable(function.role, function.account_id, "lambda.amazonaws.com")
                send(failed.target, failed.body, role, failed.attributes)
        except NotAllowed as problem:
            self._record(function, f"its event is lost: {problem}", self._log.era)

    def _record(
        self, function: Any, reason: str | None, era: int, printed: str | None = None
    ) -> None:
        """Write to the log that a call succeeded, or failed for ``reason``."""
        outcome = "succeeded" if reason is None else "failed"
        event = DeviceEvent(
            "function",
            outcome,
            function.region,
            function.account_id,
            name=function.function_name,
            reason=reason,
            log=printed,
        )
        self._log.add(event, era)


def lets_rule_in(statements: list[dict[str, Any]], function_arn: str, rule_arn: str) -> bool:
    """Return whether a function's policy lets a topic rule call it.

    function_arn: as the rule names it.
    """
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    caller = ServicePrincipal("iot.amazonaws.com")
    context = source(rule_arn)
    return verdict_of(policy, caller, "lambda:InvokeFunction", function_arn, context) is True
