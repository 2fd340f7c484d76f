"""AWS IoT's quotas belong to an account and Region: a fleet of any size keeps within them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from botocore.credentials import Credentials

from iot_ca.fleet.clients import CallerIdentity
from iot_ca.model import Target
from sandbox.control import Sandbox
from tests.support.certificates import ec_key, issue, pem
from tests.support.program.fast_time import speed_up
from tests.support.status.hub import Run, World, rows

MANY_CAS = 30


def sign_in(target: Target, *_: object) -> CallerIdentity:
    """Credentials of an account without a call to STS, which is not what the test is about."""
    return CallerIdentity(Credentials(target.account_id, "sandbox"), target.account_id)


def test_the_status_of_200_accounts_has_no_failure(
    world: World,
    run: Run,
    sandbox: Sandbox,
    new_account: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of the accounts has more CAs than AWS IoT describes in a second."""
    key = ec_key()
    for index in range(MANY_CAS):
        text = pem(issue(key, common_name=f"root {index}"))
        (world.folder / f"{index}.pem").write_text(text, encoding="utf-8")
    for index in range(200):
        world.accounts[f"account {index}"] = {
            "account_id": new_account(),
            "region": "eu-west-1",
            "certificate_authorities": ["root-0"],
        }
    del world.accounts["account 0"]["certificate_authorities"]
    files = {f"root-{index}": {"certificate_file": f"{index}.pem"} for index in range(MANY_CAS)}
    path = world.write(certificate_authorities=files)
    monkeypatch.setattr("iot_ca.fleet.lookup.sign_in", sign_in)
    speed_up(monkeypatch, sandbox)
    try:
        _, out, err = run(path, "--json")
    finally:
        sandbox.lift_quotas()

    wrong = Counter(tuple(row["wrong"]) for row in rows(out).values())
    assert wrong == {("not registered, wanted SNI_ONLY, ACTIVE",): 199 + MANY_CAS}
    # On a slow machine the program waits long enough to say so, and nothing else is said.
    notice = "iot_ca: waiting because of AWS's quotas"
    assert all(line.startswith(notice) for line in err.splitlines())
    called = sandbox.calls(account=world.accounts["account 0"]["account_id"])
    assert {call.error for call in called} == {"ResourceNotFoundException", "ThrottlingException"}
