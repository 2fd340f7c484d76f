"""The CA is registered in three accounts, and refused in a fourth."""

from __future__ import annotations

import time

from rich.table import Table

from tools.demo.accounts import ACCOUNTS, CA_NAME, PARTNER, REGION, DemoAccount
from tools.demo.aws import Registration
from tools.demo.claims import claim
from tools.demo.plan_output import refusal
from tools.demo.runs import PLAN, Demo, check_no_changes, check_no_writes, run_in_accounts
from tools.engine.terraform import Completed

SECONDS_TO_REFUSE = 30.0


def register(demo: Demo) -> None:
    """Apply in all accounts at once, each in its workspace."""
    demo.screen.step(
        "terraform apply, a workspace for each account",
        "production takes the CA in DEFAULT mode and proves that it owns the key; the others "
        "take it in SNI_ONLY mode, which needs the certificate alone.",
    )
    with demo.screen.waiting("terraform init"):
        started = time.monotonic()
        demo.terraform.init()
    demo.screen.tick("initialised, once for all", time.monotonic() - started)

    def check(account: DemoAccount, completed: Completed) -> str:
        claim(completed.status == 0, f"apply in {account.workspace} works", completed.stderr)
        return f"registered in {account.mode} mode"

    run_in_accounts(demo, ACCOUNTS, check, "apply", "-auto-approve")


def show_table(demo: Demo) -> None:
    """Read each CA from AWS, compare it with its desired state, and show it."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("account", "region", "certificate ID", "mode", "status", "template"):
        table.add_column(name, no_wrap=True)
    for account in ACCOUNTS:
        ca = check_registration(demo, account)
        short = f"{ca.certificate_id[:10]}…{ca.certificate_id[-6:]}"
        table.add_row(account.number, REGION, short, ca.mode, ca.status, ca.template or "none")
    demo.screen.table(table)
    demo.screen.tick(
        "read from AWS: the ID is the fingerprint everywhere; each CA is ACTIVE with "
        "auto-registration and names a template of type JITP in its own account"
    )


def plan_again(demo: Demo) -> None:
    """Plan in all accounts: no changes, and nothing is written."""
    demo.screen.step(
        "terraform plan: nothing changes",
        "Each plan looks the CA up in AWS. Exit status 0 says that there is nothing to do.",
    )
    demo.aws.sandbox.forget_calls()
    run_in_accounts(demo, ACCOUNTS, check_no_changes, *PLAN)
    check_no_writes(demo)


def refuse_fourth_account(demo: Demo) -> None:
    """Apply in a fourth account: only one account of a Region can have the CA in DEFAULT mode."""
    demo.screen.step(
        "A fourth account asks for DEFAULT mode",
        "AWS lets one account in a region hold a CA in DEFAULT mode: production has it.",
    )

    def check(account: DemoAccount, completed: Completed) -> str:
        claim(completed.status == 1, "a second DEFAULT is refused", completed.stdout)
        claim(
            "another account holds this CA in DEFAULT mode" in completed.output
            and 'certificate_mode = "SNI_ONLY"' in completed.output,
            "the refusal says who holds the CA and what to do",
            completed.stderr,
        )
        claim(
            completed.seconds < SECONDS_TO_REFUSE,
            f"the refusal comes within {SECONDS_TO_REFUSE:g} seconds",
            f"it took {completed.seconds:.1f} s",
        )
        ca = demo.aws.registration(account, demo.certificate_id)
        claim(ca is None, "nothing is registered in the fourth account", ca)
        return "refused, nothing registered"

    run_in_accounts(demo, (PARTNER,), check, "apply", "-auto-approve", quote=refusal)


def check_registration(demo: Demo, account: DemoAccount) -> Registration:
    """Claim that the CA in an account is in its desired state; return it as AWS has it."""
    ca = demo.aws.registration(account, demo.certificate_id)
    where = f"the CA in {account.workspace} ({account.number})"
    claim(ca is not None, f"{where} is registered under its fingerprint")
    assert ca is not None
    claim(ca.certificate_id == demo.certificate_id, f"{where} has its fingerprint as ID", ca)
    claim(ca.mode == account.mode, f"{where} is in {account.mode} mode", ca)
    claim(ca.status == "ACTIVE", f"{where} is ACTIVE", ca)
    claim(ca.auto_registration == "ENABLE", f"{where} registers devices", ca)
    claim(ca.template == CA_NAME, f"{where} names its template", ca)
    kind = demo.aws.template_type(account, CA_NAME)
    claim(kind == "JITP", f"the template in {account.workspace} is of type JITP", kind)
    return ca
