"""The commands of a runbook, as they are written there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.accounts import Account

# Version 1 of the AWS CLI calls AWS's own address for queues, whatever AWS_ENDPOINT_URL is.
_AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'


def run_runbook(shell: str, account: Account, folder: Path) -> str:
    """Run a block of a runbook in a folder, as a caller who may do everything in the account.

    Returns its standard output. Fails if a command fails.
    """
    inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-eu", "-c", _AWS + shell],
        cwd=folder,
        env={
            **inherited,
            **account.sandbox.environment(account.number, account.region),
            "PATH": path,
        },
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
