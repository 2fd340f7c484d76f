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
    release-policy
                carry out the request in IOT_CA_REQUEST: give devices a copy of a policy that is
                about to be deleted
    csr         print a signing request for the verification certificate that DEFAULT mode needs;
                the holder of the CA's key signs it; `iot_ca csr --help` lists the options
    status      show what each account of a .tfvars file has of each CA, and what differs;
                for people and schedules, not for Terraform; `iot_ca status --help` has details
    diagnose    say why a device is not let in, step by step, and what to do about it; never writes
                to AWS; `iot_ca diagnose --help` lists the options
    inventory   write the accounts file that Terraform and status read, from AWS Organizations;
                `iot_ca inventory --help` lists the options

Every failure is exit status 1 and one line per CA on standard error; IOT_CA_DEBUG=1 adds the
traceback. Exit status 2 of status means drift, and of diagnose that the device is refused.
"""

import gc
import importlib
import importlib.util
import os
import sys

# What the program imports -> the requirement to install for it, and the lowest version that knows
# certificate modes and template names. botocore is installed by boto3 and has its version.
PACKAGES = {"botocore": ("boto3>=1.35", (1, 35)), "cryptography": ("cryptography>=42", (42,))}

# Packages that only reports import, and only if their arguments need them.
TABLE = {"rich": "rich>=13"}
HCL = {"hcl2": "python-hcl2>=8"}

# The name of the package that pip and uv install; its extra `status` has the packages above.
DISTRIBUTION = "terraform-aws-iot-ca"


def missing_extras(argv):  # type: (list[str]) -> list[str]
    """Return the requirements that a report needs for these arguments and that are missing."""
    if argv[:1] not in (["status"], ["diagnose"]) or "--help" in argv or "-h" in argv:
        return []
    needed = {}
    if argv[0] == "status" and not any(
        word == "--json" or word.startswith("--html") for word in argv
    ):
        needed.update(TABLE)
    if any(word.endswith((".tfvars", ".hcl")) for word in argv):
        needed.update(HCL)
    return [name for module, name in needed.items() if importlib.util.find_spec(module) is None]


def missing_packages():  # type: () -> tuple[list[str], list[str]]
    """Return the requirements that this Python lacks or has too old, and why an import fails.

    The import of a package that is installed in part, or for another Python, raises anything.
    """
    missing, reasons = [], []
    for module, (requirement, lowest) in PACKAGES.items():
        try:
            if importlib.util.find_spec(module) is not None:
                version = version_of(importlib.import_module(module), requirement)
                numbers = version.split(".")[:2]
                if tuple(int("0" + "".join(filter(str.isdigit, n))) for n in numbers) >= lowest:
                    continue
        except Exception as error:
            reason = type(error).__name__ + ": " + " ".join(str(error).split())
            reasons.append(module + " (" + reason + ")")
        missing.append(requirement)
    return missing, reasons


def version_of(module, requirement):  # type: (object, str) -> str
    """Return the version of an imported package; "0" for one that is there in part only."""
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    metadata = importlib.import_module("importlib.metadata")
    try:
        return metadata.version(requirement.split(">=")[0]) or "0"
    except ImportError:
        return "0"


def main(argv=None):  # type: (list[str] | None) -> int
    """Run one command; return the exit status.

    Restricted to syntax that every Python 3 reads, so that an old one can say what it lacks.
    """
    try:
        return start(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        say("interrupted; run again to finish what was begun")
    except Exception as error:
        # Of the start: `iot_ca.cli` reports what a command raises.
        if os.environ.get("IOT_CA_DEBUG") == "1":
            raise
        say("unforeseen " + type(error).__name__ + "; run with IOT_CA_DEBUG=1 and report it")
    return 1


def start(argv):  # type: (list[str]) -> int
    """Run one command, if this Python and its packages will do; return the exit status."""
    if argv in (["--help"], ["-h"]):
        print(__doc__)
        return 0
    if sys.version_info < (3, 10):  # noqa: UP036
        version = ".".join(map(str, sys.version_info[:3]))
        message = "Python 3.10 or later is needed, this is %s (%s); set python_command"
        say(message % (version, sys.executable))
        return 1
    if os.environ.get("IOT_CA_DEBUG") != "1":
        # Standard error is for failures: not for what a library says of its next release.
        importlib.import_module("warnings").simplefilter("ignore")
    # A plan waits for this process, which ends before garbage matters: collecting it while botocore
    # loads its models took an eighth of the time.
    gc.disable()
    from iot_ca.cli import run

    try:
        return run(argv, lambda: require_packages(argv))
    except PackagesMissing as error:
        run_through_uv(argv, error.extras)
        say(how_to_install(error.missing, error.extras, error.reasons))
        return 1


class PackagesMissing(SystemExit):
    """Ends a command: requirements that this Python lacks, and why an import fails.

    A SystemExit, so that what reports a command's errors lets it pass.
    """

    def __init__(self, missing, extras, reasons):
        # type: (list[str], list[str], list[str]) -> None
        super().__init__(1)
        self.missing = missing
        self.extras = extras
        self.reasons = reasons


def require_packages(argv):  # type: (list[str]) -> None
    """Raise PackagesMissing if this Python lacks a package that the command needs."""
    (missing, reasons), extras = missing_packages(), missing_extras(argv)
    if missing or extras:
        raise PackagesMissing(missing, extras, reasons)


def say(line):  # type: (str) -> None
    """Print a failure on standard error, if there is one that takes it.

    As `iot_ca.streams.say`, which an old Python can't import.
    """
    if sys.stderr is not None:
        try:
            print("iot_ca: " + line, file=sys.stderr)
        except (OSError, ValueError):
            return


def run_through_uv(argv, extras):  # type: (list[str], list[str]) -> None
    """Replace this process by `uv run`, which installs the packages named at the top of this file.

    Returns if there is no uv, or if this process was started this way already. The requirements of
    `status` are passed on the command line: a plan that runs through uv needs none of them.
    Standard input must be untouched: the query is still to be read from it.
    """
    import shutil

    # In the environment of what uv starts, such as the program that `uvx` has installed. Otherwise
    # the user installs the packages of an installed program, in the same way as the program.
    uv = os.environ.get("UV") or (None if is_installed() else "uv")
    uv = uv and shutil.which(uv)
    if uv and "IOT_CA_THROUGH_UV" not in os.environ:
        os.environ["IOT_CA_THROUGH_UV"] = "1"
        more = [word for requirement in extras for word in ("--with", requirement)]
        script = os.path.realpath(__file__)
        words = [uv, "run", "--quiet", "--no-project", *more, "--script", script, *argv]
        try:
            os.execv(uv, words)
        except OSError:  # of a file that is not a program
            return


def how_to_install(missing, extras, reasons):  # type: (list[str], list[str], list[str]) -> str
    """Return what this Python lacks, or can't import, and how to install it, as one line."""
    import shlex

    names = missing + extras
    what = "{} lacks {}".format(sys.executable, " and ".join(names))
    if reasons:
        what = "{} can't import {}".format(sys.executable, " and ".join(reasons))
    remedies = [] if is_installed() else ["put uv on the PATH"]
    if not missing:
        names = [DISTRIBUTION + "[status]"] if is_installed() else names
        remedies.append("do without: --json or --html FILE, and a .tfvars.json file, need neither")
    elif not is_installed():
        remedies.append("set python_command to a Python that has them")
    words = [sys.executable, "-m", "pip", "install", *names]
    if reasons:
        words.insert(4, "--force-reinstall")
    command = "install with `{}`".format(" ".join(map(shlex.quote, words)))
    return what + "; " + ", or ".join([command, *remedies])


def is_installed():  # type: () -> bool
    """Return whether this is the installed program, not a folder of the module run by its path."""
    if not __package__:
        return False
    try:
        importlib.import_module("importlib.metadata").distribution(DISTRIBUTION)
    except ImportError:
        return False
    return True


def is_folder(path, folder):  # type: (str, str) -> bool
    """Return whether an entry of `sys.path` leads to a folder; one may be gone."""
    try:
        return bool(path) and os.path.realpath(path) == folder
    except OSError:
        return False


def import_by_path():  # type: () -> None
    """Make this folder importable as the package `iot_ca`, also if it is run through a symlink.

    Python puts the folder of a script that is run by path in front of `sys.path`. The package's
    files must not be importable from there without the package's name, and another `iot_ca` that is
    installed must not be imported.
    """
    folder = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120
    sys.path[:] = [path for path in sys.path if not is_folder(path, folder)]
    spec = importlib.util.spec_from_file_location(
        "iot_ca", folder + "/__init__.py", submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["iot_ca"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    if not __package__:
        import_by_path()
    sys.exit(main())
