"""One CA as Terraform keeps it: what plans, applies and destroys do, without a Terraform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iot_ca.terraform.deregister import deregister
from iot_ca.terraform.inspect import inspect
from iot_ca.terraform.register import register
from tests.support.accounts import Account, Registered
from tests.support.certificates import CA
from tests.support.faults.injection import Fault, FaultyProgram


@dataclass
class Record:
    """One record of a CA in a Terraform state, and what a plan and an apply do with it.

    `planned` is the revision that a plan has found of late; the next apply makes no plan then.
    """

    program: FaultyProgram
    account: Account
    ca: CA
    wanted: Mapping[str, Any]
    revision: str | None = None
    planned: str | None = None

    @property
    def target(self) -> dict[str, Any]:
        """The account and region, as the module tells the program."""
        return {"account_id": self.account.number, "region": self.account.region}

    def plan(self) -> str:
        """The revision that a plan finds; the state's own if there is nothing to do."""
        revision, trouble = self.look()
        assert trouble is None, trouble
        assert revision is not None
        return revision

    def look(self) -> tuple[str | None, str | None]:
        """Plan: the revision that it finds, or why it failed."""
        cas = {"root": {"certificate_pem": self.ca.pem, "auto_registration": True, **self.wanted}}
        answer: dict[str, str] = {}

        def plan(query: str) -> str:
            answer.update(json.loads(inspect(query)))
            return ""

        query = {
            "target": json.dumps(self.target),
            "certificate_authorities": json.dumps(cas),
        }
        trouble = self.program.run(plan, query, self.account, None)
        if trouble is not None:
            return None, trouble
        return str(json.loads(answer["root"])["revision"]), None

    def request(self, revision: str) -> dict[str, Any]:
        """What an apply of that revision asks `register` for."""
        return {
            "name": "root",
            "target": self.target,
            "certificate_authority": {
                "certificate_pem": self.ca.pem,
                "auto_registration": True,
                **self.wanted,
            },
            "revision": revision,
            "owner": "me",
        }

    def apply(self, fault: Fault | None = None) -> str | None:
        """Plan, and register if the plan says so; returns why that failed, if it did."""
        revision, trouble = (self.planned, None) if self.planned else self.look()
        self.planned = None
        if revision is None:
            return trouble
        if revision == self.revision:
            return None
        request = self.request(revision)
        trouble = self.program.run(register, request, self.account, fault)
        # A record whose provisioner failed is tainted: the next apply replaces it.
        self.revision = revision if trouble is None else None
        return trouble

    def destroy(self, fault: Fault | None = None, **more: Any) -> str | None:
        """Take the CA out; returns why that failed, if it did."""
        request = {
            "name": "root",
            "target": self.target,
            "certificate_id": self.ca.id,
            "owner": "me",
            **more,
        }
        return self.program.run(deregister, request, self.account, fault)


def seen(account: Account, ca: CA) -> Registered | None:
    """The CA as the account has it, without what differs from run to run."""
    registered = account.look(ca.id)
    return None if registered is None else registered.settings


def template_of(account: Account, ca: CA) -> Mapping[str, Any]:
    """How devices of a registered CA are provisioned, an inline template's body included."""
    described = account.iot.describe_ca_certificate(certificateId=ca.id)
    return dict(described.get("registrationConfig", {}))


def leftovers(account: Account) -> list[str]:
    """What remembers a change of mode, which must be gone in the end."""
    return [group["groupName"] for group in account.iot.list_thing_groups()["thingGroups"]]
