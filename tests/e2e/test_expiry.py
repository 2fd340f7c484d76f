"""A CA that is about to expire is warned of, and nothing else comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.accounts import REVISION
from tests.support.certificates import DAY, NOW, new_ca
from tests.support.terraform.stack import Stack

DAYS = {"soon": 30, "retired": 30, "just-so": 89, "not-yet": 90, "later": 200}
AND_A_HALF = timedelta(hours=12)


@pytest.mark.one_engine("both engines compare times alike; `terraform test` runs on both")
def test_a_ca_that_expires_soon_is_a_warning_and_no_change(stack: Stack) -> None:
    cas = {name: new_ca(name, end=NOW + days * DAY + AND_A_HALF) for name, days in DAYS.items()}
    authorities: dict[str, dict[str, Any]] = {
        name: {"certificate_pem": ca.pem} for name, ca in cas.items()
    }
    authorities["retired"]["status"] = "INACTIVE"
    stack.want(authorities)
    outputs = stack.apply().outputs["certificate_authorities"]
    revisions = {name: stack.account.see(ca.id).tags[REVISION] for name, ca in cas.items()}

    steady = stack.plan()

    assert (steady.status, steady.changes, steady.writes) == (0, {}, [])
    (soon,) = steady.warning("soon")
    assert soon == (
        f"soon (account {stack.account.number}, {stack.account.region}) expires at "
        f"{outputs['soon']['not_after']}. Register its successor under "
        "a name of its own, and renew the devices' certificates (docs/rotation.md)."
    )
    (retired,) = steady.warning("retired")
    assert "It is INACTIVE: remove it when its devices" in retired
    (just_so,) = steady.warning("just-so")
    assert "Register its successor" in just_so
    assert steady.warning("not-yet") == steady.warning("later") == []

    again = stack.apply()

    assert again.writes == []
    assert again.outputs["certificate_authorities"] == outputs
    assert {name: stack.account.see(ca.id).tags[REVISION] for name, ca in cas.items()} == revisions
