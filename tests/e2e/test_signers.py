"""Every way to prove ownership registers a CA in DEFAULT mode, and none does it for another CA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.accounts import Account
from tests.support.signers import ENVIRONMENT, REFUSALS, every_signer
from tests.support.terraform.outcome import Outcome
from tests.support.terraform.stack import Stack

pytestmark = pytest.mark.one_engine("who signs is the program's doing; Terraform passes a name on")

KEEPERS = {"secretsmanager", "kms", "acm-pca"}


def asked_of_iot(outcome: Outcome) -> list[str]:
    """The writing calls to AWS IoT."""
    return [call.operation for call in outcome.calls if call.write and call.service == "iot"]


def test_every_signer_from_a_wrong_key_to_an_empty_plan(
    stack: Stack,
    new_account_by_hand: Callable[[], Account],
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    account = stack.account
    signers = every_signer(account, new_account_by_hand(), tmp_path)
    names = list(signers)
    env = ENVIRONMENT

    # Every CA with the proof that belongs to the next one.
    others = dict(zip(names, [*names[1:], names[0]], strict=True))
    stack.want(
        {
            name: signers[name].wanted(verification=dict(signers[others[name]].verification))
            for name in names
        }
    )
    mistaken = stack.plan(fails=True, env=env)

    for name in names:
        with subtests.test("another CA's proof is refused in the plan", ca=name):
            signer = signers[others[name]]
            line = mistaken.error(name)
            assert REFUSALS[signer.attribute] in line
            assert f"(account {account.number}, {account.region})" in line
    with subtests.test("... before anything is written or signed"):
        assert mistaken.writes == []
        assert not {"Sign", "IssueCertificate"} & {call.operation for call in mistaken.calls}

    stack.want({name: signers[name].wanted() for name in names})
    planned = stack.plan("-out=saved.plan", env=env)

    with subtests.test("a plan writes nothing and has nothing signed"):
        assert planned.writes == []
        assert not {"Sign", "IssueCertificate"} & {call.operation for call in planned.calls}
        assert {call.service for call in planned.calls} >= KEEPERS
        assert not [line for line in planned.warnings if "not checked before apply" in line]

    for signer in signers.values():
        signer.lose()
    swapped = stack.run("apply", "saved.plan", expected={1}, env=env)

    for name in names:
        with subtests.test("a key swapped after the plan is refused by the apply", ca=name):
            assert signers[name].lost in swapped.error(name)
            assert account.look(signers[name].id) is None
    with subtests.test("... before AWS IoT is asked"):
        assert asked_of_iot(swapped) == []

    for signer in signers.values():
        signer.restore()
    stack.want({name: signers[name].wanted() for name in names})
    applied = stack.apply(env=env)

    for name in names:
        with subtests.test("registered in DEFAULT mode", ca=name):
            registered = account.see(signers[name].id)
            assert (registered.mode, registered.status) == ("DEFAULT", "ACTIVE")
            assert applied.outputs["certificate_authorities"][name]["certificate_mode"] == "DEFAULT"
    with subtests.test("one registration each, one signature for each key in KMS"):
        operations = [call.operation for call in applied.calls]
        assert asked_of_iot(applied) == ["RegisterCACertificate"] * len(names)
        attributes = [signer.attribute for signer in signers.values()]
        assert operations.count("Sign") == attributes.count("kms_key_id")
        assert operations.count("IssueCertificate") == attributes.count("acm_pca_arn")

    # Renewed, dropped, or leading nowhere any more: nobody asks.
    for signer in signers.values():
        signer.lose()
    authorities = {name: signers[name].wanted() for name in names}
    for name in names[::2]:
        del authorities[name]["verification"]
    authorities["handed-over"]["verification"] = {"certificate_pem": "renewed"}
    stack.want(authorities)
    later = stack.plan()

    with subtests.test("verification counts for nothing after the registration"):
        assert (later.status, later.changes) == (0, {})
        assert later.writes == []
        assert not {call.service for call in later.calls} & KEEPERS
        assert "GetRegistrationCode" not in [call.operation for call in later.calls]
