"""The door between the HTTP server and the devices' side, which is imported when first needed.

Whoever registers CAs only doesn't wait for pyOpenSSL, moto's Lambda or a key to be made.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from sandbox.device_log import DeviceLog
from sandbox.wire import Request, Response, json_response

if TYPE_CHECKING:
    from sandbox.devices.gateway import Gateway
    from sandbox.functions.functions import Functions


REGION = re.compile(r"[a-z]+(-[a-z]+)+-\d")
PORTS = range(65536)


class DeviceSide:
    """Listeners for devices, Lambda functions that run, and the log of both.

    ``lock`` guards moto's state; ``endpoint`` is the server's own URL, set when it is known, and
    ``run_functions`` whether functions may run.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.endpoint = ""
        self.run_functions = False
        self.log = DeviceLog()
        self._lock = lock
        self._late = threading.Lock()
        self._functions: Functions | None = None
        self._gateway: Gateway | None = None

    def functions(self) -> Functions:
        """What runs Lambda functions."""
        with self._late:
            if self._functions is None:
                from sandbox.functions import functions

                self._functions = functions.Functions(
                    self._lock, lambda: self.endpoint, self.log, lambda: self.run_functions
                )
            return self._functions

    def gateway(self) -> Gateway:
        """Where devices connect."""
        functions = self.functions()
        with self._late:
            if self._gateway is None:
                from sandbox.devices.gateway import Gateway

                self._gateway = Gateway(self._lock, functions, self.log)
            return self._gateway

    def reset(self) -> None:
        """Ends all connections and forgets the log; listeners and their CA stay."""
        if self._gateway is not None:
            self._gateway.disconnect_all("the sandbox was reset")
        self.log.reset()

    def control(self, request: Request, name: str) -> Response | None:
        """Answers the control requests below ``devices``; None for any other."""
        match request.method, name:
            case "POST", "devices":
                region = str(request.json_body.get("region"))
                port = request.json_body.get("port", 0)
                # A bool and a whole float are in a range, too.
                if not REGION.fullmatch(region) or type(port) is not int or port not in PORTS:
                    return json_response({"error": "region, and port if wanted, are needed"}, 400)
                gateway = self.gateway()
                try:
                    port = gateway.listen(region, port)
                except OSError as error:
                    return json_response({"error": f"port {port}: {error.strerror}"}, 400)
                from sandbox.devices.gateway import HOST

                listener = {"region": region, "host": HOST, "port": port}
                return json_response({**listener, "ca_pem": gateway.authority.pem}, 201)
            case "GET", "devices/log":
                return json_response({"events": self.log.matching(request.parameters)})
            case "DELETE", "devices/log":
                self.log.forget()
                return json_response({})
            case "POST", "devices/settle":
                seconds = request.json_body.get("seconds", 20)
                if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                    return json_response({"error": "seconds must be a number"}, 400)
                return json_response({"settled": self.log.settle(seconds)})
        return None
