"""Saved plans, -refresh-only, -target, depends_on, half-way failures, two at once: all converge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca
from tests.support.terraform.addresses import guards, records, registration, template
from tests.support.terraform.outcome import PROGRAM, read_outcome
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform


@pytest.mark.one_engine("saved plans, -refresh-only and -target are older than both")
def test_saved_plans_refresh_only_and_target_reconcile(stack: Stack) -> None:
    account = stack.account
    a, b = new_ca("a"), new_ca("b")
    stack.want({"a": {"certificate_pem": a.pem}, "b": {"certificate_pem": b.pem}})
    assert stack.plan("-out=first.plan").status == 2
    stack.run("apply", "first.plan", expected={0})
    assert account.see(a.id).status == account.see(b.id).status == "ACTIVE"
    for ca in (a, b):
        account.update(ca, newStatus="INACTIVE")

    refresh = stack.apply("-refresh-only")

    assert refresh.writes == []
    assert account.see(a.id).status == "INACTIVE"

    targeted = stack.apply(f"-target={registration('a')}")

    assert targeted.changes == {registration("a"): "replace"}
    assert targeted.calls_about(b.id, write=True) == []
    assert account.see(a.id).status == "ACTIVE"

    plan = stack.plan("-out=repair.plan")

    assert plan.changes == {registration("b"): "replace"}
    # Between plan and apply somebody else puts it right.
    account.update(b, newStatus="ACTIVE")
    late = stack.run("apply", "repair.plan", expected={0})
    assert late.calls_about(b.id, write=True) == ["TagResource"]
    assert stack.plan().status == 0


def test_depends_on_defers_the_lookup_and_takes_nothing_out(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        arguments="depends_on = [terraform_data.upstream]",
        extra="""
variable "upstream" {
  default = "before"
}

resource "terraform_data" "upstream" {
  input = var.upstream
}
""",
    )
    jitp, drifted, plain = new_ca("jitp"), new_ca("drifted"), new_ca("plain")
    stack.want(
        {
            "jitp": {"certificate_pem": jitp.pem, "provisioning": {"type": "JITP"}},
            "drifted": {"certificate_pem": drifted.pem, "provisioning": {"type": "JITP"}},
            "plain": {"certificate_pem": plain.pem},
        }
    )
    stack.apply()
    by_hand = stack.account
    before = {ca.id: by_hand.see(ca.id) for ca in (jitp, drifted, plain)}
    by_hand.update(drifted, newStatus="INACTIVE")

    deferred = stack.plan("-var=upstream=after")

    assert deferred.status == 2
    # The records of the registrations may be replaced, which touches nothing. All else stays.
    replaced = {address for address, action in deferred.changes.items() if action != "update"}
    assert replaced <= {registration(name) for name in ("jitp", "drifted", "plain")}
    assert deferred.changes.get(template("jitp"), "update") == "update"

    change = stack.apply("-var=upstream=after")

    assert not [call for call in change.writes if call.startswith(("Delete", "Create", "Register"))]
    assert not [call for call in change.writes if call.startswith(("Attach", "Detach"))]
    assert change.calls_about(jitp.id, write=True) == []
    assert change.calls_about(plain.id, write=True) == []
    assert change.calls_about(drifted.id, write=True) == ["UpdateCACertificate", "TagResource"]
    for ca in (jitp, drifted, plain):
        assert by_hand.see(ca.id).settings == before[ca.id].settings
    assert stack.plan("-var=upstream=after").status == 0

    # The guard compares digests of the input, which are known although the lookup is deferred.
    stack.want({"plain": {"certificate_pem": new_ca("other").pem}})
    refused = stack.plan("-var=upstream=again", fails=True)

    assert any("plain: certificate_pem is not the certificate" in line for line in refused.errors)


@pytest.mark.one_engine("it is a precondition that refuses, older than both engines")
def test_a_certificate_unknown_at_plan_is_registered_once(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        authorities="{ root = { certificate_pem = terraform_data.made.output } }",
        extra="""
