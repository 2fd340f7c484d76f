"""Run one command of the program, and print what it returns or why it failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from iot_ca.errors import Failure, Failures, one_line

REQUEST_VARIABLE = "IOT_CA_REQUEST"
DEBUG_VARIABLE = "IOT_CA_DEBUG"

_COMMANDS = ("inspect", "register", "deregister", "release-policy", "csr", "status")


def run(argv: Sequence[str]) -> int:
    """Run one command; return the exit status.

    Prints the answer, or on standard error one line for each failure. A traceback is printed only
    if IOT_CA_DEBUG is 1.
    """
    try:
        return _run(argv)
    except Failures as failures:
        lines = failures.lines()
        _print_traceback()
    except Failure as failure:
        lines = [str(failure)]
        _print_traceback()
    except KeyboardInterrupt:
        lines = ["interrupted; run again to finish what was begun"]
    except Exception as error:
        # The class alone: the text of an unforeseen error could quote input.
        lines = [f"unforeseen {type(error).__name__}; run with {DEBUG_VARIABLE}=1 and report it"]
        _print_traceback()
    for line in lines:
        print(f"iot_ca: {one_line(line)}", file=sys.stderr)
    return 1


def _run(argv: Sequence[str]) -> int:
    """Run a command for people, or print what a command for Terraform returns."""
    command = argv[0] if argv else ""
    # Imported here: a plan waits for what its command imports, and needs no other.
    if command == "csr":
        from iot_ca.ownership import csr

        return csr.run(argv[1:])
    if command == "status":
        from iot_ca.fleet import status

        return status.run(argv[1:])
    if len(argv) != 1 or command not in _COMMANDS:
        raise Failure(f"usage: iot_ca {' | '.join(_COMMANDS)}")
    print(_answer(command))
    return 0


def _answer(command: str) -> str:
    if command == "inspect":
        from iot_ca.terraform.inspect import inspect

        return inspect(_query())
    if command == "register":
        from iot_ca.terraform.register import register

        return register(_request())
    if command == "release-policy":
        from iot_ca.terraform.release_policy import release_policy

        return release_policy(_request())
    from iot_ca.terraform.deregister import deregister

    return deregister(_request())


def _query() -> str:
    try:
        # Terraform writes UTF-8, whatever the locale is.
        return sys.stdin.buffer.read().decode("utf-8")
    except (AttributeError, OSError):
        raise Failure("the query can't be read: there is no standard input") from None
    except UnicodeDecodeError:
        raise Failure("the query is not UTF-8") from None


def _request() -> str:
    try:
        return os.environ[REQUEST_VARIABLE]
    except KeyError:
        raise Failure(
            f"{REQUEST_VARIABLE} is not set; the module sets it, this command is not for typing"
        ) from None


def _print_traceback() -> None:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        traceback.print_exc()
