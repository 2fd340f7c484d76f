#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["boto3>=1.35", "cryptography>=42"]
# ///
"""Find, register and deregister the CA certificates of AWS IoT Core for Terraform.

Usage: iot_ca.py inspect | register | deregister | csr | status

    inspect     reads a query from standard input (the protocol of Terraform's external data
                source) and answers what each CA is and what has to be done; never writes to AWS
    register    carries out the request in the environment variable IOT_CA_REQUEST
    deregister  likewise, the way back
    csr         prints a request for the verification certificate that DEFAULT mode needs, to be
                signed by whoever holds the CA's key; `iot_ca.py csr --help` lists its options
    status      shows what each account of a .tfvars file has of each CA, and what is wrong with it;
                for people and schedules, not for Terraform; `iot_ca.py status --help` says more

Every failure is exit status 1 and one line per CA on standard error; IOT_CA_DEBUG=1 adds the
traceback. Of status, 2 says that something has drifted.
"""

import gc
import importlib
import importlib.util
import os
import sys

# What the program imports -> what to install for it, and the least version that knows certificate
# modes and template names. botocore is boto3's core, comes with it and has its version.
PACKAGES = {"botocore": ("boto3>=1.35", (1, 35)), "cryptography": ("cryptography>=42", (42,))}

# What `status` imports besides, and only where its arguments ask for it.
TABLE = {"rich": "rich>=13"}
HCL = {"hcl2": "python-hcl2>=8"}


def missing_extras(argv):  # type: (list[str]) -> list[str]
    """What `status` would like besides, going by its arguments; nothing for other commands."""
    if argv[:1] != ["status"] or "--help" in argv or "-h" in argv:
        return []
    wanted = {}
    if not any(each == "--json" or each.startswith("--html") for each in argv):
        wanted.update(TABLE)
    if any(each.endswith((".tfvars", ".hcl")) for each in argv):
        wanted.update(HCL)
    return [name for module, name in wanted.items() if importlib.util.find_spec(module) is None]


def missing_packages():  # type: () -> list[str]
    """What pip would have to install: packages that this Python lacks or has too old."""
    missing = []
    for module, (requirement, least) in PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            version = getattr(importlib.import_module(module), "__version__", "0").split(".")[:2]
            if tuple(int("0" + "".join(filter(str.isdigit, part))) for part in version) >= least:
                continue
        missing.append(requirement)
    return missing


def main(argv):  # type: (list[str]) -> int
    """Run one command; returns the exit status.

    Kept to syntax that every Python 3 reads, so that an old one is told what it lacks.
    """
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
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    from iot_ca.commands import run

    return run(argv)


def run_through_uv(missing, extras, argv):  # type: (list[str], list[str], list[str]) -> int
    """Start over under `uv run`, which provides the packages named at the top of this file.

    Those of `status` are named here: a plan that runs through uv needs none of them.

    Standard input must be untouched: the query is still to be read from it.
    """
    import shlex
    import shutil

    uv = shutil.which("uv")
    if uv and "IOT_CA_THROUGH_UV" not in os.environ:
        os.environ["IOT_CA_THROUGH_UV"] = "1"
        more = [word for each in extras for word in ("--with", each)]
        os.execv(uv, [uv, "run", "--quiet", "--no-project", *more, "--script", __file__, *argv])
    message = (
        "iot_ca: %s lacks %s; install with `%s -m pip install %s`, or put uv on the PATH, or %s"
    )
    otherwise = "set python_command to a Python that has them"
    if not missing:
        otherwise = "do without: --json or --html FILE, and a .tfvars.json file, need neither"
    missing = missing + extras
    python, names = shlex.quote(sys.executable), " ".join(map(shlex.quote, missing))
    named = " and ".join(missing)
    print(message % (sys.executable, named, python, names, otherwise), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
