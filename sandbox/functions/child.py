"""Runs one call of a Lambda function: a process of its own, never imported by the sandbox.

The first line of standard input is a JSON object with ``handler``, ``event`` and ``context``; when
standard input ends, so does the process. Standard output gets the result, standard error the log.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any


def _end_with_the_sandbox() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> None:
    """Call the handler and writes ``{"result": …}`` or ``{"error": …}``."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 65536)
        if not byte:
            return
        line += byte
    call = json.loads(line)
    threading.Thread(target=_end_with_the_sandbox, daemon=True).start()
    result = os.dup(1)
    os.dup2(2, 1)  # what the function prints is its log
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    answer: dict[str, Any]
    try:
        module, _, name = call["handler"].rpartition(".")
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        ends = time.monotonic() + call["seconds"]
        context = SimpleNamespace(
            **call["context"],
            get_remaining_time_in_millis=lambda: max(0, int((ends - time.monotonic()) * 1000)),
        )
        answer = {"result": json.loads(json.dumps(handler(call["event"], context)))}
    except BaseException as error:
        traceback.print_exc()
        answer = {
            "error": {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "requestId": call["context"]["aws_request_id"],
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
        }
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(result, "wb") as stream:
        stream.write(json.dumps(answer).encode())
    os._exit(0)  # threads of the function don't keep it alive, as in Lambda


if __name__ == "__main__":
    main()
