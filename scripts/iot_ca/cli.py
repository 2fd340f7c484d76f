"""Run one command of the program, and print what it returns or why it failed."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from iot_ca.errors import DEBUG_VARIABLE, Failure, Failures, as_failure, one_line

REQUEST_VARIABLE = "IOT_CA_REQUEST"

_COMMANDS = ("inspect", "register", "deregister", "release-policy", "csr", "status")


def run(argv: Sequence[str]) -> int:
    """Run one command; return the exit status.

    Prints the answer, or on standard error one line for each failure. A traceback is printed only
    if IOT_CA_DEBUG is 1.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.closed:
        # A character that the encoding lacks, such as in a CA's name, must not end the program.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(argv)
    except Failures as failures:
        lines = failures.lines()
        _print_tracebacks(*failures.by_name.values())
    except KeyboardInterrupt:
        lines = ["interrupted; run again to finish what was begun"]
    except BaseException as error:
        failure = as_failure(error)
        lines = [str(failure)]
        _print_tracebacks(failure)
    for line in lines:
        _say(f"iot_ca: {one_line(line)}", sys.stderr)
    return 1


def _run(argv: Sequence[str]) -> int:
    """Run a command for people, or print what a command for Terraform returns."""
    command = argv[0] if argv else ""
    # Imported here: a plan waits for what its command imports, and needs no other.
    if command == "csr":
        from iot_ca.ownership import csr

        with _writing_standard_output():
            return csr.run(argv[1:])
    if command == "status":
        from iot_ca.fleet import status

        return status.run(argv[1:])
    if len(argv) != 1 or command not in _COMMANDS:
        raise Failure(f"usage: iot_ca {' | '.join(_COMMANDS)}")
    if command == "inspect":
        from iot_ca.terraform.inspect import inspect

        _answer(inspect(_query()))
    elif command == "register":
        from iot_ca.terraform.register import register

        _say(one_line(register(_request())), sys.stdout)
    elif command == "release-policy":
        from iot_ca.terraform.release_policy import release_policy

        _say(one_line(release_policy(_request())), sys.stdout)
    else:
        from iot_ca.terraform.deregister import deregister

        _say(one_line(deregister(_request())), sys.stdout)
    return 0


def _say(line: str, stream: TextIO | None) -> None:
    """Print a line if the stream takes it.

    AWS holds what was done: a stream that is closed or full must not turn it into a failure.
    """
    if stream is None:  # so Python says that the process was started without it
        return
    try:
        print(line, file=stream, flush=True)
    except (OSError, ValueError):
        _discard_the_rest(stream)


def _answer(text: str) -> None:
    """Print what Terraform reads as UTF-8; raise Failure if standard output can't be written."""
    if sys.stdout is None:
        raise Failure("standard output can't be written: it is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    with _writing_standard_output():
        print(text, flush=True)


@contextmanager
def _writing_standard_output() -> Iterator[None]:
    """Raise Failure if standard output can't be written in the block."""
    try:
        yield
    except OSError as error:
        _discard_the_rest(sys.stdout)
        raise Failure(f"standard output can't be written: {error.strerror}") from error


def _discard_the_rest(stream: TextIO) -> None:
    """Lead a stream nowhere: at its exit Python writes what is left and would fail again."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


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


def _print_tracebacks(*failures: Failure) -> None:
    if os.environ.get(DEBUG_VARIABLE) == "1" and sys.stderr is not None:
        import traceback

        for failure in dict.fromkeys(failures):
            traceback.print_exception(failure)
