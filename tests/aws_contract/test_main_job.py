"""The main job: the program, two accounts, and one device certificate, with and without SNI."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from iot_ca.terraform.deregister import deregister
from iot_ca.terraform.inspect import inspect
from iot_ca.terraform.register import register
from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer
from tests.support.aws_contract.devices import (
    Fleet,
    is_accepted,
    is_refused,
    provisioning_seconds,
    registered_certificate,
    wait_until_provisioning,
    words,
)
from tests.support.aws_contract.documents import template_body
from tests.support.aws_contract.run import NewDevice, Run
from tests.support.aws_contract.sources import BLOG, MANAGE_CAS
from tests.support.certificates import CA

PROGRAM = "README of this repository"
NAME = "fleet"


@dataclass(frozen=True)
class Managed:
    """A CA of the program in one account: what the module asks for, as Terraform would."""

    account: AwsAccount
    ca: CA
    template: str
    mode: str = "SNI_ONLY"
    key_file: str | None = None

    @property
    def _target(self) -> dict[str, Any]:
        return {
            "account_id": self.account.number,
            "region": self.account.region,
            "credentials": {"profile": self.account.profile},
        }

    def look_up(self) -> dict[str, Any]:
        """Return what `inspect` answers."""
        wanted: dict[str, Any] = {
            "certificate_pem": self.ca.pem,
            "certificate_mode": self.mode,
            "auto_registration": True,
            "template_name": self.template,
        }
        if self.key_file is not None:
            wanted["verification"] = {"ca_private_key_file": self.key_file}
        query = {
            "target": json.dumps(self._target),
            "certificate_authorities": json.dumps({NAME: wanted}),
        }
        result: dict[str, Any] = json.loads(json.loads(inspect(json.dumps(query)))[NAME])
        return result

    def register(self, run: Run) -> dict[str, Any]:
        """Look up the CA and register it; return what `inspect` answered."""
        run.remove_ca(self.account, self.ca.id)
        result = self.look_up()
        request = json.loads(result["request"])
        register(json.dumps({**request, "revision": result["revision"], "owner": run.prefix}))
        return result

    def deregister(self, run: Run) -> None:
        """Deregister the CA, although devices of it are registered."""
        request = {
            "name": NAME,
            "target": self._target,
            "certificate_id": self.ca.id,
            "owner": run.prefix,
            "template_name": self.template,
            "on_destroy": "delete",
            "force_destroy": True,
        }
        deregister(json.dumps(request))


@dataclass(frozen=True)
class Job:
    """One CA in both accounts, what the first lookup answered, and a device of the CA.

    `control`: the seconds that a device needs to be provisioned.
    """

    first: Managed
    second: Managed
    answers: tuple[dict[str, Any], dict[str, Any]]
    device: NewDevice
    control: float

    @property
    def both(self) -> tuple[Managed, Managed]:
        """The CA in either account."""
        return self.first, self.second


@pytest.fixture(scope="module")
def templates(run: Run, account: AwsAccount, other_account: AwsAccount) -> dict[str, str]:
    """A template in each account, by the account's number."""
    made = {}
    for each in (account, other_account):
        body = template_body(each, run.prefix)
        made[each.number] = run.template(each, run.provisioning_role(each), body)
    return made


def _start(run: Run, first: Managed, second: Managed) -> Job:
    """Register a CA in both accounts, and wait until both provision its devices."""
    answers = first.register(run), second.register(run)
    fleets = [Fleet(run, managed.account, managed.ca) for managed in (first, second)]
    control = max(provisioning_seconds(wait_until_provisioning(fleet)) for fleet in fleets)
    device = run.new_device(first.ca)
    for managed in (first, second):
        run.expect(managed.account, device)
    return Job(first, second, answers, device, control)


@pytest.fixture(scope="module")
def job(run: Run, account: AwsAccount, other_account: AwsAccount, templates: dict[str, str]) -> Job:
    """A CA in SNI_ONLY mode in both accounts."""
    ca = run.new_ca()
    first, second = (Managed(each, ca, templates[each.number]) for each in (account, other_account))
    return _start(run, first, second)


