"""The door between the HTTP server and the devices' side, which is imported when first needed.

A run that only registers CAs doesn't wait for pyOpenSSL, moto's Lambda or a key to be made.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from sandbox.device_log import DeviceLog

if TYPE_CHECKING:
    from sandbox.devices.gateway import Gateway
    from sandbox.functions.runner import Functions


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
        """Return what runs Lambda functions."""
        with self._late:
            if self._functions is None:
                from sandbox.functions.runner import Functions

                self._functions = Functions(
                    self._lock, lambda: self.endpoint, self.log, lambda: self.run_functions
                )
            return self._functions

    def invoke(self, request: Request, account: str, region: str, name: str) -> Response:
        """Answer Lambda's Invoke."""
        from sandbox.functions import invoke_api

        return invoke_api.respond(self.functions(), request, account, region, name)

    def gateway(self) -> Gateway:
        """Return where devices connect."""
        functions = self.functions()
        with self._late:
            if self._gateway is None:
                from sandbox.devices.gateway import Gateway

                self._gateway = Gateway(self._lock, functions, self.log)
            return self._gateway

    def reset(self) -> None:
        """End all connections and forgets the log; listeners and their CA stay."""
        if self._gateway is not None:
            self._gateway.disconnect_all("the sandbox was reset")
        self.log.reset()
