"""Run one command of the program, and print what it returns or why it failed."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from iot_ca.errors import DEBUG_VARIABLE, Failure, Failures, as_failure, one_line
from iot_ca.streams import say, standard_output

_COMMANDS = (
    "inspect",
    "register",
    "deregister",
    "release-policy",
    "csr",
    "status",
    "diagnose",
    "inventory",
)


def run(argv: Sequence[str], require_packages: Callable[[], None] = lambda: None) -> int:
    """Run one command; return the exit status.

    Prints the answer, or on standard error one line for each failure. A traceback is printed only
    if IOT_CA_DEBUG is 1.

    `require_packages` raises SystemExit if a package is missing.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.closed:
        # A character that the encoding lacks, such as in a CA's name, must not end the program.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _run(argv, require_packages)
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
        say(f"iot_ca: {one_line(line)}", sys.stderr)
    return 1


def _run(argv: Sequence[str], require_packages: Callable[[], None]) -> int:
    """Run a command for people, or print what a command for Terraform returns."""
    command = argv[0] if argv else ""
    # Of the processes that Terraform starts for each CA, one carries out the requests of all
    # (iot_ca.terraform.batch): only that one needs the packages, whose import takes longest.
    if argv not in (["register"], ["deregister"]):
        require_packages()
    # Imported here: a plan waits for what its command imports, and needs no other.
    if command == "csr":
        from iot_ca.ownership import csr

        return csr.run(argv[1:])
    if command == "status":
        from iot_ca.fleet import status

        return status.run(argv[1:])
    if command == "diagnose":
        from iot_ca.diagnosis import command as diagnose

        return diagnose.run(argv[1:])
    if command == "inventory":
        from iot_ca.fleet import inventory_command

        return inventory_command.run(argv[1:])
    if len(argv) != 1 or command not in _COMMANDS:
        raise Failure(f"usage: iot_ca {' | '.join(_COMMANDS)}")
    if command == "inspect":
        from iot_ca.terraform.inspect import inspect

        _answer(inspect(_query()))
    elif command == "release-policy":
        from iot_ca.terraform.release_policy import release_policy

        say(one_line(release_policy(_request())), sys.stdout)
    else:
        from iot_ca.terraform.batch import carry_out

        def load() -> Callable[[str, str], str]:
            require_packages()
            from iot_ca.terraform import requests

            return requests.load()

        say(one_line(carry_out(command, _request(), load)), sys.stdout)
    return 0


def _answer(text: str) -> None:
    """Print what Terraform reads as UTF-8; raise Failure if standard output can't be written."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.closed:
        sys.stdout.reconfigure(encoding="utf-8")
    with standard_output() as stdout:
        print(text, file=stdout)


def _query() -> str:
    try:
        # Terraform writes UTF-8, whatever the locale is.
        return sys.stdin.buffer.read().decode("utf-8")
    except (AttributeError, OSError):
        raise Failure("the query can't be read: there is no standard input") from None
    except UnicodeDecodeError:
        raise Failure("the query is not UTF-8") from None


def _request() -> str:
    from iot_ca.terraform.batch import REQUEST_VARIABLE

    try:
        return os.environ[REQUEST_VARIABLE]
    except KeyError:
        raise Failure(
            f"{REQUEST_VARIABLE} is not set; the module sets it, this command is not for typing"
        ) from None


def _print_tracebacks(*failures: Failure) -> None:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        for failure in dict.fromkeys(failures):
            say("".join(traceback.format_exception(failure)).rstrip("\n"), sys.stderr)
