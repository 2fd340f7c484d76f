"""The program in this process, with a fault ordered at one of its calls."""

from __future__ import annotations

import functools
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from iot_ca.aws import session as aws
from iot_ca.errors import Failures
from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.sandbox.in_process import connect


class Killed(SystemExit):
    """The process ends here: nothing of the program may catch it, or make a failure of it."""


@dataclass(frozen=True)
class Call:
    """One call of a run: the nth of its operation, counted from 0."""

    operation: str
    number: int

    @property
    def writes(self) -> bool:
        """Whether it changes something in AWS IoT."""
        return not self.operation.startswith(("Describe", "List", "Get", "Sign", "Issue"))


@dataclass(frozen=True)
class Fault:
    """What happens at one call, and whether the call has had its effect by then.

    Kinds: `cut` (the connection closes once; the SDK tries again), `busy` (AWS answers 503 a few
    times; the SDK tries again), `kill` (the process dies), `refuse` (AWS refuses this one call),
    `deny` (this operation is not permitted from here on), `storm` (the SDK has given up trying,
    twelve times from here on), `outage` (no call is answered any more from here on).
    """

    kind: str
    after: bool
    call: Call

    def __str__(self) -> str:
        when = "after" if self.after else "before"
        return f"{self.kind} {when} {self.call.operation} #{self.call.number}"


FAULTS = [("cut", False), ("cut", True), ("kill", False), ("kill", True)]
FAULTS += [("refuse", False), ("deny", False), ("outage", False), ("outage", True)]
FAULTS += [("busy", False), ("storm", False)]
BUSY_TIMES = 4
STORM_CALLS = 12


@dataclass
class Line:
    """The line between the program and AWS: counts the calls, and fails at the one ordered."""

    fault: Fault | None = None
    calls: list[Call] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _down: bool = False
    _storm_calls_left: int = 0
    _dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: dict[int, Call] = field(default_factory=dict)

    def before(self, model: Any, **_: Any) -> Any:
        """A call is about to go out."""
        with self._lock:
            call = Call(model.name, self._seen[model.name])
            self._seen[model.name] += 1
            self.calls.append(call)
            self._open[threading.get_ident()] = call
        fault = self.fault
        if fault is None:
            return None
        if self._dead:
            # Whichever thread died first: the others go with it.
            raise Killed
        if self._down:
            return _unavailable()
        if self._storm_calls_left:
            self._storm_calls_left -= 1
            return _unavailable()
        if fault.kind == "deny" and call.operation == fault.call.operation:
            return _denied(model) if call.number >= fault.call.number else None
        if call != fault.call or fault.after:
            return None
        if fault.kind == "refuse":
            return _answer(400, "InvalidRequestException", "The request is not valid.")
        if fault.kind == "kill":
            self._dead = True
            raise Killed
        if fault.kind == "outage":
            self._down = True
            return _unavailable()
        if fault.kind == "storm":
            self._storm_calls_left = STORM_CALLS - 1
            return _unavailable()
        return None

    def after(self, **_: Any) -> None:
        """A call has been answered."""
        fault, call = self.fault, self._open[threading.get_ident()]
        if fault is None or not fault.after or call != fault.call:
            return
        if fault.kind == "kill":
            self._dead = True
            raise Killed
        if fault.kind == "outage":
            self._down = True


def _answer(status: int, code: str, message: str) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    parsed = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return AWSResponse("", status, HTTPHeaders(), None), parsed


def _unavailable() -> Any:
    return _answer(503, "ServiceUnavailableException", "The service is temporarily unavailable.")


def _denied(model: Any) -> Any:
    service = model.service_model.signing_name
    message = f"User is not authorized to perform: {service}:{model.name}"
    return _answer(403, "AccessDeniedException", message)


class FaultyProgram:
    """The program, in this process, acting in one account."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
        self._monkeypatch = monkeypatch
        self._sandbox = sandbox
        self.line = Line()
        make_session, make_client = aws.new_session, aws._client

        # One of each for all runs: making them takes longer than all that a run does.
        @functools.cache
        def session(_account: str) -> Any:
            return make_session(None)

        @functools.cache
        def client(made_by: Any, service: str, region: str) -> Any:
            made = make_client(made_by, service, region)
            made.meta.events.register("before-call", lambda **event: self.line.before(**event))
            made.meta.events.register("after-call", lambda **event: self.line.after(**event))
            connect(made, sandbox.endpoint)
            return made

        monkeypatch.setattr(aws, "_client", client)
        monkeypatch.setattr(aws, "new_session", lambda _: session(os.environ["AWS_ACCESS_KEY_ID"]))
        monkeypatch.setattr("iot_ca.waiting.sleep", lambda _: None)
        monkeypatch.setattr("iot_ca.ownership.private_ca._POLL_INTERVAL_SECONDS", 0)
        # The SDK's pauses between two attempts.
        monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))

    def environment(self, account: Account) -> Mapping[str, str]:
        """Whose credentials the program has: those of the account's root user."""
        return self._sandbox.environment(account.number, account.region)

    @contextmanager
    def _running(self, account: Account, fault: Fault | None) -> Iterator[None]:
        for name, value in self.environment(account).items():
            self._monkeypatch.setenv(name, value)
        self.line = Line(fault)
        if fault is None or fault.kind not in ("cut", "busy"):
            yield
            return
        target: dict[str, Any] = {
            "operation": fault.call.operation,
            "account": account.number,
            "skip": fault.call.number,
        }
        if fault.kind == "cut":
            self._sandbox.fault("cut_after" if fault.after else "cut_before", **target)
        else:
            code = "ServiceUnavailableException"
            self._sandbox.fault("error", code=code, status=503, times=BUSY_TIMES, **target)
        yield
        assert self._sandbox.faults() == [], fault

    def run(
        self, command: Callable[[str], str], request: object, account: Account, fault: Fault | None
    ) -> str | None:
        """Run one command; returns None if it worked, else the line that says why not."""
        with self._running(account, fault):
            try:
                command(json.dumps(request))
            except Killed:
                return "killed"
            except Failures as failures:
                (line,) = failures.lines()
                assert line == " ".join(line.split())
                return line
        return None
