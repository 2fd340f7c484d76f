"""`python -m tests.support.aws_contract.on_sandbox`: the contract with AWS, held by the sandbox.

It starts a sandbox, writes an AWS config file with two profiles that lead to it, and runs the same
command as for AWS. With --write, the table in the README is replaced by what came of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sandbox.control import Sandbox, start
from tests.support.aws_contract.accounts import DEVICE_ADDRESS
from tests.support.aws_contract.report import Report, markdown, read_json
from tools.checkout import ROOT

REGION = "eu-west-1"
PROFILES = {"dev": "111111111111", "staging": "222222222222"}
README = ROOT / "tests" / "aws_contract" / "README.md"
# The sandbox does everything at once, or with these delays.
PATIENCE = 0.01
ROLE_SECONDS, PROVISIONING_SECONDS, DETACHMENT_SECONDS = 1.0, 0.3, 1.0
BEGIN, END = "<!-- begin: answers of the sandbox -->", "<!-- end: answers of the sandbox -->"


def environment(sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """Return the variables of a process whose profiles lead to a sandbox; write their files."""
    listener = sandbox.devices(REGION)
    bundle, config = folder / "ca.pem", folder / "config"
    bundle.write_text(listener.ca_pem, encoding="ascii")
    sections = [
        f"[profile {name}]\naws_access_key_id = {number}\naws_secret_access_key = any\n"
        f"endpoint_url = {sandbox.endpoint}\nca_bundle = {bundle}\n"
        f"{DEVICE_ADDRESS} = {listener.host}:{listener.port}\n"
        for name, number in PROFILES.items()
    ]
    config.write_text("\n".join(sections), encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **variables,
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def delay(sandbox: Sandbox) -> None:
    """Let a sandbox take its time, as AWS does, and have no applied quotas."""
    sandbox.delay_roles(ROLE_SECONDS)
    sandbox.delay_provisioning(PROVISIONING_SECONDS)
    sandbox.delay_detachment(DETACHMENT_SECONDS)
    sandbox.omit_applied_quotas()


def command(reports: Path, *options: str) -> list[str]:
    """Return the command that `make acceptance` runs, for the profiles of the sandbox."""
    inputs = ["--profiles", " ".join(PROFILES), "--region", REGION, "--reports", str(reports)]
    inputs += ["--patience", str(PATIENCE)]
    return [sys.executable, "-m", "tests.support.aws_contract", *inputs, *options]


def report_in(reports: Path) -> Report:
    """Return the report of the only run that has written below a folder."""
    (path,) = reports.glob("*/report.json")
    return read_json(path)


def documented(text: str, report: Report) -> str:
    """Return the README with the table of a report in place of the one that it has."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(report)}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the contract on a sandbox; return the exit status of the run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.aws_contract.on_sandbox",
        description="Run `make acceptance` on a sandbox that is started for it.",
    )
    parser.add_argument("--write", action="store_true", help="write the table into the README")
    parser.add_argument("--read-only", action="store_true", help="only what writes nothing")
    parser.add_argument("--delays", action="store_true", help="on a sandbox that takes its time")
    given = parser.parse_args(arguments)
    options = ["--read-only"] if given.read_only else []
    with start() as sandbox, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.delays:
            delay(sandbox)
        run = subprocess.run(
            command(folder, *options), cwd=ROOT, env=environment(sandbox, folder), check=False
        )
        if given.write and run.returncode == 0:
            text = README.read_text(encoding="utf-8")
            README.write_text(documented(text, report_in(folder)), encoding="utf-8")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
