"""What the tests of this folder need of AWS and of a CA's owner."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping

from tests.support.terraform.on_path import TerraformOnPath
from tests.support.terraform.workspace import Workspace
from tools.engine.terraform import Terraform, unwrapped

REGION = "eu-west-1"

NewExample = Callable[[str, str], Terraform]


def shell(terraform: Terraform, commands: str, env: Mapping[str, str] | None = None) -> str:
    """Run commands as they are typed, in a working folder; returns all that they say.

    The shell stops at the first failure, which fails the test. `env` goes over the environment.
    """
    done = subprocess.run(
        ["sh", "-ec", commands],
        cwd=terraform.folder,
        env={**terraform.environment, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def run_as_typed(terraform: Terraform, commands: str) -> str:
    """Run a document's commands in a shell, as they stand; returns what they said.

    As `shell`, and `terraform` is the engine and applies and destroys without asking. The text
    comes without Terraform's line breaks.
    """
    with engine_on_path(terraform) as path:
        settings = {
            "PATH": path,
            "TF_CLI_ARGS": "-no-color",
            "TF_CLI_ARGS_apply": "-auto-approve",
            "TF_CLI_ARGS_destroy": "-auto-approve",
        }
        return unwrapped(shell(terraform, commands, settings))


@contextlib.contextmanager
def engine_on_path(terraform: Terraform) -> Iterator[str]:
    """Give a PATH on which `terraform` is the engine, with the providers of a workspace."""
    if isinstance(terraform, Workspace) and terraform.running is not None:
        program = TerraformOnPath(terraform.engine, terraform.running)
        try:
            yield program.path(terraform.environment["PATH"])
        finally:
            program.stop()
        return
    programs = terraform.folder / ".programs"
    programs.mkdir(exist_ok=True)
    wrapper = programs / "terraform"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(terraform.engine.argv)} "$@"\n')
    wrapper.chmod(0o755)
    yield os.pathsep.join([str(programs), terraform.environment["PATH"]])
