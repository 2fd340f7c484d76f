"""`python -m tools.lint_terraform [--fix]`: terraform fmt, and validate on all configurations."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.checkout import ROOT, copy_configuration, folders
from tools.engine.discovery import Engine, find_engine
from tools.engine.terraform import Terraform
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import resolve


def main(arguments: list[str]) -> int:
    """Print what is wrong; returns 0 if that is nothing. With --fix, only format in place."""
    try:
        engine = find_engine()
        if arguments == ["--fix"]:
            return _fmt(engine, "-list=true")
        return _fmt(engine, "-check", "-diff") or _validate(engine)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1


def _fmt(engine: Engine, *options: str) -> int:
    done = Terraform(ROOT, engine, environment(None)).run(
        "fmt", "-recursive", *options, check=False
    )
    print(done.stdout + done.stderr, end="")
    if done.status:
        print("terraform fmt: `make fmt` formats these", file=sys.stderr)
    return done.status


def _validate(engine: Engine) -> int:
    providers = resolve(engine, say=print)
    # These programs end before it pays to collect the garbage of the aws provider's schema.
    settings = environment(providers, {"GOGC": "400"})
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(2) as pool:
        copy = Path(temporary)
        copy_configuration(ROOT, copy)
        runs = [Terraform(folder, engine, settings) for folder in folders(copy)]
        problems = list(filter(None, pool.map(_problem, runs)))
        print(f"terraform validate: {len(runs)} folders, {len(problems)} with problems ({engine})")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _problem(terraform: Terraform) -> str | None:
    for command in (("init", "-backend=false"), ("validate",)):
        done = terraform.run(*command, check=False)
        if done.status:
            return f"{terraform.folder.name}: terraform {command[0]}\n{done.stdout}{done.stderr}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