resource "terraform_data" "made" {
  input = file("${path.root}/made.pem")
}
""",
    )
    old, new = new_ca("Root 2025"), new_ca("Root 2026")
    stack.terraform.write(old.pem, "made.pem")

    stack.apply()

    registered = stack.account.see(old.id)
    assert registered.status == "ACTIVE"
    steady = stack.plan()
    assert (steady.status, steady.changes) == (0, {})

    stack.terraform.write(new.pem, "made.pem")
    refused = stack.apply(fails=True)

    assert "terraform_data.made: Modifications complete" in refused.text, "the plan has refused it"
    assert any(
        "root: certificate_pem is not the certificate that is registered under this name" in line
        for line in refused.errors
    )
    assert refused.writes == []
    assert stack.account.see(old.id) == registered
    assert stack.account.look(new.id) is None

    # What the name stands for is what leaves, not what the configuration says by now.
    stack.destroy()

    assert stack.account.look(old.id) is None
    assert stack.account.look(new.id) is None
    assert stack.terraform.addresses() == []


@pytest.mark.one_engine("tainted records are older than both engines")
def test_an_apply_that_fails_half_way_is_finished_by_the_next(
    stack: Stack, sandbox: Sandbox
) -> None:
    account = stack.account
    added, status, tags = new_ca("added"), new_ca("status"), new_ca("tags")
    known = {
        "status": {"certificate_pem": status.pem, "tags": {"stage": "production"}},
        "tags": {"certificate_pem": tags.pem, "tags": {"stage": "production"}},
    }
    stack.want(known)
    stack.apply()
    account.update(status, newStatus="INACTIVE")
    account.tag(tags, {"stage": "broken"})
    stack.want({**known, "added": {"certificate_pem": added.pem}})
    for operation in ("RegisterCACertificate", "UpdateCACertificate", "TagResource"):
        sandbox.fault("error", operation=operation, code="AccessDeniedException")

    failed = stack.apply(fails=True)

    for name, action in {
        "added": "iot:RegisterCACertificate",
        "status": "iot:UpdateCACertificate",
        "tags": "iot:TagResource",
    }.items():
        line = failed.error(name)
        assert f"{name} (account {account.number}, {account.region})" in line
        assert f"the credentials may not call {action}" in line
    assert account.look(added.id) is None
    assert account.see(status.id).status == "INACTIVE"
    assert account.see(tags.id).user_tags == {"stage": "broken"}

    # The record is tainted: even where AWS were in order again, the next apply looks after it.
    account.tag(tags, {"stage": "production"})
    finished = stack.apply()

    assert finished.changes.keys() >= {registration(name) for name in ("added", "status", "tags")}
    assert account.see(added.id).status == account.see(status.id).status == "ACTIVE"
    assert account.see(tags.id).user_tags == {"stage": "production"}
    assert stack.plan().status == 0


@pytest.mark.one_engine("calls are made again by the program, in whatever Terraform")
def test_throttled_and_cut_calls_are_made_again_unnoticed(stack: Stack, sandbox: Sandbox) -> None:
    account = stack.account
    faults = ("throttling", "cut_before", "cut_after")
    cas = {fault: new_ca(fault) for fault in faults}
    stack.want(
        {
            fault: {"certificate_pem": ca.pem, "tags": {"stage": "production"}}
            for fault, ca in cas.items()
        }
    )
    for fault in faults:
        sandbox.fault(fault, operation="RegisterCACertificate")

    first = stack.apply()

    assert sandbox.faults() == []
    assert {call.fault for call in first.calls if call.fault} == set(faults)
    for fault, ca in cas.items():
        assert account.see(ca.id).tags["iot-ca:origin"] == "registered", fault

    for ca in cas.values():
        account.update(ca, newStatus="INACTIVE")
        account.tag(ca, {"stage": "broken"})
    for operation in ("UpdateCACertificate", "TagResource", "DescribeCACertificate"):
        for fault in faults:
            sandbox.fault(fault, operation=operation)

    repair = stack.apply()

    assert sandbox.faults() == []
    assert len([call for call in repair.calls if call.fault]) == 3 * len(faults)
    for fault, ca in cas.items():
        after = account.see(ca.id)
        assert (after.status, after.user_tags) == ("ACTIVE", {"stage": "production"}), fault
    assert stack.plan().status == 0


@pytest.mark.one_engine("two processes race in AWS; Terraform only starts them")
def test_two_applies_at_once_end_in_sync_in_both_states(
    new_workspace: Callable[[str, str], Terraform], sandbox: Sandbox, account: str, region: str
) -> None:
    ca = new_ca()
    stacks = [
        Stack(new_workspace(account, name), sandbox, account, region) for name in ("one", "two")
    ]
    for stack in stacks:
        stack.want({"root": {"certificate_pem": ca.pem}})
        assert stack.plan("-out=at-once.plan").changes == {
            **records("root", "create"),
            **guards("create"),
        }
    # The first to register is held up until the other, which saw no CA either, has done it.
    sandbox.fault("latency", operation="RegisterCACertificate", seconds=8)
    sandbox.forget_calls()

    with ThreadPoolExecutor(2) as pool:
        ends = list(
            pool.map(lambda stack: stack.terraform.run("apply", "-json", "at-once.plan"), stacks)
        )

    calls = [call for call in sandbox.calls(account=account) if PROGRAM in call.user_agent]
    tried = [call for call in calls if call.operation == "RegisterCACertificate"]
    assert sorted(call.error or "" for call in tried) == ["", "ResourceAlreadyExistsException"]
    assert all(read_outcome(end, []).errors == [] for end in ends)
    assert stacks[0].account.see(ca.id).status == "ACTIVE"

    # One revision is on the CA; the state with the other one learns of it and owns the CA then.
    wrote = [stack.apply().calls_about(ca.id, write=True) for stack in stacks]
    assert sorted(wrote) == [[], ["TagResource"]]
    assert [stack.plan().status for stack in stacks] == [0, 0]
    owner = stacks[wrote.index(["TagResource"])]
    other = stacks[wrote.index([])]

    # Only its owner takes it out.
    assert other.destroy().calls_about(ca.id, write=True) == []
    owner.destroy()
    assert owner.account.look(ca.id) is None
