"""A `python3` for a PATH that runs the program in a fork of a process which has the SDK loaded.

Loading botocore is three quarters of what a run of the program costs, and Terraform starts the
program a thousand times in these tests. The fork has the folder, the environment, the arguments
and the standard streams of the command, and runs the program from its path. Only what comes from
site-packages is loaded already. Everything but the program is run by the real Python.

Run as a script, this file is that process.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# As the user has it, the program's folder is the first word.
_CLIENT = """
import array, json, os, socket, sys

words = sys.argv[1:]
if not words or not words[0].endswith("scripts/iot_ca"):
    os.execv({python!r}, [{python!r}, *words])
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
told = json.dumps({{"folder": os.getcwd(), "environment": dict(os.environ), "words": words}})
streams = array.array("i", [0, 1, 2])
line.sendmsg([len(told.encode()).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
line.sendall(told.encode())
answer = line.recv(1)
os._exit(answer[0] if answer else 1)
"""  # noqa: E501


@contextlib.contextmanager
def warm_python() -> Iterator[Path]:
    """Start the process, and give the folder with its `python3`."""
    with tempfile.TemporaryDirectory(prefix="python-") as name:
        folder = Path(name)
        address = str(folder / "socket")
        script = folder / "client.py"
        script.write_text(_CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
        program = folder / "python3"
        command = shlex.join([sys.executable, "-IS", str(script)])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        with subprocess.Popen(
            [sys.executable, __file__, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"ready\n"
                yield folder
            finally:
                process.kill()
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()


def _serve(address: str) -> None:
    import botocore.session
    import cryptography.x509  # noqa: F401

    # For what it loads: the program makes clients of its own.
    botocore.session.Session().create_client(
        "iot", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _run(line)
        line.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _run(line: socket.socket) -> None:
    """Be the command at the other end of the line; does not return."""
    streams = array.array("i")
    size, ancillary, _, _ = line.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2])
    told = json.loads(line.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    time.tzset()
    sys.argv[:] = told["words"]
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        for written in (sys.stdout, sys.stderr):
            written.flush()
        line.sendall(bytes([status]))
        os._exit(status)


def _end_with(line: socket.socket) -> None:
    """End this process as soon as the one that it stands for has ended."""
    line.recv(1)
    os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])
