"""Start and steer a sandbox: for the tests and the demo. Standard library only.

with start() as sandbox:
    run(["aws", "iot", ...], env={**os.environ, **sandbox.environment("111111111111", "eu-west-1")})
    assert not sandbox.calls(write=True)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.device_log import DeviceEvent
from sandbox.server.calls import Call
from sandbox.server.faults import Fault

__all__ = ["Call", "DeviceEvent", "Fault", "Listener", "Sandbox", "SandboxError", "start"]

# Never through a proxy: the sandbox is on loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxError(Exception):
    """The sandbox didn't start, or refused a control request."""


@dataclass(frozen=True)
class Listener:
    """Where the devices of a region connect, and the CA that they have to trust (PEM)."""

    region: str
    host: str
    port: int
    ca_pem: str


@dataclass
class Sandbox:
    """A running sandbox. ``process`` is None for one that was started elsewhere."""

    endpoint: str
    process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def environment(self, account: str, region: str) -> dict[str, str]:
        """Variables that make any AWS client act as ``account``'s root user in ``region``.

        To be laid over the process's own environment: the user's configuration files never count.
        """
        nowhere = str(Path(os.devnull))
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def health(self) -> dict[str, Any]:
        """Return what the server is."""
        return self._control("GET", "health")

    def calls(
        self,
        *,
        service: str | None = None,
        operation: str | None = None,
        account: str | None = None,
        region: str | None = None,
        write: bool | None = None,
    ) -> list[Call]:
        """Return the AWS calls so far, in the order of their arrival.

        Only those that match, if asked.
        """
        wanted = {
            "service": service,
            "operation": operation,
            "account": account,
            "region": region,
            "write": None if write is None else str(write).lower(),
        }
        query = urllib.parse.urlencode({k: v for k, v in wanted.items() if v is not None})
        answer = self._control("GET", f"calls?{query}")
        return [Call(**call) for call in answer["calls"]]

    def forget_calls(self) -> None:
        """Forget the calls so far."""
        self._control("DELETE", "calls")

    def fault(
        self,
        kind: str,
        *,
        service: str | None = None,
        operation: str | None = None,
        account: str | None = None,
        region: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        code: str | None = None,
        status: int | None = None,
        message: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Order a failure of the next matching calls; see :class:`sandbox.server.faults.Fault`.

        Raises SandboxError for an order that makes no sense.
        """
        order = {
            "kind": kind,
            "service": service,
            "operation": operation,
            "account": account,
            "region": region,
            "skip": skip,
            "times": times,
            "code": code,
            "status": status,
            "message": message,
            "seconds": seconds,
        }
        self._control("POST", "faults", order)

    def faults(self) -> list[Fault]:
        """Return the faults still to come."""
        return [Fault(**fault) for fault in self._control("GET", "faults")["faults"]]

    def forget_faults(self) -> None:
        """Forget the faults still to come."""
        self._control("DELETE", "faults")

    def enforce_quotas(self, *, per_second: float = 10, burst: int = 10) -> None:
        """From now on, throttle what exceeds AWS IoT's quotas; see :mod:`sandbox.server.quotas`.

        Each operation has a quota of its own in each account and Region: ``per_second`` calls a
        second, and ``burst`` at once.
        """
        self._control("POST", "quotas", {"per_second": per_second, "burst": burst})

    def lift_quotas(self) -> None:
        """Throttle no call any more."""
        self._control("DELETE", "quotas")

    def omit_applied_quotas(self) -> None:
        """From now on, Service Quotas has the default values of AWS IoT's quotas only.

        Ends with a reset.
        """
        self._control("POST", "default-quotas")

    def count_event_configurations(self) -> None:
        """From now on, publish the events of JITR only where CA_CERTIFICATE is enabled.

        With ``UpdateEventConfigurations``, in each account and Region. Ends with a reset.
        """
        self._control("POST", "event-configurations")

    def delay_roles(self, seconds: float) -> None:
        """From now on, AWS IoT knows a role only when it is so old; 0 or a reset ends that."""
        self._control("POST", "role-delay", {"seconds": seconds})

    def delay_detachment(self, seconds: float) -> None:
        """From now on, AWS IoT deletes a policy only so long after it was detached.

        Until then it answers DeleteConflictException. 0 or a reset ends that.
        """
        self._control("POST", "detachment-delay", {"seconds": seconds})

    def delay_provisioning(self, seconds: float) -> None:
        """From now on, a template is carried out so long after a device's first connection.

        Until then its certificate is PENDING_ACTIVATION. 0 or a reset ends that.
        """
        self._control("POST", "provisioning-delay", {"seconds": seconds})

    def devices(self, region: str, port: int = 0) -> Listener:
        """Let devices connect in ``region``: starts its listener on first use.

        The name to ask for (SNI) is what ``iot:DescribeEndpoint`` answers for ``iot:Data-ATS``.
        """
        return Listener(**self._control("POST", "devices", {"region": region, "port": port}))

    def device_log(
        self,
        *,
        kind: str | None = None,
        outcome: str | None = None,
        account: str | None = None,
        region: str | None = None,
        certificate_id: str | None = None,
        name: str | None = None,
    ) -> list[DeviceEvent]:
        """Return what happened to devices and because of them, in order.

        Only what matches, if asked.
        """
        wanted = {
            "kind": kind,
            "outcome": outcome,
            "account": account,
            "region": region,
            "certificate_id": certificate_id,
            "name": name,
        }
        query = urllib.parse.urlencode({k: v for k, v in wanted.items() if v is not None})
        answer = self._control("GET", f"devices/log?{query}")
        return [DeviceEvent(**event) for event in answer["events"]]

    def forget_device_log(self) -> None:
        """Forget what happened to devices so far."""
        self._control("DELETE", "devices/log")

    def settle(self, seconds: float = 20) -> None:
        """Wait until every device that connects is let in or not and every function has ended.

        Raises SandboxError if that takes longer than ``seconds``.
        """
        if not self._control("POST", "devices/settle", {"seconds": seconds})["settled"]:
            raise SandboxError(f"devices or functions are still at work after {seconds} seconds")

    def enforce_permissions(self, account: str) -> None:
        """From now on, roles and users of ``account`` may do only what their policies allow.

        Its root user still may do everything; so may all others' principals. Ends with a reset.
        """
        self._control("POST", "permissions", {"account": account})

    def reset(self) -> None:
        """Forget everything: resources, sessions, calls, faults, devices and their connections."""
        self._control("POST", "reset")

    def stop(self) -> None:
        """Stop the server that :func:`start` started; may be called twice."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()

    def _control(self, method: str, name: str, document: object = None) -> dict[str, Any]:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"{self.endpoint}/_sandbox/{name}",
            body,
            {"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(request, timeout=90) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            raise SandboxError(f"{method} {name}: {error.code} {text.strip()}") from None
        except OSError as error:
            raise SandboxError(f"no sandbox at {self.endpoint}: {error}") from None
        assert isinstance(answer, dict)
        return answer


def start(port: int = 0, *, run_functions: bool = False) -> Sandbox:
    """Start a sandbox on ``port`` (0: a free one) and waits until it accepts connections.

    run_functions: Lambda functions run, in processes of this user. Every process that reaches the
        port, also of other users of this machine, can upload one.

    It ends with :meth:`Sandbox.stop`, with the ``with`` block, or with this process. Works from
    any working directory. Raises SandboxError if the server doesn't start.
    """
    root = str(Path(__file__).resolve().parent.parent)
    path = os.environ.get("PYTHONPATH")
    options = ["--run-functions"] if run_functions else []
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", str(port), "--stop-with-stdin", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, path] if path else [root])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    endpoint = process.stdout.readline().strip()
    if not endpoint:
        sandbox = Sandbox("", process)
        sandbox.stop()
        raise SandboxError("the sandbox did not start; its standard error says why")
    return Sandbox(endpoint, process)
