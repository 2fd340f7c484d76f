"""The policies of modules/iam-policies are enough for everything, and none of it is too much."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.permissions.calls import Caller
from tests.support.permissions.cases import CASES, World
from tests.support.permissions.policies import (
    ANY_ID,
    HINT,
    PLAN_HINTS,
    Need,
    allowed_by,
    names,
    needs,
    render,
    without,
)
from tests.support.permissions.roles import Role
from tests.support.sandbox.in_process import in_this_process
from tools.checkout import ROOT


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A local AWS in this process: each case runs once for each of its permissions."""
    with in_this_process() as running:
        yield running


def learn(world: World, name: str, folder: Path) -> set[Need]:
    """Run a case with all permissions; returns those that it needed."""
    case = CASES[name]
    terraform = world.begin(case, folder)
    document = world.document(terraform.ca)
    world.role.grant(document)
    with world.watched() as calls:
        trouble = case.step(terraform, None)
    if case.trouble is None:
        assert trouble is None, (name, trouble)
    else:
        assert trouble is not None, name
        assert case.trouble in trouble, (name, trouble)
        assert "not authorized" not in trouble, (name, trouble)
    asked = {
        allowed_by(document, each)
        for call in calls
        for each in call.permissions
        if not each.startswith(HINT)
    }
    return {need for need in asked if need[1] not in case.spares}


def test_each_case_needs_all_its_permissions_and_no_others_exist(
    world: World, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    used: set[Need] = set()
    for name, case in CASES.items():
        needed = learn(world, name, tmp_path)
        assert needed, name
        terraform = None
        for missing in sorted(needed):
            # One that has failed before it changed anything serves for the next as well.
            terraform = terraform or world.begin(case, tmp_path)
            world.role.grant(without(world.document(terraform.ca), missing))
            with world.watched() as calls:
                trouble = case.step(terraform, None)
            assert trouble is not None, f"{name}: without {missing} nothing failed"
            assert re.search(rf"\b{missing[1]}\b", trouble), (name, trouble)
            if any(call.write and call.error is None for call in calls):
                terraform = None
        used |= needed
    assert used == needs(world.documents["program"]["apply_json"])
    record_property("permissions", names(used))


def test_the_plan_policy_is_enough_for_plans_and_not_too_much(
    world: World, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    broken: set[Need] = set()
    for name, case in CASES.items():
        terraform = world.begin(case, tmp_path)
        document = world.document(terraform.ca, "plan_json")
        world.role.grant(document)
        with world.watched() as calls:
            revision, trouble = terraform.look()
        asked = {permission for call in calls for permission in call.permissions}
        asked -= {permission for permission in asked if permission.startswith(PLAN_HINTS)}
        assert trouble is None, (name, trouble)
        assert revision is not None
        # A plan tries the secret, and does without.
        secret = ("secretsmanager:GetSecretValue ", "kms:Decrypt ")
        for each in sorted(each for each in asked if not each.startswith(secret)):
            need = allowed_by(document, each)
            world.role.grant(without(document, need))
            _, trouble = terraform.look()
            if trouble is not None:
                assert re.search(rf"\b{need[1]}\b", trouble), trouble
                broken.add(need)
    assert broken == needs(world.documents["program"]["plan_json"])
    record_property("permissions", names(broken))


def test_the_plan_policy_changes_nothing(world: World, tmp_path: Path) -> None:
    for name, case in CASES.items():
        terraform = world.begin(case, tmp_path)
        document = world.document(terraform.ca, "plan_json")
        world.role.grant(document)
        before = world.account.look(terraform.ca.id)

        trouble = case.step(terraform, None)

        assert trouble is not None, name
        (action,) = set(re.findall(r"may not call ([a-z-]+:\w+)", trouble))
        assert action not in {allowed for _, allowed in needs(document)}, (name, trouble)
        assert world.account.look(terraform.ca.id) == before, name


def make_function(account: Account, name: str, key: str) -> None:
    """Make a function whose environment is encrypted with a key."""
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = account.iam.create_role(RoleName="function", AssumeRolePolicyDocument=policy)
    account.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="jitr.handler.handler",
        Code={"ZipFile": (ROOT / "modules/jitr/function.zip").read_bytes()},
        KMSKeyArn=key,
    )


def test_a_refused_call_names_the_missing_permission(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    """All permissions there can be, those of the aws provider for JITP and JITR among them.

    That the provider makes each of these calls, with a real Terraform: test_terraform.py.
    """
    ca = new_ca()
    world.account.register(ca)
    applying = world.document(ca, "apply_json", "everything")
    planning = world.document(ca, "plan_json", "everything")
    caller = Caller(world.role, applying, SecretId=world.keys.own_key_secret[0])
    everything = needs(applying)
    assert needs(planning) < everything

    world.role.grant(applying)
    # In order: a call that creates a function is followed by the one that deletes it.
    assert {need: caller.refusal(need) for need in sorted(everything)} == dict.fromkeys(everything)
    # Not before, since one of these calls deletes it.
    make_function(world.account, "iot-jitr-proven", world.keys.jitr_key)
    for need in sorted(everything):
        world.role.grant(without(applying, need))
        refused = f"is not authorized to perform: {need[1]} on resource: "
        assert refused in (caller.refusal(need) or ""), need
    record_property("permissions", names(everything))

    # What plans may do all of its own, and nothing of the rest.
    world.role.grant(planning)
    told = {need: caller.refusal(need) for need in everything}
    assert {need for need, why in told.items() if why is None} == needs(planning)


def test_a_role_is_assumed_only_if_the_policy_names_the_role(world: World, tmp_path: Path) -> None:
    caller, target = Role(world.account, "caller"), Role(world.account, "target")
    settings = {
        "account_id": world.account.number,
        "regions": [world.account.region],
        "certificate_ids": [ANY_ID],
    }
    documents = render(
        tmp_path / "configuration",
        {
            "named": {**settings, "assume_role_arns": [target.arn]},
            "other": {**settings, "assume_role_arns": [world.role.arn]},
        },
    )
    sts = caller.client("sts")
    for kind in ("plan_json", "apply_json"):
        caller.grant(documents["other"][kind])
        with pytest.raises(ClientError, match=f"sts:AssumeRole on resource: {target.arn} because"):
            sts.assume_role(RoleArn=target.arn, RoleSessionName="run")
        caller.grant(documents["named"][kind])
        answer = sts.assume_role(RoleArn=target.arn, RoleSessionName="run")
        assert answer["AssumedRoleUser"]["Arn"].endswith(":assumed-role/target/run")
