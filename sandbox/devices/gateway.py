"""Where devices connect: TLS and MQTT on loopback, one listener for each region.

As at AWS, a region's listener serves the endpoints of all accounts, and the server name (SNI) tells
which one is meant. What is decided is in ``admission``, ``jitp`` and ``iot.policy_evaluation``.
Imported only when devices are asked for, since it brings pyOpenSSL along.
"""

from __future__ import annotations

import socket
import threading
from contextlib import AbstractContextManager
from typing import Any

from sandbox.device_log import DeviceLog
from sandbox.devices.broker import Broker
from sandbox.devices.connection import Connection
from sandbox.devices.tls import ServerCa
from sandbox.functions.runner import Functions

HOST = "127.0.0.1"


class Gateway:
    """All listeners. ``lock`` guards moto's state, the listeners and the connected devices."""

    def __init__(
        self, lock: AbstractContextManager[Any], functions: Functions, log: DeviceLog
    ) -> None:
        self.host = HOST
        self.authority = ServerCa()
        self._broker = Broker(lock, functions, log)
        self._ports: dict[str, int] = {}

    def listen(self, region: str, port: int = 0) -> int:
        """Start the listener of ``region`` unless there is one; return its port."""
        with self._broker.lock:
            if region not in self._ports:
                context = self.authority.context(region)
                listener = socket.create_server((HOST, port), backlog=128)
                arguments = (listener, region, context)
                threading.Thread(target=self._accept, args=arguments, daemon=True).start()
                self._ports[region] = listener.getsockname()[1]
            return self._ports[region]

    def _accept(self, listener: socket.socket, region: str, context: Any) -> None:
        while True:
            sock, _ = listener.accept()
            connection = Connection(self._broker, region, context, sock)
            threading.Thread(target=connection.serve, daemon=True).start()

    def disconnect_all(self, reason: str) -> None:
        """End every connection."""
        self._broker.disconnect_all(reason)
