"""Which state a CA is in, what is wrong with it, and the exit status of all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from iot_ca import model
from iot_ca.errors import Failure
from iot_ca.fleet.assessment import assess, describe_drift
from iot_ca.fleet.inventory import AccountRegion, ConfiguredCa, Fleet
from iot_ca.fleet.lookup import Observations
from iot_ca.fleet.report import Report, Row
from iot_ca.fleet.unlisted import UnlistedCa
from iot_ca.model import DesiredCa, ObservedCa, Target
from iot_ca.provisioning.checks.ca import Wanted
from iot_ca.provisioning.facts import (
    CaProvisioning,
    DeviceCertificates,
    MissingRole,
    ObservedRule,
    PolicyDocument,
    Queue,
    Role,
    Rule,
    Template,
    Unreadable,
)
from iot_ca.provisioning.topics import TOPIC
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
    observations = {account_region: Observations({CERTIFICATE.certificate_id: observed})}
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
        (("in sync", "faulty"), 2),
        (("in sync", "unknown", "faulty"), 1),
        (("failed",), 1),
        (("not readable", "drifted"), 1),
        (("drifted", "failed", "in sync"), 1),
    ],
)
def test_the_exit_status_is_that_of_the_worst_state(
    states: tuple[Any, ...], exit_status: int
) -> None:
    assert a_report(*(a_row(state=state) for state in states)).exit_status == exit_status


class _Unanswerable:
    """An answer of AWS in a form that nobody expects."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(f"a secret in {name}")


