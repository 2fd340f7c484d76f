"""The text: a remedy never reads as if it were for another account."""

from __future__ import annotations

import json
from dataclasses import replace

from iot_ca.diagnosis import render
from iot_ca.diagnosis.report import Diagnosis
from iot_ca.model import Credentials, Target
from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.remedies import aws_command

ROLE = "arn:aws:iam::222222222222:role/reader"


def diagnosis(name: str, account_id: str, credentials: Credentials) -> Diagnosis:
    target = Target(account_id, "eu-west-1", credentials)
    cause = Check("CA status", False, "is INACTIVE", aws_command(target, "iot", "repair"))
    hint = Check("log", None, "no log", aws_command(target, "iot", "log"), decides=False)
    words = Check("role", False, "no role", "apply the module")
    checks = (cause, hint, words)
    return Diagnosis(name, account_id, "eu-west-1", "refused", checks, credentials)


def remedies(*diagnoses: Diagnosis) -> list[str]:
    """The lines of the remedies, and the comments above them."""
    lines = [line.strip() for line in render.as_text(diagnoses, "utf-8").splitlines()]
    return [line for line in lines if line.startswith(("remedy: ", "# "))]


def test_with_several_accounts_each_command_names_its_account() -> None:
    lines = remedies(
        diagnosis("one", "1" * 12, Credentials("first")),
        diagnosis("2" * 12, "2" * 12, Credentials(role_arn=ROLE)),
    )
    by_role = f"# in account 222222222222, with role {ROLE} or one there that may write"
    assert lines == [
        "# in account 111111111111 (one)",
        "remedy: aws iot repair --region eu-west-1 --profile first",
        "# in account 111111111111 (one)",
        "remedy: aws iot log --region eu-west-1 --profile first",
        "remedy: apply the module",
        by_role,
        "remedy: aws iot repair --region eu-west-1",
        by_role,
        "remedy: aws iot log --region eu-west-1",
        "remedy: apply the module",
    ]


def test_one_account_is_named_with_its_commands_if_a_role_is_needed() -> None:
    # The profile assumes the role: a command with it would go to the profile's own account.
    by_role = diagnosis("one", "2" * 12, Credentials("base", ROLE))
    comment = f"# in account 222222222222 (one), with role {ROLE} or one there that may write"
    command = "remedy: aws iot repair --region eu-west-1"
    assert remedies(by_role)[:2] == [comment, command]
    own = diagnosis("one", "2" * 12, Credentials())
    assert remedies(own)[0] == command
    # Regions of one account.
    assert remedies(own, own)[0] == command


def test_a_condition_stands_before_the_remedy_and_in_json() -> None:
    own = diagnosis("one", "2" * 12, Credentials())
    conditional = replace(own.checks[0], remedy_condition="if it is a mistake")
    own = replace(own, checks=(conditional,))
    command = "aws iot repair --region eu-west-1"
    assert remedies(own) == [f"remedy: if it is a mistake: {command}"]
    (answer,) = json.loads(render.as_json([own]))
    (check,) = answer["checks"]
    assert (check["remedy"], check["remedy_condition"]) == (command, "if it is a mistake")
    assert answer["account_id"] == "222222222222"


def test_the_account_is_named_without_credentials() -> None:
    unknown = diagnosis("", "", Credentials())
    first, *_ = render.as_text([unknown], "utf-8").splitlines()
    assert first == "account of the credentials, eu-west-1: refused"
