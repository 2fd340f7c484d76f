"""The local AWS: who calls, ordered faults, enforced quotas and permissions, then moto.

The order of a call: it is authenticated, recorded, hit by any fault, throttled where quotas are
enforced, carried out by moto, and its outcome is recorded before the answer leaves.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.model_instances import reset_model_data
from moto.core.request import Request
from moto.moto_server.werkzeug_app import (
    SIGNING_ALIASES,
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.wrappers import Response

from sandbox.errors import AWSError
from sandbox.identity import iam, sts
from sandbox.identity.evaluation import denial_reason
from sandbox.identity.principals import PRINCIPAL_KEY, Principal, partition_of, root_of
from sandbox.identity.service_roles import Propagation
from sandbox.iot import service as iot
from sandbox.iot.applied_quotas import AppliedQuotas
from sandbox.iot.delays import Delays
from sandbox.iot.events import EventConfigurations
from sandbox.server.authentication import Credential, credential_of, principal_of_session, refusal
from sandbox.server.calls import Call, CallLog, is_write, kept_parameters
from sandbox.server.device_side import DeviceSide
from sandbox.server.faults import Fault, FaultList, error_of
from sandbox.server.quotas import Quotas
from sandbox.server.requests import (
    ApiRequest,
    error_code_of,
    error_response,
    operation_of,
    protocol_of,
)

# Parameters that clients send as headers, and that permissions depend on.
PARAMETER_HEADERS = ("x-amz-tagging", "x-amzn-principal")
# Services that few runs call: each is loaded by the first call, to start quickly without.
LATE_SERVICES = {
    "acm-pca": "sandbox.keys.private_ca",
    "kms": "sandbox.keys.kms",
    "lambda": "sandbox.functions.models",
    "logs": "sandbox.functions.log_groups",
    "monitoring": "sandbox.functions.alarms",
    "organizations": "sandbox.organizations",
    "secretsmanager": "sandbox.keys.secretsmanager",
    "servicequotas": "sandbox.iot.service_quotas",
}


@dataclass(frozen=True)
class _Incoming:
    """An authenticated call. ``given`` has all its parameters, from wherever they came."""

    request: ApiRequest
    record: Call
    protocol: str
    principal: Principal
    in_path: Mapping[str, Any]
    given: Mapping[str, Any]


class _MotoApplication(DomainDispatcherApplication):
    """moto's, which lists its folder in each call to see whether the host is one of its modules.

    That was a quarter of what a call costs, and the answer is always the same.
    """

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]

    def answer(self, service: str, environ: dict[str, Any]) -> Response:
        """Answer one call; those of AWS IoT without Flask, which is a fifth of what they cost."""
        if service != "iot":
            return Response.from_app(self, environ, buffered=True)
        request = _MotoRequest(environ)
        status, headers, body = iot.IoTOperations.dispatch(
            request, request.raw_url, dict(request.headers)
        )
        return Response(body, status, headers)


class _MotoRequest(Request):
    """moto's, as its server has it."""

    from_wsgi_server = True


