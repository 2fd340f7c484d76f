"""Ctrl-C while calls hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from sandbox.control import Sandbox
from tests.support.status.hub import World
from tools.checkout import ROOT

SCRIPT = ROOT / "scripts" / "iot_ca"
# Both calls for a CA at once in so many accounts: all 64 that `status` makes in parallel.
ACCOUNTS = 32
HANG_SECONDS = 30
# Two, and many more for a machine that is busy with other tests: half of what a call hangs.
MAX_SECONDS = HANG_SECONDS / 2

# The shell of a job in the background has it ignored, and a process inherits that.
START = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def interrupted(sandbox: Sandbox, *arguments: str) -> tuple[float, int, str, str]:
    """Interrupt the command as soon as all faults are used up.

    Return the seconds until it ended, its exit status, and what it printed.
    """
    with subprocess.Popen(
        [sys.executable, "-c", START, str(SCRIPT), "status", *arguments],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while sandbox.faults():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            begin = time.monotonic()
            out, err = process.communicate(timeout=HANG_SECONDS * 2)
            return time.monotonic() - begin, process.returncode, out, err
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("operations", "is_page"),
    [(["AssumeRole"], False), (["DescribeCACertificate", "ListTagsForResource"], True)],
)
def test_ctrl_c_ends_the_command_at_once(
    world: World,
    sandbox: Sandbox,
    new_account: Callable[[], str],
    operations: list[str],
    is_page: bool,
) -> None:
    for number in range(ACCOUNTS):
        world.add(f"account-{number}", new_account())
    path = world.write(certificate_file="root.pem")
    page = world.folder / "status.html"
    page.write_text("the old one")
    for name in operations:
        sandbox.fault("latency", operation=name, times=ACCOUNTS, seconds=HANG_SECONDS)
    options = ["--html", str(page)] if is_page else []

    seconds, exit_status, out, err = interrupted(sandbox, path, *options)

    assert (exit_status, out) == (1, "")
    assert err == "iot_ca: status: interrupted before the report was complete; run again\n"
    assert seconds < MAX_SECONDS
    assert page.read_text() == "the old one"
    names = {each.name for each in world.folder.iterdir()}
    assert names == {"root.pem", "accounts.tfvars.json", "status.html"}
