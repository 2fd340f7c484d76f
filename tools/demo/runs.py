"""Terraform in several accounts at once, each in its workspace."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from tools.demo.accounts import ACCOUNTS, REGION, DemoAccount
from tools.demo.aws import Aws
from tools.demo.claims import claim
from tools.demo.screen import Screen
from tools.engine.terraform import Completed, Terraform

# The exit status tells whether the plan has changes.
PLAN = ("plan", "-detailed-exitcode")


@dataclass(frozen=True)
class Demo:
    """What the steps work with: the screen, Terraform, the accounts, and the CA."""

    screen: Screen
    terraform: Terraform
    aws: Aws
    certificate_id: str


def run_in_accounts(
    demo: Demo,
    accounts: Collection[DemoAccount],
    check: Callable[[DemoAccount, Completed], str],
    *arguments: str,
    quote: Callable[[Completed], list[str]] = lambda _: [],
) -> None:
    """Run a Terraform command in several accounts at once.

    `check` returns a summary of the result, or raises ClaimFailed; `quote` returns the lines of
    the output that are worth reading.
    """
    names = ", ".join(account.workspace for account in accounts)
    # The processes end before the threads are waited for, also when a claim fails or the user
    # interrupts: the last context is left first.
    with (
        demo.screen.waiting(f"terraform {arguments[0]} in {names}"),
        ThreadPoolExecutor(len(accounts)) as pool,
        contextlib.ExitStack() as processes,
    ):
        running = {}
        for account in accounts:
            words = [word.format(workspace=account.workspace) for word in arguments]
            process = processes.enter_context(
                demo.terraform.start(*words, env=_environment(demo, account))
            )
            processes.callback(_kill, process)
            running[pool.submit(_finish, process, words)] = account
        for future in as_completed(running):
            account, result = running[future], future.result()
            text = f"{account.workspace:<12}{account.number}  {check(account, result)}"
            demo.screen.tick(text, result.seconds)
            demo.screen.quote(quote(result))


def check_no_changes(account: DemoAccount, completed: Completed) -> str:
    """Claim that a plan has no changes."""
    claim(
        completed.status == 0,
        f"plan in {account.workspace} ends with exit status 0",
        completed.output,
    )
    return "exit status 0"


def check_no_writes(demo: Demo) -> None:
    """Claim that nothing was written to AWS since the last `forget_calls`."""
    writes, calls = demo.aws.writes(), demo.aws.sandbox.calls()
    claim(not writes, "plan makes no writing call", "\n".join(writes))
    demo.screen.tick(f"{len(calls)} AWS calls by the plans, none of them writes")


def _environment(demo: Demo, account: DemoAccount) -> dict[str, str]:
    variables = {
        **demo.aws.sandbox.environment(account.number, REGION),
        "TF_WORKSPACE": account.workspace,
    }
    if account not in ACCOUNTS:
        entry = {"account_id": account.number, "certificate_mode": account.mode}
        variables["TF_VAR_accounts"] = json.dumps({account.workspace: entry})
    return variables


def _finish(process: subprocess.Popen[str], arguments: Sequence[str]) -> Completed:
    started = time.monotonic()
    stdout, stderr = process.communicate()
    seconds = time.monotonic() - started
    return Completed(tuple(arguments), process.returncode, stdout, stderr, seconds)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a Terraform that still runs, and its providers, at once: the demo removes its state."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
