"""``python -m sandbox``: serves until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence


def _isolate() -> None:
    """Keep the caller's AWS and moto settings out: moto reads both, some already on import."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MOTO_")):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"


def _stop(*_: object) -> None:
    raise SystemExit(0)


def _stop_with(stdin: int) -> None:
    while os.read(stdin, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _region_and_port(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"([a-z]+(?:-[a-z]+)+-\d):(\d{1,5})", text)
    if not match or int(match[2]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a region and a port")
    return match[1], int(match[2])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A local AWS with the CA certificate rules of AWS IoT Core, on loopback only.",
    )
    parser.add_argument("--port", type=int, default=0, help="0, the default, is a free one")
    parser.add_argument(
        "--devices",
        action="append",
        default=[],
        type=_region_and_port,
        metavar="REGION:PORT",
        help="also listen for the region's devices there; may be given for several regions",
    )
    parser.add_argument(
        "--run-functions",
        action="store_true",
        help="run Lambda functions, as this user: for every process that reaches the port",
    )
    parser.add_argument("--verbose", action="store_true", help="request lines on stderr")
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="also stop when standard input ends"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Start the server, print its endpoint, and serve until a signal ends it."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    _isolate()
    from sandbox.server.http_server import Server

    try:
        server = Server(arguments.port, arguments.verbose)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SystemExit(f"sandbox: port {arguments.port}: {reason}") from None
    server.aws.devices.run_functions = arguments.run_functions
    for region, port in arguments.devices:
        try:
            server.aws.devices.gateway().listen(region, port)
        except OSError as error:
            raise SystemExit(f"sandbox: --devices {region}:{port}: {error.strerror}") from None
    if arguments.stop_with_stdin:
        threading.Thread(target=_stop_with, args=(sys.stdin.fileno(),), daemon=True).start()
    print(server.endpoint, flush=True)
    sys.stdout = sys.stderr  # moto prints here and there; the endpoint stays the only line
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
