"""`python -m tools.demo`: one CA in three accounts, on the sandbox, each claim checked on the way.

Runs examples/workspaces in a copy of the checkout that is removed afterwards. Exit status
0 if every claim held, 1 if one did not or something is missing, 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.control import SandboxError, start
from tools.checkout import ROOT, copy_configuration
from tools.demo.accounts import EXAMPLE
from tools.demo.aws import Aws
from tools.demo.claims import ClaimFailed, claim
from tools.demo.runs import Demo
from tools.demo.screen import Screen
from tools.demo.steps.ca import make_ca
from tools.demo.steps.destroy import destroy
from tools.demo.steps.devices import connect_device, connect_device_without_sni, refuse_new_devices
from tools.demo.steps.drift import cause_drift, repair
from tools.demo.steps.registration import (
    plan_again,
    refuse_fourth_account,
    register,
    show_table,
)
from tools.engine.discovery import find_engine
from tools.engine.terraform import Terraform
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import resolve

STEPS = (
    register,
    show_table,
    plan_again,
    cause_drift,
    repair,
    refuse_fourth_account,
    connect_device,
    connect_device_without_sni,
    refuse_new_devices,
    destroy,
)
NEXT = (
    ("The same in your own configuration, step by step:", "less examples/single-account/README.md"),
    ("A sandbox of your own, for Terraform and the AWS CLI:", "python -m sandbox --port 5555"),
    ("From the CA that you have to this module:", "less docs/adopting-and-migrating.md"),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MAX_SOCKET_FOLDER_LENGTH = 80


def temporary_folder(folder: Path) -> dict[str, str]:
    """Variables that keep Terraform's temporary files in the folder.

    Providers that are ended midway leave their sockets there. Paths of sockets are short.
    """
    return {"TMPDIR": str(folder)} if len(str(folder)) < MAX_SOCKET_FOLDER_LENGTH else {}


def forget_settings() -> None:
    """Leave out what the user has set for AWS: all calls of this process go to the sandbox."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


def run(screen: Screen) -> None:
    """Run all steps and leave nothing behind. Raises ClaimFailed, ToolError or SandboxError."""
    started = time.monotonic()
    screen.title(
        "One certificate authority, three AWS accounts",
        "The main job of terraform-aws-iot-ca, on a local AWS. Nothing leaves this machine.",
    )
    engine = find_engine()
    screen.fact("engine", engine)
    with screen.waiting("looking for the providers"):
        providers = resolve(engine, say=lambda text: screen.fact("providers", text))
    screen.fact("providers", providers)
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    try:
        screen.step("A local AWS", "The sandbox: moto's server with the CA rules of AWS IoT Core.")
        began = time.monotonic()
        with screen.waiting("starting the sandbox"):
            sandbox = start()
        with sandbox:
            screen.tick(f"{sandbox.endpoint}, all accounts empty", time.monotonic() - began)
            copy_configuration(ROOT, folder)
            settings = environment(providers, temporary_folder(folder))
            terraform = Terraform(folder / EXAMPLE, engine, settings)
            certificate_id = make_ca(screen, terraform.folder)
            demo = Demo(screen, terraform, Aws(sandbox), certificate_id)
            for step in STEPS:
                step(demo)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ended = sandbox.process is None or sandbox.process.poll() is not None
    claim(ended, "the sandbox has ended", sandbox.process)
    claim(not folder.exists(), "no file is left", folder)
    screen.tick("the sandbox has ended and its files are gone")
    screen.suggestions("What to try next", NEXT)
    screen.end(f"Every claim held. {time.monotonic() - started:.0f} seconds.")


def interrupt(*_: object) -> None:
    """End in order on the first signal, and don't let a second one disturb that."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demo; returns the exit status. `--help` alone starts nothing."""
    argparse.ArgumentParser(
        prog="python -m tools.demo",
        description="Registers one CA in three accounts of a local AWS, causes and repairs drift, "
        "connects devices and destroys everything, checking each claim. Takes about a minute, "
        "needs no AWS account and leaves nothing behind.",
    ).parse_args(arguments)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    for number in SIGNALS:
        signal.signal(number, interrupt)
    forget_settings()
    screen = Screen()
    try:
        run(screen)
    except ClaimFailed as failed:
        screen.failure(f"Not as claimed: {failed}", failed.evidence)
        return 1
    except (ToolError, SandboxError) as error:
        screen.failure("The demo could not run", str(error))
        return 1
    except KeyboardInterrupt:
        screen.end("Interrupted. Nothing is left running.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
