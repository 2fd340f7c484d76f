"""The policies of modules/iam-policies, and what they allow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tools.checkout import ROOT
from tools.engine.discovery import find_engine
from tools.engine.terraform import Terraform
from tools.providers.environment import environment

MODULE = ROOT / "modules" / "iam-policies"
# Stands in a policy for the ID of a CA.
ANY_ID = "0" * 64

# The statement that allows something, and the action.
Need = tuple[str, str]


def render(folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """What the module answers for each of several settings: `plan_json` and `apply_json`."""
    calls = {
        name: {"source": str(MODULE), **arguments} for name, arguments in sorted(settings.items())
    }
    configuration = {
        "module": calls,
        "output": {name: {"value": f"${{module.{name}}}"} for name in settings},
    }
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps(configuration), encoding="utf-8")
    terraform = Terraform(folder, find_engine(), environment(None))
    terraform.init()
    terraform.run("apply", "-auto-approve")
    # What `terraform output -json` prints, without another command.
    state = json.loads((folder / "terraform.tfstate").read_text(encoding="utf-8"))
    answers: dict[str, dict[str, str]] = {
        name: output["value"] for name, output in state["outputs"].items()
    }
    return answers


def statements(document: str) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    entries: list[dict[str, Any]] = json.loads(document)["Statement"]
    return entries


# A plan that may not do these leaves out a hint, see aws/templates.py and aws/events.py: these
# policies lack them, and have them with JITP, where the aws provider needs the first one too, and
# with JITR.
HINT = ("iot:DescribeProvisioningTemplate ", "iot:DescribeEventConfigurations ")
# The same of a plan alone: an apply must read the snapshot (aws/snapshots.py).
PLAN_HINTS = (*HINT, "iot:DescribeThingGroup ")


def needs(document: str) -> set[Need]:
    """Every action of every statement."""
    return {
        (statement["Sid"], action)
        for statement in statements(document)
        for action in statement["Action"]
    }


def names(needed: Iterable[Need]) -> list[str]:
    """The permissions as text, for the summary of a run."""
    return sorted(f"{sid} {action}" for sid, action in needed)


def without(document: str, need: Need) -> str:
    """The document with one action of one statement taken away."""
    sid, action = need
    kept = [
        {
            **statement,
            "Action": [
                name for name in statement["Action"] if (statement["Sid"], name) != (sid, action)
            ],
        }
        for statement in statements(document)
    ]
    return json.dumps(
        {
            **json.loads(document),
            "Statement": [statement for statement in kept if statement["Action"]],
        }
    )


def allowed_by(document: str, permission: str) -> Need:
    """The one statement that allows what a call has asked for, as "action resource"."""
    action, _, resource = permission.partition(" ")
    sids = [
        statement["Sid"]
        for statement in statements(document)
        if action in statement["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
    ]
    assert len(sids) == 1, (permission, sids)
    return sids[0], action
