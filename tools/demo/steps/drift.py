"""Two CAs are changed behind Terraform's back, noticed, and repaired."""

from __future__ import annotations

from tools.demo.accounts import CA_NAME, PRODUCTION, STAGING, DemoAccount
from tools.demo.claims import claim
from tools.demo.plan_output import excerpt, replaced
from tools.demo.runs import PLAN, Demo, check_no_changes, check_no_writes, run_in_accounts
from tools.demo.steps.registration import check_registration
from tools.engine.terraform import Completed

REGISTRATION = f'module.iot_ca.module.registration.terraform_data.registration["{CA_NAME}"]'
EXPECTED_DRIFT = {STAGING: "status is INACTIVE, wanted ACTIVE", PRODUCTION: "not registered"}


def cause_drift(demo: Demo) -> None:
    """Change two accounts behind Terraform's back; plan must notice both."""
    demo.screen.step(
        "Drift: somebody sets one CA INACTIVE and deletes another",
        "By hand, behind Terraform's back. plan says what is wrong and what it would do.",
    )
    _change_by_hand(demo)
    demo.aws.sandbox.forget_calls()

    def check(account: DemoAccount, completed: Completed) -> str:
        where = f"plan in {account.workspace}"
        expected = EXPECTED_DRIFT[account]
        claim(completed.status == 2, f"{where} ends with exit status 2", completed.output)
        claim(expected in completed.output, f"{where} says why", completed.output)
        claim(
            replaced(completed) == [REGISTRATION],
            f"{where} replaces the registration and nothing else",
            completed.stdout,
        )
        return "exit status 2"

    save = "-out={workspace}.tfplan"
    run_in_accounts(demo, EXPECTED_DRIFT, check, *PLAN, save, quote=excerpt)
    check_no_writes(demo)


def repair(demo: Demo) -> None:
    """Apply the saved plans; afterwards plan has no changes."""
    demo.screen.step(
        "terraform apply repairs both",
        "The saved plans, as they were shown. Afterwards plan has nothing to do again.",
    )

    def check(account: DemoAccount, completed: Completed) -> str:
        claim(completed.status == 0, f"the repair of {account.workspace} works", completed.stderr)
        ca = check_registration(demo, account)
        return f"{ca.mode}, {ca.status}, template {ca.template}"

    demo.aws.sandbox.forget_calls()
    run_in_accounts(demo, EXPECTED_DRIFT, check, "apply", "{workspace}.tfplan")
    writes, calls = demo.aws.writes(), demo.aws.sandbox.calls()
    claim(bool(writes), "the repairs write to AWS", calls)
    demo.screen.tick(f"{len(calls)} AWS calls by the repairs, {len(writes)} of them writes")
    demo.screen.quote(writes)
    demo.aws.sandbox.forget_calls()
    run_in_accounts(demo, EXPECTED_DRIFT, check_no_changes, *PLAN)
    check_no_writes(demo)


def _change_by_hand(demo: Demo) -> None:
    staging, production = demo.aws.iot(STAGING), demo.aws.iot(PRODUCTION)
    staging.update_ca_certificate(certificateId=demo.certificate_id, newStatus="INACTIVE")
    demo.screen.command(f"aws iot update-ca-certificate --new-status INACTIVE …   # in {STAGING}")
    production.update_ca_certificate(certificateId=demo.certificate_id, newStatus="INACTIVE")
    production.delete_ca_certificate(certificateId=demo.certificate_id)
    demo.screen.command(f"aws iot delete-ca-certificate …   # in {PRODUCTION}")
