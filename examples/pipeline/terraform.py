"""Running Terraform, in the workspace of an account where that matters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from trouble import Trouble


def run(
    folder: Path, *arguments: str, workspace: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Terraform; return how it ended and what it said."""
    program = _program()
    try:
        return subprocess.run(
            [program, *arguments],
            cwd=folder,
            env=_environment(workspace),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise _not_run(program, error) from None


def stream(folder: Path, *arguments: str, workspace: str) -> int:
    """Run Terraform, which prints as it goes; return its exit status.

    Ctrl-C reaches Terraform by itself, which then finishes what it has begun and saves the state.
    A program that is killed instead leaves a lock, and resources that no state has.
    """
    program = _program()
    try:
        process = subprocess.Popen(
            [program, *arguments],
            cwd=folder,
            env=_environment(workspace),
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise _not_run(program, error) from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            print("pipeline: waiting for terraform to end", file=sys.stderr, flush=True)


def init(folder: Path) -> None:
    """Run `terraform init`. Raise Trouble if it fails.

    Without a workspace: where the backend has others, `init` refuses one that does not exist.
    """
    _succeed(folder, "init", "-input=false", "-no-color")


def workspaces(folder: Path) -> tuple[str, set[str]]:
    """Return the workspace that is selected in the folder, and all there are."""
    listed = _succeed(folder, "workspace", "list", "-no-color").splitlines()
    selected = next((line[1:].strip() for line in listed if line.startswith("*")), "default")
    return selected, {line.lstrip("*").strip() for line in listed} - {""}


def create_workspace(folder: Path, name: str) -> None:
    """Create a workspace and select it, as `terraform workspace new` does."""
    _succeed(folder, "workspace", "new", "-no-color", name)


def select_workspace(folder: Path, name: str) -> None:
    """Select the workspace for the commands that are typed in this folder."""
    _succeed(folder, "workspace", "select", "-no-color", name)


def one_line(text: str) -> str:
    """Return the text of a message without Terraform's frame and line breaks."""
    return " ".join(re.sub(r"[│╷╵]", " ", text).split())


def _succeed(folder: Path, *arguments: str) -> str:
    done = run(folder, *arguments)
    if done.returncode:
        raise Trouble(f"terraform {arguments[0]} failed: {one_line(done.stderr)}")
    return done.stdout


def _program() -> str:
    return os.environ.get("TERRAFORM", "terraform")


def _environment(workspace: str | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "TF_WORKSPACE"}
    selected = {} if workspace is None else {"TF_WORKSPACE": workspace}
    return {**inherited, **selected, "TF_IN_AUTOMATION": "1"}


def _not_run(program: str, error: OSError) -> Trouble:
    return Trouble(f"{program} can't be run: {error.strerror}; set TERRAFORM")
