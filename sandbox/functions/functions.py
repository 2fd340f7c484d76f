"""Lambda functions that run: Python from the uploaded zip, in a process of its own.

moto runs functions in Docker, which isn't to be had everywhere. Here the code never gets into the
server: it runs in a child with the function's environment variables and the credentials of its
role, and reaches nothing but the sandbox unless it wants to. Sources: AWS Lambda developer guide,
"Invoking a function asynchronously" (two more tries, dead-letter queue, destinations), "Defined
runtime environment variables", "Using resource-based policies".
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from moto.awslambda import models
from moto.awslambda.policy import Policy as MotoPolicy
from moto.core.exceptions import JsonRESTError
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from werkzeug.wrappers import Request, Response

from sandbox.device_log import DeviceEvent, DeviceLog
from sandbox.errors import AWSError, encode_error
from sandbox.identity.policies import verdict_of
from sandbox.identity.principals import ServicePrincipal
from sandbox.identity.service_roles import NotAllowed, assumable, require, session_of, source

CHILD = Path(__file__).with_name("child.py")
MORE_TRIES = 2
PAUSES = (0.2, 0.4)  # AWS waits one and two minutes
# Starting Python and boto3 on a busy machine takes longer than it does in Lambda.
LEAST_SECONDS = 60
LOG_CHARACTERS = 4000


class Conflict(JsonRESTError):
    """ResourceConflictException."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


class Policy(MotoPolicy):
    """moto's policy of a function, which takes a statement's ID twice."""

    def add_statement(self, raw: str, qualifier: str | None = None) -> tuple[Any, str]:
        """AddPermission. Version and alias have policies of their own (API reference)."""
        before, unchanged = list(self.statements), self.revision
        added, revision = super().add_statement(raw, qualifier)
        same = {"Sid": added.get("Sid"), "Resource": added["Resource"]}
        if any(same.items() <= statement.items() for statement in before):
            self.statements, self.revision = before, unchanged
            raise Conflict(
                f"The statement id ({same['Sid']}) provided already exists. Please provide a new "
                "statement id, or remove the existing statement."
            )
        return added, revision


