"""What the program does as a role in an account where permissions are enforced, case by case.

What a case asks for is learnt from a run that may do everything the policy says; then it is run
again and again, each time with one action of one statement taken away.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.control import Call
from tests.support.accounts import Account
from tests.support.certificates import CA, new_ca, new_leaf
from tests.support.faults.injection import Call as OneCall
from tests.support.faults.injection import Fault
from tests.support.faults.paths import DEFAULT, PATHS, Way, begin
from tests.support.faults.record import Record
from tests.support.permissions.keys import Keys
from tests.support.permissions.policies import ANY_ID
from tests.support.permissions.roles import Role, RoleProgram

NUMBERS = itertools.count(1)

Step = Callable[[Record, Fault | None], str | None]


@dataclass
class World:
    """An account where permissions are enforced, a role in it, and what its policies may be."""

    account: Account
    role: Role
    program: RoleProgram
    keys: Keys
    documents: Mapping[str, Mapping[str, str]]

    def document(self, ca: CA, kind: str = "apply_json", name: str = "program") -> str:
        """A policy for one CA."""
        return self.documents[name][kind].replace(ANY_ID, ca.id)

    def begin(self, case: Case, folder: Path) -> Record:
        """The state in which a case begins, made by the root user."""
        self.program.as_root = True
        try:
            return case.begin(self, folder)
        finally:
            self.program.as_root = False

    def path(self, way: Way, folder: Path) -> Record:
        """The state in which a path of the tests with faults begins."""
        return begin(way, self.program, self.account, folder)

    def record(self, ca: CA, wanted: Mapping[str, Any]) -> Record:
        """A CA in a Terraform state that is applied as the role."""
        return Record(self.program, self.account, ca, wanted)

    @contextmanager
    def watched(self) -> Iterator[list[Call]]:
        """Collects the role's calls."""
        calls: list[Call] = []
        # Nobody else reads the log meanwhile, and all calls of a module are too many to fetch.
        self.account.sandbox.forget_calls()
        yield calls
        calls += self.role.calls()


@dataclass(frozen=True)
class Case:
    """Something the program does.

    Attributes:
        begin: makes the CA and puts the account in the state in which it begins.
        step: what is done.
        trouble: what it ends with though everything is permitted; None if it succeeds.
        spares: actions that it asks for but ends the same way without.
    """

    begin: Callable[[World, Path], Record]
    step: Step = lambda terraform, fault: terraform.apply(fault)
    trouble: str | None = None
    spares: frozenset[str] = frozenset()


def path_case(way: Way) -> Case:
    """A path of the tests with faults."""
    return Case(lambda world, folder: world.path(way, folder), way.step)


def signer_case(choose: Callable[[Keys], tuple[str, CA]], attribute: str) -> Case:
    """A first registration in DEFAULT mode, the CA's key being in an AWS service."""

    def start(world: World, _folder: Path) -> Record:
        arn, ca = choose(world.keys)
        if world.account.look(ca.id) is not None:
            world.account.delete(ca)
        return world.record(ca, {**DEFAULT, "verification": {attribute: arn}})

    return Case(start)


def handed_over(world: World, _folder: Path) -> Record:
    """A first registration in DEFAULT mode, the owner having signed a request."""
    ca = new_ca()
    code = world.account.iot.get_registration_code()["registrationCode"]
    return world.record(
        ca, {**DEFAULT, "verification": {"certificate_pem": new_leaf(ca, code).pem}}
    )


def interrupted(world: World, folder: Path) -> Record:
    """A change of mode whose process has died when the CA was gone."""
    terraform = world.path(PATHS["change to DEFAULT"], folder)
    fault = Fault("kill", True, OneCall("DeleteCACertificate", 1))
    assert terraform.apply(fault) == "killed"
    return terraform


def crowded(world: World, _folder: Path) -> Record:
    """Ten CAs with the subject of an eleventh."""
    subject = f"Crowd {next(NUMBERS)}"
    for _ in range(10):
        world.account.register(new_ca(subject))
    return world.record(new_ca(subject), {})


def refused_on_the_way(terraform: Record, fault: Fault | None) -> str | None:
    """A change of mode whose second registration AWS refuses."""
    assert fault is None
    return terraform.apply(Fault("refuse", False, OneCall("RegisterCACertificate", 1)))


CASES = {
    # Those with a key in AWS are below, with keys that the policies name.
    **{name: path_case(way) for name, way in PATHS.items() if way.signer is None},
    "hand over a proof": Case(handed_over),
    "sign in KMS": signer_case(lambda keys: keys.kms, "kms_key_id"),
    "sign with a secret": signer_case(lambda keys: keys.secret, "ca_private_key_secret_arn"),
    "sign with a secret of an own key": signer_case(
        lambda keys: keys.own_key_secret, "ca_private_key_secret_arn"
    ),
    "sign in Private CA": signer_case(lambda keys: keys.private_ca, "acm_pca_arn"),
    "finish a change of mode": Case(interrupted),
    "restore": Case(
        lambda world, folder: world.path(PATHS["change to DEFAULT"], folder),
        refused_on_the_way,
        trouble="is registered in SNI_ONLY mode as before",
        # What is left then, the next run removes.
        spares=frozenset({"iot:DeleteThingGroup"}),
    ),
    "hit the quota": Case(
        crowded,
        trouble="at most ten CA certificates with the same subject",
        # There are no tags: the CA does not come to be registered.
        spares=frozenset({"iot:ListTagsForResource"}),
    ),
}
