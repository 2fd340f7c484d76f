"""Bytes over TLS with one device, by pyOpenSSL."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading

from OpenSSL import SSL

from sandbox.devices.admission import Presented, Refused

TICK_SECONDS = 0.25  # until a quiet connection checks whether it should go on
PATIENCE_SECONDS = 10  # for a handshake and for the first packet


class Transport:
    """A connection's socket. Sends from any thread, receives in one."""

    def __init__(self, context: SSL.Context, sock: socket.socket) -> None:
        self._socket = sock
        # pyOpenSSL works on the descriptor: a blocking one, with the kernel's limits of time.
        limit = struct.pack("ll", PATIENCE_SECONDS, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = SSL.Connection(context, sock)
        self._tls.set_accept_state()
        self._io = threading.Lock()  # a TLS connection isn't made for two threads at once
        self._selector = selectors.DefaultSelector()

    def shake_hands(self) -> Presented:
        """Return what the device presents; Refused if it presents no certificate."""
        try:
            self._tls.do_handshake()
        except (SSL.Error, OSError) as error:
            reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
            text = ", ".join(str(reason[-1]) for reason in reasons) or type(error).__name__
            raise Refused(f"TLS: {text}") from None
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        assert certificate is not None  # the handshake fails without one
        name = self._tls.get_servername()
        return Presented(
            certificate,
            # On a server's side OpenSSL leaves the peer's own out of it.
            tuple(self._tls.get_peer_cert_chain(as_cryptography=True) or []),
            None if name is None else name.decode("ascii", "replace"),
        )

    def send(self, data: bytes) -> bool:
        """Send ``data``; return whether the line took it."""
        try:
            with self._io:
                self._tls.sendall(data)
        except (SSL.Error, OSError):
            return False
        return True

    def receive(self) -> bytes | None:
        """Return what has come: None if nothing has within a tick, empty at the end."""
        if not self._tls.pending():
            if not self._selector.get_map():
                self._selector.register(self._socket, selectors.EVENT_READ)
            if not self._selector.select(TICK_SECONDS):
                return None
        try:
            with self._io:
                return self._tls.recv(65536)
        except SSL.WantReadError:
            return None
        except (SSL.Error, OSError):
            return b""

    def close(self) -> None:
        """Close the connection. Call it once."""
        with self._io, contextlib.suppress(SSL.Error, OSError):
            self._tls.shutdown()
        self._selector.close()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()