class Function(models.LambdaFunction):
    """moto's function, which forgets its dead-letter queue."""

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: Any = 1):
        super().__init__(account_id=account_id, spec=spec, region=region, version=version)
        self.policy = Policy(self)
        self.dead_letter_config: dict[str, str] = spec.get("DeadLetterConfig") or {}

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """What GetFunctionConfiguration and the like answer."""
        config: dict[str, Any] = super().get_configuration(on_create)
        if self.dead_letter_config.get("TargetArn"):
            config["DeadLetterConfig"] = self.dead_letter_config
        return config

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionConfiguration."""
        if "DeadLetterConfig" in config_updates:
            self.dead_letter_config = config_updates["DeadLetterConfig"] or {}
        answer: dict[str, Any] = super().update_configuration(config_updates)
        return answer


def install() -> None:
    """Makes moto use this module's functions. Called before the first call of Lambda's API."""
    setattr(models, "LambdaFunction", Function)  # noqa: B010 - the name is a class to mypy


@dataclass(frozen=True)
class Outcome:
    """What one call of a function came to: its result, or the error as Lambda words it."""

    result: Any
    error: dict[str, Any] | None
    log: str

    @property
    def payload(self) -> bytes:
        """What the caller gets."""
        return json.dumps(self.error if self.error is not None else self.result).encode()


@dataclass(frozen=True)
class _Call:
    """All that a call needs, taken from moto under the lock."""

    function: Any
    request_id: str
    environment: dict[str, str]


class Functions:
    """Calls functions. ``lock`` guards moto's state and isn't held while a function runs.

    Only if ``enabled``: the server believes everyone, other users of the machine too, and a
    function runs with the rights of the one who has started it.
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

    # --- Lambda's Invoke

    def respond(self, request: Request, account: str, region: str, name: str) -> Response:
        """Answers Invoke: at once (``RequestResponse``), or later (``Event``)."""
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        try:
            event = json.loads(request.get_data() or b"{}")
        except ValueError:
            message = "Could not parse request body into json"
            return _refused(AWSError("InvalidRequestContentException", message))
        qualifier = request.args.get("Qualifier")
        with self._lock:
            function = self._find(account, region, unquote(name), qualifier)
        if function is None:
            message = f"Function not found: {unquote(name)}"
            return _refused(AWSError("ResourceNotFoundException", message, 404))
        if kind == "DryRun":
            return Response(status=204)
        if kind == "Event":
            self.invoke_later(function, event)
            return Response(status=202)
        outcome = self.invoke(function, event)
        headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": "$LATEST"}
        if outcome.error is not None:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log.encode()).decode()
        return Response(outcome.payload, 200, headers)

    @staticmethod
    def _find(account: str, region: str, name: str, qualifier: str | None = None) -> Any | None:
        if name.startswith("arn:"):
            region, account = name.split(":")[3:5]
        try:
            return models.lambda_backends[account][region].get_function(name, qualifier)
        except Exception:  # moto's ways to say that there is none
            return None

    def find_for_rule(self, function_arn: str, rule_arn: str) -> Any:
        """The function that a topic rule may call; NotAllowed otherwise. Takes no lock."""
        account = rule_arn.split(":")[4]
        function = self._find(account, rule_arn.split(":")[3], function_arn)
        if function is None:
            raise NotAllowed(f"the function {function_arn} does not exist")
        if not lets_rule_in(function.policy.statements, function_arn, rule_arn):
            raise NotAllowed(f"the policy of {function_arn} does not let iot.amazonaws.com call it")
        return function

    # --- calls

    def invoke(self, function: Any, event: Any) -> Outcome:
        """Calls a function once and waits for it."""
        request_id, era = str(uuid.uuid4()), self._log.era
        try:
            with self._lock:
                call = self._prepare(function, request_id)
            outcome = _run(call, event)
        except (NotAllowed, zipfile.BadZipFile) as problem:
            error = {"errorMessage": str(problem), "errorType": "AccessDeniedException"}
            outcome = Outcome(None, error, "")
        self._log.add(
            DeviceEvent(
                "function",
                "succeeded" if outcome.error is None else "failed",
                function.region,
                function.account_id,
                name=function.function_name,
                reason=None if outcome.error is None else str(outcome.error["errorMessage"]),
                log=outcome.log,
            ),
            era,
        )
        return outcome

    def invoke_later(self, function: Any, event: Any) -> None:
        """Calls a function in the background, again if it fails; at last its event is kept."""
        self._log.begin()
        threading.Thread(target=self._try, args=(function, event), daemon=True).start()

    def _try(self, function: Any, event: Any) -> None:
        era = self._log.era
        try:
            config = function.event_invoke_config
            settings: dict[str, Any] = config[-1].config if config else {}
            tries = 1 + int(settings.get("MaximumRetryAttempts", MORE_TRIES))
            for number in range(tries):
                if number:
                    time.sleep(PAUSES[number - 1])
                if self._log.era != era:
                    return  # the sandbox was reset
                outcome = self.invoke(function, event)
                if outcome.error is None:
                    return
            self._keep(function, event, outcome, tries, settings)
        finally:
            self._log.end()

    def _keep(
        self, function: Any, event: Any, outcome: Outcome, tries: int, settings: dict[str, Any]
    ) -> None:
        """Sends an event that failed for good to the dead-letter queue and the destination."""
        request_id = str(uuid.uuid4())
        assert outcome.error is not None
        destinations = settings.get("DestinationConfig") or {}
        on_failure = (destinations.get("OnFailure") or {}).get("Destination")
        attributes = {
            "RequestID": ("String", request_id),
            "ErrorCode": ("Number", "200"),
            "ErrorMessage": ("String", str(outcome.error["errorMessage"])[:1024]),
        }
        record = {
            "version": "1.0",
            "timestamp": datetime.now(timezone.utc).isoformat(),
            "requestContext": {
                "requestId": request_id,
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": tries,
            },
            "requestPayload": event,
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": outcome.error,
        }
        targets: tuple[tuple[str | None, str, dict[str, tuple[str, str]]], ...] = (
            (function.dead_letter_config.get("TargetArn"), json.dumps(event), attributes),
            (on_failure, json.dumps(record), {}),
        )
        for target, body, named in targets:
            if not target:
                continue
            try:
                with self._lock:
                    role = assumable(function.role, function.account_id, "lambda.amazonaws.com")
                    send(target, body, role, named)
            except NotAllowed as problem:
                self._log.add(
                    DeviceEvent(
                        "function",
                        "failed",
                        function.region,
                        function.account_id,
                        name=function.function_name,
                        reason=f"its event is lost: {problem}",
                    ),
                    self._log.era,
                )

    def _prepare(self, function: Any, request_id: str) -> _Call:
        """Assumes the function's role. Raises NotAllowed for what can't run here either."""
        if not self._enabled():
            raise NotAllowed("the sandbox runs functions only if started with --run-functions")
        if function.package_type != "Zip" or not str(function.run_time).startswith("python"):
            raise NotAllowed(f"the sandbox runs Python from a zip only, not {function.run_time}")
        role = assumable(function.role, function.account_id, "lambda.amazonaws.com")
        session = session_of(role, function.function_name, function.region)
        return _Call(
            function,
            request_id,
            {
                **{str(k): str(v) for k, v in function.environment_vars.items()},
                "PATH": os.environ.get("PATH", os.defpath),
                "LANG": "C.UTF-8",
                "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
                "AWS_REGION": function.region,
                "AWS_DEFAULT_REGION": function.region,
                "AWS_ACCESS_KEY_ID": session.access_key_id,
                "AWS_SECRET_ACCESS_KEY": "sandbox",
                "AWS_SESSION_TOKEN": session.session_token,
                "AWS_ENDPOINT_URL": self._endpoint(),
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
                "NO_PROXY": "127.0.0.1",
                "no_proxy": "127.0.0.1",
            },
        )


