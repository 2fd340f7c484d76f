"""A `terraform` for a PATH whose commands get their providers from this process, as others do.

What starts it, a document's commands or `make demo`, need not know. It tells this process its
folder and its environment, learns where the providers are, and becomes the engine. Its connection
stays open until the engine, and all that the engine has started, has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.terraform.workspace import WITH_PROVIDERS, RunningProviders
from tools.engine.discovery import Engine


@contextlib.contextmanager
def quick_terraform(engine: Engine, installed: Path, others: str) -> Iterator[str]:
    """Give a PATH on which a program finds a `terraform` that shares its providers.

    The `terraform` that is there already is the engine: the others are not looked for on a PATH.
    """
    if engine.name != "path":
        yield others
        return
    running = RunningProviders(installed)
    program = TerraformOnPath(engine, running)
    try:
        yield program.path(others)
    finally:
        program.stop()
        running.stop()


_SCRIPT = """
import json, os, socket, sys

words = sys.argv[1:]
folder = os.getcwd()
for word in words:
    if word.startswith("-chdir="):
        folder = os.path.join(folder, word.partition("=")[2])
if next((word for word in words if not word.startswith("-")), "") in {commands!r}:
    line = socket.socket(socket.AF_UNIX)
    line.connect({address!r})
    told = json.dumps({{"folder": folder, "environment": dict(os.environ)}})
    line.sendall(told.encode() + b"\\n")
    os.environ["TF_REATTACH_PROVIDERS"] = line.makefile().readline().strip()
    line.set_inheritable(True)
os.execvp({argv!r}[0], [*{argv!r}, *words])
"""


class TerraformOnPath:
    """A folder with a `terraform`, until `stop`."""

    def __init__(self, engine: Engine, running: RunningProviders) -> None:
        """Write the program, and listen for its questions."""
        # Short, as paths of sockets are.
        self.folder = Path(tempfile.mkdtemp(prefix="terraform-"))
        address = str(self.folder / "socket")
        script = self.folder / "terraform.py"
        script.write_text(
            _SCRIPT.format(address=address, argv=engine.argv, commands=WITH_PROVIDERS),
            encoding="utf-8",
        )
        program = self.folder / "terraform"
        command = shlex.join([sys.executable, "-IS", str(script)])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        self._running = running
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        threading.Thread(target=self._listen, daemon=True).start()

    def path(self, others: str) -> str:
        """A PATH with this `terraform` first."""
        return os.pathsep.join([str(self.folder), others])

    def stop(self) -> None:
        """Remove the folder; what runs is left alone."""
        self._listener.close()
        shutil.rmtree(self.folder)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="utf-8") as line:
            told = json.loads(line.readline())
            with self._running.attach(Path(told["folder"]), told["environment"]) as attached:
                line.write(attached.addresses + "\n")
                line.flush()
                line.read()
