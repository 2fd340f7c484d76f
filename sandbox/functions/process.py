"""One call of a function: Python from the uploaded zip, in a process of its own.

moto runs functions in Docker, which many machines lack. Here the code never gets into the server:
it runs in a child with the function's environment variables and the credentials of its role, and
reaches nothing but the sandbox unless it wants to. Source: AWS Lambda developer guide, "Defined
runtime environment variables".
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.identity.service_roles import NotAllowed, assumable, session_of

CHILD = Path(__file__).with_name("child.py")
# Starting Python and boto3 on a busy machine takes longer than it does in Lambda.
LEAST_SECONDS = 60
LOG_CHARACTERS = 4000


@dataclass(frozen=True)
class FunctionOutcome:
    """What one call of a function came to: its result, or the error as Lambda words it."""

    result: Any
    error: dict[str, Any] | None
    log: str

    @property
    def payload(self) -> bytes:
        """What the caller gets."""
        return json.dumps(self.error if self.error is not None else self.result).encode()


@dataclass(frozen=True)
class Invocation:
    """One call of a function: all that it needs, taken from moto under the lock."""

    function: Any
    request_id: str
    environment: dict[str, str]


def prepare(function: Any, request_id: str, endpoint: str) -> Invocation:
    """Assume the function's role. Raise NotAllowed for what can't run here."""
    if function.package_type != "Zip" or not str(function.run_time).startswith("python"):
        raise NotAllowed(f"the sandbox runs Python from a zip only, not {function.run_time}")
    role = assumable(function.role, function.account_id, "lambda.amazonaws.com")
    session = session_of(role, function.function_name, function.region)
    return Invocation(
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
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        },
    )


def run(invocation: Invocation, event: Any) -> FunctionOutcome:
    """Run the function's code in a child process."""
    function = invocation.function
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
                env={**invocation.environment, "LAMBDA_TASK_ROOT": str(root), "TMPDIR": folder},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
            ) as child,
        ):
            assert child.stdin is not None
            try:
                child.stdin.write(question_of(invocation, event, seconds))
                child.stdin.flush()
                child.wait(seconds)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                child.kill()
        printed = log.read_text(errors="replace")[-LOG_CHARACTERS:]
        try:
            answer = json.loads(result.read_bytes())
        except ValueError:
            problem = f"{invocation.request_id} Task timed out after {seconds}.00 seconds or exited"
            answer = {"error": {"errorMessage": problem, "errorType": "Runtime.ExitError"}}
    return FunctionOutcome(answer.get("result"), answer.get("error"), printed)


def question_of(invocation: Invocation, event: Any, seconds: int) -> bytes:
    function = invocation.function
    question = {
        "handler": function.handler,
        "event": event,
        "seconds": seconds,
        "context": {
            "aws_request_id": invocation.request_id,
            "function_name": function.function_name,
            "function_version": "$LATEST",
            "invoked_function_arn": function.function_arn,
            "memory_limit_in_mb": str(function.memory_size),
            "log_group_name": f"/aws/lambda/{function.function_name}",
            "log_stream_name": invocation.request_id,
        },
    }
    return json.dumps(question).encode() + b"\n"
