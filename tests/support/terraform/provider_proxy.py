"""A proxy between Terraform and the real providers, which makes a command cost a fifth.

Most of what a Terraform command costs is the schema of the aws provider: 5 MB for 2,000 types,
which the provider builds and Terraform decodes anew for each command. The proxy answers with the
part of the schema that this repository uses, read once from the real provider. It starts the real
provider only if Terraform asks for more than the schema, and passes every other call on as it is.

Terraform reaches the proxy as HashiCorp documents for debugging a provider (TF_REATTACH_PROVIDERS).
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from tools.checkout import ROOT

# How a provider that was started with -debug says where it listens.
_ATTACH = re.compile(r"TF_REATTACH_PROVIDERS='(.*)'")
_SCHEMA_METHODS = ("GetSchema", "GetProviderSchema", "GetResourceIdentitySchemas")
_CONFIGURE_METHODS = ("/Configure", "/ConfigureProvider")
_NO_CONFIGURATION = b""
_UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
# Terraform has ten calls under way at once, and may say stop while they are.
_THREADS = 32
_LENGTH_DELIMITED = 2


class Provider:
    """The process of a real provider, started at its first call."""

    def __init__(self, executable: Path, folder: Path, environment: Mapping[str, str]) -> None:
        """Note what to start, in which folder and environment."""
        self._executable = executable
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._temporary: str | None = None
        self._channel: grpc.Channel | None = None
        self._lock = threading.Lock()
        self.protocol = 0

    def call(self, method: str, request: bytes) -> bytes:
        """Call a method of the provider; raises grpc.RpcError as the provider does."""
        with self._lock:
            channel = self._channel or self._start()
        answer: bytes = channel.unary_unary(method)(request)
        return answer

    def stop(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            if self._process is not None:
                self._process.kill()
                self._process.communicate()
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
            self._process = self._channel = self._temporary = None

    def start(self) -> None:
        """Start the process now, which sets `protocol`."""
        with self._lock:
            self._start()

    def _start(self) -> grpc.Channel:
        # For its socket, which it leaves there if it is killed.
        self._temporary = tempfile.mkdtemp(prefix="provider-")
        ours = {"TF_LOG_SDK": "off", "TF_LOG_PROVIDER": "off", "TMPDIR": self._temporary}
        self._process = subprocess.Popen(
            [self._executable, "-debug"],
            cwd=self._folder,
            env={**self._environment, **ours},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        matches = (_ATTACH.search(line) for line in self._process.stdout)
        (address,) = json.loads(next(match[1] for match in matches if match)).values()
        self.protocol = address["ProtocolVersion"]
        scheme = {"unix": "unix:", "tcp": ""}[address["Addr"]["Network"]]
        target = scheme + address["Addr"]["String"]
        self._channel = grpc.insecure_channel(target, options=_UNLIMITED)
        return self._channel


@dataclass(frozen=True)
class _Schema:
    """What a provider answers to the questions about its schema, trimmed; and its protocol."""

    protocol: int
    answers: Mapping[str, bytes]


@functools.cache
def _schema(executable: Path) -> _Schema:
    """Ask a real provider for its schema. It does not depend on folder or environment."""
    provider = Provider(executable, executable.parent, os.environ)
    try:
        provider.start()
        service = f"/tfplugin{provider.protocol}.Provider/"
        answers = {}
        for name in _SCHEMA_METHODS:
            try:
                answers[service + name] = trimmed(provider.call(service + name, b""), used_types())
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
        return _Schema(provider.protocol, answers)
    finally:
        provider.stop()


@functools.cache
def used_types() -> frozenset[str]:
    """Everything that this repository names and that could be a type of the aws provider."""
    files = (path for kind in ("*.tf", "*.hcl", "*.md", "*.py") for path in _sources(kind))
    texts = (path.read_text(encoding="utf-8") for path in files)
    return frozenset(name for text in texts for name in re.findall(r"\baws_\w+", text))


def _sources(pattern: str) -> Iterator[Path]:
    yield from ROOT.glob(pattern)
    for folder in ("examples", "modules", "sandbox", "tests", "tools"):
        yield from (ROOT / folder).rglob(pattern)


def trimmed(message: bytes, types: frozenset[str]) -> bytes:
    """Leave out the entries of maps whose key is a type of the aws provider that is not in `types`.

    `message` is an encoded GetProviderSchema.Response or GetResourceIdentitySchemas.Response
    (tfplugin5.proto, tfplugin6.proto), whose maps go from a type's name to its schema. A map's
    entry is a field of its own, with the key as its first field (protobuf.dev, "Encoding").
    """
    kept = []
    position = 0
    while position < len(message):
        tag, content = _varint(message, position)
        assert tag & 7 == _LENGTH_DELIMITED, "only messages, maps and texts are expected"
        length, start = _varint(message, content)
        end = start + length
        key = _first_text(message[start:end])
        if not key.startswith(b"aws_") or key.decode() in types:
            kept.append(message[position:end])
        position = end
    return b"".join(kept)


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # the highest bit says that another byte follows
            return value, position
        shift += 7


def _first_text(message: bytes) -> bytes:
    """The first field, if it is field 1 and a text; empty else."""
    if not message or message[0] != (1 << 3 | _LENGTH_DELIMITED):
        return b""
    length, start = _varint(message, 1)
    return message[start : start + length]


@dataclass
class ProviderProxy(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Serves one provider to the Terraform commands of a folder.

    `shared` keeps one process for all connections, which are the instances of the provider that
    Terraform makes: it configures that process anew for each of its walks. Otherwise there is a
    process for each configuration that a provider block gives, which is needed where a folder has
    several blocks. What a provider answers before it is configured is the same for all.
    """

    executable: Path
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    shared: bool
    _providers: dict[bytes, Provider] = field(default_factory=dict)
    _configurations: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Listen on a port of loopback."""
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), options=_UNLIMITED)
        self._server.add_generic_rpc_handlers((self,))
        self._port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def address(self) -> Mapping[str, Any]:
        """Where Terraform finds the provider, as an entry of TF_REATTACH_PROVIDERS."""
        return {
            "Protocol": "grpc",
            "ProtocolVersion": _schema(self.executable).protocol,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "tcp", "String": f"127.0.0.1:{self._port}"},
        }

    def stop(self) -> None:
        """End the proxy and the processes behind it."""
        self._server.stop(None)
        for provider in self._providers.values():
            provider.stop()

    def service(self, handler_call_details: Any) -> Any:
        """Find the handler of a method: what grpc asks for at each call."""
        method: str = handler_call_details.method
        if ".Provider/" not in method:  # the services of go-plugin, which Terraform can do without
            return None
        return grpc.unary_unary_rpc_method_handler(self._handler(method))

    def _handler(self, method: str) -> Callable[[bytes, Any], bytes]:
        def handle(request: bytes, context: Any) -> bytes:
            answers = _schema(self.executable).answers
            if method in answers:
                return answers[method]
            if method.endswith(_CONFIGURE_METHODS) and not self.shared:
                self._configurations[context.peer()] = request
            try:
                return self._provider(context.peer()).call(method, request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())
                raise

        return handle

    def _provider(self, connection: str) -> Provider:
        configuration = self._configurations.get(connection, _NO_CONFIGURATION)
        with self._lock:
            if configuration not in self._providers:
                if not configuration and self._providers:
                    return next(iter(self._providers.values()))
                # The first one is not configured yet.
                new = Provider(self.executable, self.folder, self.environment)
                self._providers[configuration] = self._providers.pop(_NO_CONFIGURATION, new)
            return self._providers[configuration]