@pytest.fixture(scope="module")
def mixed_job(
    run: Run, account: AwsAccount, other_account: AwsAccount, templates: dict[str, str]
) -> Job:
    """A CA in DEFAULT mode in the first account and in SNI_ONLY mode in the other one."""
    ca = run.new_ca()
    key_file = ca.key_file(run.folder, "ca.key")
    first = Managed(account, ca, templates[account.number], "DEFAULT", key_file)
    return _start(run, first, Managed(other_account, ca, templates[other_account.number]))


def _statuses(job: Job) -> list[str]:
    return [
        str((registered_certificate(managed.account, job.device) or {}).get("status"))
        for managed in job.both
    ]


@pytest.mark.assumption(
    "The program looks up one CA in two accounts, finds it in neither, and registers it in both",
    source=PROGRAM,
)
def test_register(job: Job, answer: Answer) -> None:
    revisions = [result["revision"].split(" ")[0] for result in job.answers]
    answer(f"planned: {', '.join(revisions)}")
    assert revisions == ["register", "register"]


@pytest.mark.assumption("Looked up again, nothing differs in either account", source=PROGRAM)
def test_second_lookup(job: Job, answer: Answer) -> None:
    differences = [managed.look_up()["differences"] for managed in job.both]
    answer(", ".join(f"{len(each)} differences" for each in differences))
    assert differences == [[], []]


@pytest.mark.assumption(
    "One device certificate is provisioned in both accounts if the device sends SNI", source=BLOG
)
def test_with_sni(job: Job, answer: Answer) -> None:
    visits = [is_accepted(managed.account, job.device) for managed in job.both]
    statuses = _statuses(job)
    answer(f"{', '.join(map(words, visits))}; the certificate is {', '.join(statuses)}")
    assert all(visit.accepted for visit in visits), [visit.error for visit in visits]
    assert statuses == ["ACTIVE", "ACTIVE"]


@pytest.mark.assumption(
    "Without SNI a device of a CA that all accounts have in `SNI_ONLY` mode is refused", source=BLOG
)
def test_without_sni(job: Job, answer: Answer) -> None:
    visit = is_refused(job.first.account, job.device, job.control, sni=False)
    with_sni = is_accepted(job.first.account, job.device)
    answer(f"{words(visit)}; with SNI {words(with_sni)}")
    assert not visit.accepted
    assert with_sni.accepted


@pytest.mark.assumption(
    "Without SNI a device reaches the account that has its CA in `DEFAULT` mode, and with SNI one "
    "that has it in `SNI_ONLY` mode",
    source=BLOG,
)
def test_both_modes(mixed_job: Job, answer: Answer) -> None:
    without = is_accepted(mixed_job.first.account, mixed_job.device, sni=False)
    before = _statuses(mixed_job)
    with_sni = is_accepted(mixed_job.second.account, mixed_job.device)
    after = _statuses(mixed_job)
    answer(f"without SNI {words(without)}; with SNI {words(with_sni)}")
    assert without.accepted, without.error
    assert before == ["ACTIVE", "None"], "it was not the first account alone"
    assert with_sni.accepted, with_sni.error
    assert after == ["ACTIVE", "ACTIVE"]


@pytest.mark.assumption(
    "The program deregisters the CA in both accounts, and its registered device stays accepted",
    source=MANAGE_CAS,
)
def test_deregister(job: Job, run: Run, answer: Answer) -> None:
    for managed in job.both:
        managed.deregister(run)
    revisions = [managed.look_up()["revision"].split(" ")[0] for managed in job.both]
    visits = [is_accepted(managed.account, job.device) for managed in job.both]
    answer(f"not found; the device is {', '.join(map(words, visits))}")
    assert revisions == ["register", "register"]
    assert all(visit.accepted for visit in visits)
