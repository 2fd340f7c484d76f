#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["boto3>=1.35", "cryptography>=42"]
# ///
"""Look up, register and deregister the CA certificates of AWS IoT Core for Terraform.

Usage: iot_ca COMMAND, where COMMAND is one of

    inspect     read a query from standard input (the protocol of Terraform's external data
                source) and print what each CA is and what has to be done; never writes to AWS
    register    carry out the request in the environment variable IOT_CA_REQUEST
    deregister  carry out the request in IOT_CA_REQUEST: delete, deactivate or retain a CA
    csr         print a signing request for the verification certificate that DEFAULT mode needs;
                the holder of the CA's key signs it; `iot_ca csr --help` lists the options
    status      show what each account of a .tfvars file has of each CA, and what differs;
                for people and schedules, not for Terraform; `iot_ca status --help` has details

Every failure is exit status 1 and one line per CA on standard error; IOT_CA_DEBUG=1 adds the
traceback. Exit status 2 of status means drift.
"""

import gc
import importlib
import importlib.util
import os
import sys

# What the program imports -> the requirement to install for it, and the lowest version that knows
# certificate modes and template names. botocore is installed by boto3 and has its version.
PACKAGES = {"botocore": ("boto3>=1.35", (1, 35)), "cryptography": ("cryptography>=42", (42,))}

# Packages that only `status` imports, and only where its arguments need them.
TABLE = {"rich": "rich>=13"}
HCL = {"hcl2": "python-hcl2>=8"}


def missing_extras(argv):  # type: (list[str]) -> list[str]
    """Return the requirements that `status` needs for these arguments and that are missing."""
    if argv[:1] != ["status"] or "--help" in argv or "-h" in argv:
        return []
    needed = {}
    if not any(word == "--json" or word.startswith("--html") for word in argv):
        needed.update(TABLE)
    if any(word.endswith((".tfvars", ".hcl")) for word in argv):
        needed.update(HCL)
    return [name for module, name in needed.items() if importlib.util.find_spec(module) is None]


def missing_packages():  # type: () -> list[str]
    """Return the requirements of the program that this Python lacks or has too old."""
    missing = []
    for module, (requirement, lowest) in PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            version = getattr(importlib.import_module(module), "__version__", "0").split(".")[:2]
            if tuple(int("0" + "".join(filter(str.isdigit, part))) for part in version) >= lowest:
                continue
        missing.append(requirement)
    return missing


def main(argv=None):  # type: (list[str] | None) -> int
    """Run one command; return the exit status.

    Restricted to syntax that every Python 3 reads, so that an old one can say what it lacks.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv in (["--help"], ["-h"]):
        print(__doc__)
        return 0
    if sys.version_info < (3, 10):  # noqa: UP036
        version = ".".join(map(str, sys.version_info[:3]))
        message = "iot_ca: Python 3.10 or later is needed, this is %s (%s); set python_command"
        print(message % (version, sys.executable), file=sys.stderr)
        return 1
    missing, extras = missing_packages(), missing_extras(argv)
    if missing or extras:
        return run_through_uv(missing, extras, argv)
    # A plan waits for this process, which ends before garbage matters: collecting it while botocore
    # loads its models took an eighth of the time.
    gc.disable()
    from iot_ca.cli import run

    return run(argv)


def run_through_uv(missing, extras, argv):  # type: (list[str], list[str], list[str]) -> int
    """Start over under `uv run`, which installs the packages named at the top of this file.

    Packages that only `status` needs are passed on the command line: a plan that runs through uv
    needs none of them. Standard input must be untouched: the query is still to be read from it.
    """
    import shlex
    import shutil

    uv = shutil.which("uv")
    if uv and "IOT_CA_THROUGH_UV" not in os.environ:
        os.environ["IOT_CA_THROUGH_UV"] = "1"
        more = [word for requirement in extras for word in ("--with", requirement)]
        script = os.path.realpath(__file__)
        os.execv(uv, [uv, "run", "--quiet", "--no-project", *more, "--script", script, *argv])
    message = (
        "iot_ca: %s lacks %s; install with `%s -m pip install %s`, or put uv on the PATH, or %s"
    )
    otherwise = "set python_command to a Python that has them"
    if not missing:
        otherwise = "do without: --json or --html FILE, and a .tfvars.json file, need neither"
    missing = missing + extras
    python, names = shlex.quote(sys.executable), " ".join(map(shlex.quote, missing))
    print(
        message % (sys.executable, " and ".join(missing), python, names, otherwise),
        file=sys.stderr,
    )
    return 1


def import_by_path():  # type: () -> None
    """Make this folder importable as the package `iot_ca`, also where it is run by a symlink.

    Python puts the folder of a script that is run by path in front of `sys.path`. The package's
    own files must not be importable from there a second time, without the package's name.
    """
    folder = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120
    parent = os.path.dirname(folder)  # noqa: PTH120
    sys.path[:] = [parent, *(path for path in sys.path if not same(path, folder))]


def same(path, folder):  # type: (str, str) -> bool
    """Return whether a folder of `sys.path` is this one."""
    return bool(path) and os.path.realpath(path) == folder


if __name__ == "__main__":
    if not __package__:
        import_by_path()
    sys.exit(main())