class LocalAws:
    """All accounts in all Regions."""

    def __init__(self) -> None:
        iam.install()
        iot.install()
        sts.install()
        # Device certificates get the ID that AWS gives them, as CA certificates do.
        default_user_config.setdefault("iot", {})["use_valid_cert"] = True
        self.calls = CallLog()
        self.faults = FaultList()
        self.quotas = Quotas()
        self.enforced: set[str] = set()  # accounts in which policies of roles and users count
        self.started = time.time()
        self._moto = _MotoApplication()
        # moto's backends aren't made for threads, and the rules of DEFAULT mode span accounts:
        # one call at a time makes every check and the write after it one step.
        self._one_call_at_a_time = threading.RLock()
        self.devices = DeviceSide(self._one_call_at_a_time)

    def reset(self) -> None:
        """Forget all resources, sessions, calls, faults and settings, and all devices."""
        with self._one_call_at_a_time:
            BackendDict.reset()
            reset_model_data()
            sts.SESSIONS.clear()
            self.enforced.clear()
            self.calls.forget()
            self.faults.forget()
            self.quotas.enforce(None)
            EventConfigurations.count = False
            Propagation.seconds = 0
            Delays.end()
            AppliedQuotas.available = True
        self.devices.reset()

    def respond(self, request: ApiRequest) -> Response | None:
        """Answer one AWS call; None if a fault closes the connection without an answer."""
        record = Call(user_agent=request.headers.get("user-agent", ""))
        protocol = protocol_of(request, "")
        try:
            credential = credential_of(request)
            if credential is None:
                raise refusal("MissingAuthenticationTokenException", protocol)
            protocol = protocol_of(request, credential.service)
            incoming = self._read(request, credential, protocol, record)
        except AWSError as error:
            self.calls.begin(record)
            return _finish(record, error_response(error, protocol))
        self.calls.begin(record)

        hits = self.faults.take(record)
        if delay := sum(fault.seconds for fault in hits):
            time.sleep(delay)
        record.fault = hits[-1].kind if hits else None
        if record.fault in {"error", "throttling"}:
            return _finish(record, error_response(error_of(hits[-1], protocol), protocol))
        if record.fault == "cut_before":
            return None
        if not self.quotas.admit(record):
            throttled = error_of(Fault("throttling"), protocol)
            return _finish(record, error_response(throttled, protocol))
        response = _finish(record, self._answer(incoming))
        return None if record.fault == "cut_after" else response

    def _read(
        self, request: ApiRequest, credential: Credential, protocol: str, record: Call
    ) -> _Incoming:
        """Fill in ``record``. Raise AWSError if the credentials are refused."""
        service = SIGNING_ALIASES.get(credential.service, credential.service)
        operation, in_path = operation_of(request, service)
        record.access_key_id, record.region = credential.access_key_id, credential.region
        record.service, record.operation = service, operation
        record.write = is_write(operation)
        record.parameters = kept_parameters(request.json_object, request.parameters, in_path)
        principal = self._principal(credential, protocol)
        record.principal, record.account = principal.arn, principal.account
        given = {**request.parameters, **request.json_object, **in_path}
        for name in PARAMETER_HEADERS:
            if name in request.headers:
                given.setdefault(name, request.headers[name])
        return _Incoming(request, record, protocol, principal, in_path, given)

    def _principal(self, credential: Credential, protocol: str) -> Principal:
        """Return the caller. Raises the service's own refusal of unknown or ended credentials."""
        key = credential.access_key_id
        session = sts.SESSIONS.get(key)
        if session is not None and session.principal.arn.startswith(
            f"arn:{partition_of(credential.region)}:"
        ):
            now = datetime.now(timezone.utc)
            return principal_of_session(session, credential.session_token, now, protocol)
        principal = None
        if credential.session_token is None:  # a permanent key has no session token
            if len(key) == 12 and key.isdecimal() and key.isascii():
                principal = root_of(key, credential.region)
            else:
                with self._one_call_at_a_time:
                    principal = sts.principal_of_access_key(key, credential.region)
        if principal is None:
            raise refusal("UnrecognizedClientException", protocol)
        return principal

    def _answer(self, incoming: _Incoming) -> Response:
        record = incoming.record
        if (record.service, record.operation) != ("lambda", "Invoke"):
            return self._carry_out(incoming)
        # Other calls come in while a function runs.
        name = str(incoming.in_path["FunctionName"])
        return self._denial(incoming) or self.devices.invoke(
            incoming.request, record.account, record.region, name
        )

    def _carry_out(self, incoming: _Incoming) -> Response:
        """Let moto answer, if the caller's policies allow it."""
        environ = incoming.request.environ
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = incoming.principal.account
        environ[PRINCIPAL_KEY] = incoming.principal
        try:
            with self._one_call_at_a_time:
                if incoming.record.service in LATE_SERVICES:
                    import_module(LATE_SERVICES[incoming.record.service]).install()
                return self._denial(incoming) or self._moto.answer(incoming.record.service, environ)
        except NotImplementedError as error:
            message = f"The sandbox has no such operation: {error}"
            return error_response(AWSError("NotImplemented", message, 501), incoming.protocol)
        except Exception as error:
            traceback.print_exc()
            message = f"{type(error).__name__} in the sandbox: {error}"
            return error_response(AWSError("InternalFailure", message, 500), incoming.protocol)

    def _denial(self, incoming: _Incoming) -> Response | None:
        """Return the refusal of a call that the caller's policies don't allow, where they count.

        Records the permissions that the call needs.
        """
        principal, record = incoming.principal, incoming.record
        if principal.account not in self.enforced:
            return None
        # Loads KMS and Private CA, which few runs need: to start quickly without.
        from sandbox.permissions.tables import action_of, required_permissions

        operation = record.service, record.operation
        with self._one_call_at_a_time:
            needed = required_permissions(principal, record.region, *operation, incoming.given)
            record.permissions = [str(permission) for permission in needed or []]
            reason = denial_reason(principal, action_of(*operation), needed)
        if reason is None:
            return None
        if incoming.protocol in {"query", "ec2", "rest-xml"}:
            return error_response(AWSError("AccessDenied", reason, 403), incoming.protocol)
        status = 400 if incoming.protocol == "json" else 403
        error = AWSError("AccessDeniedException", reason, status)
        return error_response(error, incoming.protocol)


def _finish(record: Call, response: Response) -> Response:
    record.status, record.error = response.status_code, error_code_of(response)
    if record.operation == "RegisterCACertificate" and record.error is None:
        answer = response.get_json(force=True, silent=True) or {}
        record.parameters |= kept_parameters(answer)
    return response