def _refused(error: AWSError) -> Response:
    status, headers, body = encode_error(error, "rest-json")
    return Response(body, status, headers)


def _run(call: _Call, event: Any) -> Outcome:
    """Runs the function's code in a child process."""
    function = call.function
    seconds = max(int(function.timeout), LEAST_SECONDS)
    with tempfile.TemporaryDirectory(prefix="function-") as folder:
        root = Path(folder) / "task"
        with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as package:
            package.extractall(root)
        result, log = Path(folder) / "result", Path(folder) / "log"
        # What can't be written to a child that is gone is tried once more where the block ends, and
        # a busy machine may start none. Without a result either is an error of the function.
        with (
            contextlib.suppress(OSError),
            result.open("wb") as out,
            log.open("wb") as err,
            subprocess.Popen(
                [sys.executable, "-I", "-B", str(CHILD)],
                cwd=root,
                env={**call.environment, "LAMBDA_TASK_ROOT": str(root), "TMPDIR": folder},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
            ) as child,
        ):
            assert child.stdin is not None
            try:
                child.stdin.write(_question(call, event, seconds))
                child.stdin.flush()
                child.wait(seconds)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                child.kill()
        printed = log.read_text(errors="replace")[-LOG_CHARACTERS:]
        try:
            answer = json.loads(result.read_bytes())
        except ValueError:
            problem = f"{call.request_id} Task timed out after {seconds}.00 seconds or exited"
            answer = {"error": {"errorMessage": problem, "errorType": "Runtime.ExitError"}}
    return Outcome(answer.get("result"), answer.get("error"), printed)


def _question(call: _Call, event: Any, seconds: int) -> bytes:
    function = call.function
    question = {
        "handler": function.handler,
        "event": event,
        "seconds": seconds,
        "context": {
            "aws_request_id": call.request_id,
            "function_name": function.function_name,
            "function_version": "$LATEST",
            "invoked_function_arn": function.function_arn,
            "memory_limit_in_mb": str(function.memory_size),
            "log_group_name": f"/aws/lambda/{function.function_name}",
            "log_stream_name": call.request_id,
        },
    }
    return json.dumps(question).encode() + b"\n"


def lets_rule_in(statements: list[dict[str, Any]], function_arn: str, rule_arn: str) -> bool:
    """Whether a function's policy lets a topic rule call it, by the ARN that the rule has of it."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    caller = ServicePrincipal("iot.amazonaws.com")
    context = source(rule_arn)
    return verdict_of(policy, caller, "lambda:InvokeFunction", function_arn, context) is True


def send(
    target: str, body: str, role: Any, attributes: dict[str, tuple[str, str]] | None = None
) -> None:
    """Sends ``body`` to the queue or topic ``target`` as ``role``. Takes no lock.

    Raises NotAllowed if the role may not, or if there is no such queue or topic.
    """
    _, _, service, region, account, name = target.split(":", 5)
    require(role, {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}.get(service, service), target)
    if service not in {"sqs", "sns"}:
        raise NotAllowed(f"the sandbox sends to queues and topics only, not to {target}")
    try:
        if service == "sqs":
            values = {
                key: {"DataType": kind, "StringValue": value}
                for key, (kind, value) in (attributes or {}).items()
            }
            sqs_backends[account][region].send_message(name, body, message_attributes=values)
        else:
            sns_backends[account][region].publish(body, target)
    except Exception as error:  # moto's ways to say that there is none
        raise NotAllowed(f"{target}: {error}") from None
