"""Everything is destroyed again, the CA before its template."""

from __future__ import annotations

from tools.demo.accounts import ACCOUNTS, PARTNER, DemoAccount
from tools.demo.aws import DELETIONS
from tools.demo.claims import claim
from tools.demo.runs import Demo, run_in_accounts
from tools.engine.terraform import Completed


def destroy(demo: Demo) -> None:
    """Delete the devices, and destroy in all accounts."""
    demo.screen.step(
        "terraform destroy",
        "The devices first: a CA is not deleted while certificates of its devices are "
        "registered. Then the CA leaves each account before its template does.",
    )
    for account in ACCOUNTS:
        demo.aws.delete_devices(account)
    demo.aws.sandbox.forget_calls()

    def check(account: DemoAccount, completed: Completed) -> str:
        claim(completed.status == 0, f"destroy in {account.workspace} works", completed.stderr)
        leftovers = demo.aws.leftovers(account)
        claim(not leftovers, f"nothing is left in {account.workspace}", "\n".join(leftovers))
        deleted = demo.aws.deletions(account)
        claim(
            account not in ACCOUNTS or deleted == list(DELETIONS),
            f"the CA leaves {account.workspace} before its template",
            deleted,
        )
        return "no CA, no template, no role left"

    run_in_accounts(demo, (*ACCOUNTS, PARTNER), check, "destroy", "-auto-approve")