@pytest.mark.parametrize("cas", [{}, {CERTIFICATE.certificate_id: _Unanswerable()}])
def test_an_unforeseen_error_costs_its_row_alone(
    cas: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = (
        AccountRegion(name, Target("1" * 12, region), {"root": configured()})
        for name, region in (("good", "eu-west-1"), ("bad", "us-east-1"))
    )
    fleet = Fleet((good, bad), {"root": CERTIFICATE})
    in_sync = Observations({CERTIFICATE.certificate_id: IN_SYNC})
    all_observations = {good: in_sync, bad: Observations(cas)}
    failed, healthy = assess(fleet, all_observations, NOW).rows
    assert (healthy.account, healthy.state) == ("good", "in sync")
    assert (failed.account, failed.region, failed.state) == ("bad", "us-east-1", "failed")
    assert failed.registered is None
    name = "ZeroDivisionError" if cas else "KeyError"
    assert failed.wrong == (f"unforeseen {name}; run with IOT_CA_DEBUG=1 and report it",)
    assert capsys.readouterr() == ("", "")


JITP = {"templateName": "root"}
TRUST = '{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}}'
EVERYTHING = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
DENIED = Unreadable("the credentials may not call iot:X; allow it; AWS says: AccessDenied: role a")
TEMPLATE = Template("root", "JITP", True, "{}", "arn:aws:iam::1:role/iot-jitp-root-1")
ROLE = Role(TEMPLATE.role_arn, TRUST, (PolicyDocument("all", EVERYTHING),))
CERTIFICATES = "arn:aws:iot:eu-west-1:111111111111:cert/*"
HEALTHY = CaProvisioning(TEMPLATE, ROLE)


def provisioned(
    by: CaProvisioning | Unreadable,
    config: dict[str, str] = JITP,
    wanted: Wanted | None = None,
    **more: Any,
) -> Row:
    """The row of ROOT, as in sync as it can be, whose devices are provisioned like this."""
    ca = replace(configured(), provisioning=wanted)
    return provisioned_as(ca, replace(IN_SYNC, registration_config=config, **more), by)


def provisioned_as(
    ca: ConfiguredCa,
    observed: ObservedCa,
    by: CaProvisioning | Unreadable,
    moment: datetime = NOW,
) -> Row:
    """The row of ROOT, as it is configured and observed."""
    account_region = AccountRegion("one", Target("111111111111", "eu-west-1"), {"root": ca})
    fleet = Fleet((account_region,), {"root": CERTIFICATE})
    key = CERTIFICATE.certificate_id
    observations = {account_region: Observations({key: observed}, "aws", {key: by})}
    (row,) = assess(fleet, observations, moment).rows
    return row


@pytest.mark.parametrize(
    ("changed", "state", "wrong", "step"),
    [
        ({}, "in sync", (), None),
        (
            {"template": None, "role": None},
            "faulty",
            (f"the template root of CA {CERTIFICATE.certificate_id} does not exist",),
            "creates the template",
        ),
        (
            {"template": replace(TEMPLATE, type="FLEET_PROVISIONING")},
            "faulty",
            ("type of template root is FLEET_PROVISIONING, wanted JITP",),
            "give the CA a template of type JITP",
        ),
        (
            {"role": MissingRole("arn:aws:iam::1:role/iot-jitp-root-1")},
            "faulty",
            ("the role arn:aws:iam::1:role/iot-jitp-root-1 does not exist",),
            "creates the role",
        ),
        # What the module does not create.
        (
            {
                "template": replace(TEMPLATE, role_arn="arn:aws:iam::1:role/hand"),
                "role": MissingRole("arn:aws:iam::1:role/hand"),
            },
            "faulty",
            ("the role arn:aws:iam::1:role/hand does not exist",),
            "run its remedy",
        ),
        (
            {"role": replace(ROLE, boundary=PolicyDocument("b", "{}"))},
            "faulty",
            (
                f"the role iot-jitp-root-1 may not call iot:UpdateCertificate on {CERTIFICATES}: "
                "its permissions boundary b does not allow it",
            ),
            "let the permissions boundary allow it",
        ),
        (
            {"alarms": ("iot-jitp-server-errors", "iot-jitp-client-errors", "iot-jitr-other-lost")},
            "faulty",
            ("iot-jitp-client-errors and iot-jitp-server-errors are in ALARM",),
            "run `diagnose`",
        ),
        # The reason without AWS's own words, which differ in each account.
        *(
            (
                {part: DENIED},
                "not readable",
                (f"not readable ({check}): the credentials may not call iot:X; allow it",),
                "report_json",
            )
            for part, check in (
                ("template", "template"),
                ("role", "role"),
                ("alarms", "alarms"),
                ("devices", "device certificates"),
            )
        ),
        (
            {"template": replace(TEMPLATE, enabled=False), "role": DENIED},
            "faulty",
            (
                "the template root is disabled",
                "not readable (role): the credentials may not call iot:X; allow it",
            ),
            "enables the template",
        ),
        # What depends on a condition depends on the device: that is for diagnose.
        (
            {"role": replace(ROLE, trust=TRUST[:-2] + ', "Condition": {"X": {"y": "z"}}}}')},
            "in sync",
            (),
            None,
        ),
    ],
)
def test_in_sync_means_that_provisioning_was_read_and_works(
    changed: dict[str, Any], state: str, wrong: tuple[str, ...], step: str | None
) -> None:
    row = provisioned(replace(HEALTHY, **changed))
    assert (row.state, row.wrong) == (state, wrong)
    assert [(step or "") in each for each in row.next_steps[:1]] == [True] * (step is not None)
    assert row.provisioning is not None
    assert (row.provisioning.type, row.provisioning.name) == ("JITP", "root")


def test_provisioning_that_failed_to_be_looked_up_is_not_readable() -> None:
    row = provisioned(Unreadable("unforeseen KeyError; report it"))
    assert (row.state, row.next_steps) == ("not readable", ())
    assert row.wrong == ("not readable (provisioning): unforeseen KeyError; report it",)


@pytest.mark.parametrize(
    ("wanted", "auto_registration", "state", "finding"),
    [
        ("JITR", True, "faulty", "no topic rule listens for its events"),
        # The files do not say it, and AWS IoT waits for an event to be handled.
        (None, True, "faulty", "no topic rule listens for its events"),
        # Nor does AWS IoT.
        (None, False, "unknown", "the file does not say whether its devices are provisioned"),
        ("NONE", False, "in sync", None),
    ],
)
def test_without_template_and_rule_only_none_is_in_sync(
    wanted: Wanted | None, auto_registration: bool, state: str, finding: str | None
) -> None:
    row = provisioned(CaProvisioning(), {}, wanted, auto_registration=auto_registration)
    assert row.state == state
    assert [finding in text for text in row.wrong if finding] == [True] * (finding is not None)


ID = CERTIFICATE.certificate_id
BEGIN, END = ROOT.not_valid_before_utc, ROOT.not_valid_after_utc


@pytest.mark.parametrize(
    ("by", "more", "moment", "state", "finding"),
    [
        (HEALTHY, {"auto_registration": False}, NOW, "faulty", f"auto-registration of CA {ID} is"),
        (HEALTHY, {}, BEGIN - timedelta(days=1), "faulty", f"CA {ID} is not valid before"),
        (HEALTHY, {}, END + timedelta(days=1), "faulty", f"CA {ID} expired at"),
        # Nothing provisions devices, as wanted.
        (CaProvisioning(), {"registration_config": {}}, END + timedelta(days=1), "expired", "exp"),
    ],
    ids=["auto-registration", "not valid yet", "expired", "expired, nothing provisions"],
)
def test_a_ca_that_takes_no_new_device_is_faulty(
    by: CaProvisioning, more: dict[str, Any], moment: datetime, state: str, finding: str
) -> None:
    ca = replace(configured(auto_registration=False), provisioning="NONE")
    if not by.template:
        more = {**more, "auto_registration": False}
    else:
        ca = configured(auto_registration=more.get("auto_registration", True))
    row = provisioned_as(ca, replace(IN_SYNC, **{"registration_config": JITP, **more}), by, moment)
    assert row.state == state
    (text,) = row.wrong
    assert text.startswith(finding)
    assert len(row.next_steps) == 1


@pytest.mark.parametrize(("pending", "columns"), [(12, ("devices",)), (11, ())])
def test_device_certificates_that_all_wait_are_a_finding(
    pending: int, columns: tuple[str, ...]
) -> None:
    row = provisioned(replace(HEALTHY, devices=DeviceCertificates(12, pending)))
    assert (row.state, row.wrong_columns, bool(row.wrong)) == ("in sync", columns, bool(columns))


def test_a_retired_ca_counts_its_dead_letters_alone() -> None:
    """Step 2 of a rotation: INACTIVE, as the file wants it."""
    retired = configured(status="INACTIVE", auto_registration=False)
    observed = replace(IN_SYNC, status="INACTIVE", registration_config=JITP)
    observed = replace(observed, auto_registration=False)
    by = replace(HEALTHY, alarms=("iot-jitp-client-errors",))
    row = provisioned_as(retired, observed, by)
    assert (row.state, row.wrong) == ("in sync", ())
    assert row.provisioning is not None
    assert row.provisioning.health == "ok"
    assert [each.check for each in row.provisioning.checks if each.ok is False] == [
        "auto-registration",
        "alarms",
    ]
    rule = Rule("r", "arn:r", f"SELECT * FROM '{TOPIC}{ID}'", False, {}, ())
    letters = CaProvisioning(rules=(ObservedRule(rule, None, (Queue("q", 1),)),))
    row = provisioned_as(retired, replace(observed, registration_config={}), letters)
    assert (row.state, "dead letter" in row.wrong[0]) == ("faulty", True)


def test_rules_that_cannot_be_read_are_not_readable() -> None:
    unknown = provisioned(CaProvisioning(rules=DENIED), {})
    assert unknown.provisioning is not None
    assert (unknown.state, unknown.provisioning.type) == ("not readable", "not readable")


@pytest.mark.parametrize(
    ("observed", "columns", "step"),
    [
        (replace(IN_SYNC, mode="DEFAULT"), ("mode",), "set allow_mode_change"),
        (replace(IN_SYNC, status="INACTIVE"), ("status",), "repairs the CA"),
        (replace(IN_SYNC, tags={}), ("managed",), "adopts the CA"),
        (None, ("mode", "status"), "registers the CA"),
    ],
)
def test_each_finding_marks_its_cells_and_has_a_next_step(
    observed: ObservedCa | None, columns: tuple[str, ...], step: str
) -> None:
    row = assessed(observed)
    assert row.wrong_columns == columns
    (next_step,) = row.next_steps
    assert step in next_step


def test_unlisted_cas_are_shown_once_by_the_name_that_can_list() -> None:
    target = Target("1" * 12, "eu-west-1")
    names = [AccountRegion(name, target, {}) for name in ("denied", "one", "two")]
    listing = (UnlistedCa("ab" * 32, "ACTIVE", devices=DeviceCertificates(1)),)
    seen: list[tuple[UnlistedCa, ...] | Unreadable] = [DENIED, listing, listing]
    observations = {
        name: Observations({}, "aws", unlisted=unlisted)
        for name, unlisted in zip(names, seen, strict=True)
    }
    unlisted = assess(Fleet(tuple(names), {}), observations, NOW).unlisted
    assert unlisted is not None
    assert [row.account for row in unlisted.rows] == ["one"]
    assert unlisted.failures == ()


def test_unlisted_cas_change_the_exit_status_only_if_unreadable() -> None:
    def report(unlisted: tuple[UnlistedCa, ...] | Unreadable) -> Report:
        account_region = AccountRegion("one", Target("1" * 12, "eu-west-1"), {})
        observed = Observations({}, "aws", unlisted=unlisted)
        return assess(Fleet((account_region,), {}), {account_region: observed}, NOW)

    ca = UnlistedCa("ab" * 32, "ACTIVE", devices=DeviceCertificates(1))
    assert report((ca,)).exit_status == 0
    assert report((replace(ca, unreadable="no"),)).exit_status == 1
    assert report((replace(ca, devices=DENIED),)).exit_status == 1
    listing = report(DENIED)
    assert listing.exit_status == 1
    assert listing.unlisted is not None
    assert listing.unlisted.failures == (("one 111111111111: eu-west-1", DENIED.reason),)
