"""Which state a CA is in, what is wrong with it, and the exit status of all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from iot_ca import model
from iot_ca.errors import Failure
from iot_ca.fleet.assessment import Row, assess, describe_drift
from iot_ca.fleet.inventory import AccountRegion, Fleet
from iot_ca.model import DesiredCa, ObservedCa, Target
from iot_ca.reconcile.steps import Goal, Register, State, decide
from tests.support.certificates import NOW
from tests.support.status.reports import CERTIFICATE, IN_SYNC, TAGS, a_report, a_row, configured
from tests.support.status.variable_files import ROOT


def assessed(
    observed: ObservedCa | Failure | None, moment: datetime = NOW, days: int = 90, **more: Any
) -> Row:
    """The row of ROOT, configured with `more`, in one account and Region."""
    target = Target("111111111111", "eu-west-1")
    account_region = AccountRegion("one", target, {"root": configured(**more)})
    fleet = Fleet((account_region,), {"root": CERTIFICATE})
    observations = {account_region: {CERTIFICATE.certificate_id: observed}}
    (row,) = assess(fleet, observations, moment, days).rows
    return row


def test_a_ca_as_configured_is_in_sync() -> None:
    row = assessed(IN_SYNC)
    assert (row.state, row.wrong, row.days) == ("in sync", (), 400)
    assert (row.mode, row.status, row.auto_registration) == ("SNI_ONLY", "ACTIVE", True)
    assert (row.template, row.managed, row.revision) == (None, "registered", "register 1")


@pytest.mark.parametrize(
    ("observed", "more", "wrong"),
    [
        (replace(IN_SYNC, status="INACTIVE"), {}, "status is INACTIVE, wanted ACTIVE"),
        (replace(IN_SYNC, mode="DEFAULT"), {}, "mode is DEFAULT, wanted SNI_ONLY"),
        (IN_SYNC, {"certificate_mode": "DEFAULT"}, "mode is SNI_ONLY, wanted DEFAULT"),
        (
            replace(IN_SYNC, auto_registration=False),
            {"auto_registration": True},
            "auto-registration is DISABLE, wanted ENABLE",
        ),
        (
            IN_SYNC,
            {"auto_registration": False},
            "auto-registration is ENABLE, wanted DISABLE",
        ),
        (
            replace(
                IN_SYNC, auto_registration=False, registration_config={"templateName": "factory"}
            ),
            {},
            "auto-registration is DISABLE, wanted ENABLE",
        ),
        (IN_SYNC, {"template_name": "factory"}, "template is none, wanted factory"),
        (replace(IN_SYNC, tags={}), {}, "not managed by this module yet"),
        (
            replace(IN_SYNC, tags={k: v for k, v in TAGS.items() if k != model.REVISION_TAG}),
            {},
            "tag iot-ca:revision is missing",
        ),
        (None, {}, "not registered, wanted SNI_ONLY, ACTIVE"),
    ],
)
def test_a_difference_is_drift(
    observed: ObservedCa | None, more: dict[str, Any], wrong: str
) -> None:
    row = assessed(observed, **more)
    assert (row.state, row.wrong) == ("drifted", (wrong,))


@pytest.mark.parametrize("auto_registration", [True, False])
def test_auto_registration_that_no_file_decides_is_not_drift(auto_registration: bool) -> None:
    row = assessed(replace(IN_SYNC, auto_registration=auto_registration))
    assert (row.state, row.wrong) == ("in sync", ())


def test_tags_that_the_module_attached_are_not_drift() -> None:
    desired = DesiredCa(CERTIFICATE.pem, tags={"team": "iot", "cost": "1"})
    goal = Goal(desired, CERTIFICATE, "register 1", "me")
    (register,) = decide(goal, State(None)).steps
    assert isinstance(register, Register)
    tags = register.tags
    assert describe_drift(configured(), replace(IN_SYNC, tags={**tags, "theirs": "x"})) == []
    without = {key: value for key, value in tags.items() if key != "team"}
    (text,) = describe_drift(configured(), replace(IN_SYNC, tags=without))
    assert text.startswith("tag iot-ca:managed-tags is ")


@pytest.mark.parametrize(
    ("days_left", "warning", "state"),
    [(91, 90, "in sync"), (89, 90, "expiring"), (89, 30, "in sync"), (-1, 90, "expired")],
)
def test_an_expiry_within_the_warning_days_is_reported(
    days_left: int, warning: int, state: str
) -> None:
    moment = ROOT.not_valid_after_utc - timedelta(days=days_left, minutes=-1)
    row = assessed(IN_SYNC, moment, warning)
    assert row.state == state
    assert [text.startswith("expire") for text in row.wrong] == [True] * (state != "in sync")


def test_a_failure_is_one_line_and_leaves_the_facts_unknown() -> None:
    row = assessed(Failure("no\n answer"))
    assert (row.state, row.wrong, row.registered, row.mode) == (
        "failed",
        ("no answer",),
        None,
        None,
    )


@pytest.mark.parametrize(
    ("states", "exit_status"),
    [
        ((), 0),
        (("in sync", "expiring", "expired"), 0),
        (("in sync", "drifted"), 2),
        (("failed",), 1),
        (("drifted", "failed", "in sync"), 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst_state(
    states: tuple[Any, ...], exit_status: int
) -> None:
    assert a_report(*(a_row(state=state) for state in states)).exit_status == exit_status


class _Unreadable:
    """An answer of AWS in a form that nobody expects."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(f"a secret in {name}")


@pytest.mark.parametrize("observations", [{}, {CERTIFICATE.certificate_id: _Unreadable()}])
def test_an_unforeseen_error_costs_its_row_alone(
    observations: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = (
        AccountRegion(name, Target("1" * 12, region), {"root": configured()})
        for name, region in (("good", "eu-west-1"), ("bad", "us-east-1"))
    )
    fleet = Fleet((good, bad), {"root": CERTIFICATE})
    all_observations = {good: {CERTIFICATE.certificate_id: IN_SYNC}, bad: observations}
    failed, in_sync = assess(fleet, all_observations, NOW).rows
    assert (in_sync.account, in_sync.state) == ("good", "in sync")
    assert (failed.account, failed.region, failed.state) == ("bad", "us-east-1", "failed")
    assert failed.registered is None
    name = "ZeroDivisionError" if observations else "KeyError"
    assert failed.wrong == (f"unforeseen {name}; run with IOT_CA_DEBUG=1 and report it",)
    assert capsys.readouterr() == ("", "")
