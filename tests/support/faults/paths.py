"""Paths: what the program does from beginning to end, such as a first registration or a destroy.

The calls of a path are learnt from a run without faults; then it is run again and again, each time
from the same beginning with one fault at one call, and finished by what a user would do: apply once
more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.accounts import TEMPLATE_BODY, Account
from tests.support.certificates import CA, new_ca, new_leaf
from tests.support.faults.injection import Fault, FaultyProgram
from tests.support.faults.record import Record
from tests.support.signers import Signer, kms, private_ca, secret

TEMPLATE = "fleet"
NUMBERS = itertools.count(1)
OTHERS = {"owner": "somebody else", "cost-center": "4711"}
TAGS = {"stage": "production"}
JITP = {"template_name": TEMPLATE, "tags": TAGS}

Step = Callable[[Record, Fault | None], str | None]


def apply(terraform: Record, fault: Fault | None) -> str | None:
    """Apply what is wanted."""
    return terraform.apply(fault)


def destroy(**settings: Any) -> Step:
    """Take the CA out, with the settings of its record."""
    return lambda terraform, fault: terraform.destroy(fault, **settings)


@dataclass(frozen=True)
class Way:
    """Something the program does: from what AWS has (`begin`) to what is wanted, by `step`.

    Attributes:
        wanted: the CA as the configuration has it, without its PEM and its proof.
        begin: puts the account in the state in which the path begins.
        proof: whether the CA's key is at hand.
        earlier: what was applied before, where the module has been there already.
        signer: makes a CA whose key is not in a file, for an account and a number.
        only: the operations that get faults; all where it is empty.
    """

    wanted: Mapping[str, Any]
    begin: Callable[[Account, CA], None] = lambda _account, _ca: None
    step: Step = apply
    proof: bool = False
    earlier: Mapping[str, Any] | None = None
    meddle: Callable[[Account, CA], None] = field(default=lambda _account, _ca: None)
    signer: Callable[[Account, int], Signer] | None = None
    only: tuple[str, ...] = ()


def by_hand(mode: str, inline: bool = False, **settings: Any) -> Callable[[Account, CA], None]:
    """The CA is registered already, by somebody else, with tags and maybe a template of theirs."""

    def register(account: Account, ca: CA) -> None:
        proof = {}
        if mode == "DEFAULT":
            code = account.iot.get_registration_code()["registrationCode"]
            proof = {"verificationCertificate": new_leaf(ca, code).pem}
        tags = [{"Key": key, "Value": value} for key, value in OTHERS.items()]
        config = {}
        if inline:
            role = f"arn:aws:iam::{account.number}:role/role-{TEMPLATE}"
            config = {"registrationConfig": {"templateBody": TEMPLATE_BODY, "roleArn": role}}
        account.register(ca, certificateMode=mode, tags=tags, **proof, **config, **settings)

    return register


def drifted(account: Account, ca: CA) -> None:
    """Somebody has changed everything that can be changed."""
    account.update(
        ca, newStatus="INACTIVE", newAutoRegistrationStatus="DISABLE", removeAutoRegistration=True
    )
    account.untag(ca, *TAGS)
    account.tag(ca, OTHERS)


def device(account: Account, ca: CA) -> None:
    """A device of the CA is registered."""
    account.iot.register_certificate(
        certificatePem=new_leaf(ca, "device-1").pem, caCertificatePem=ca.pem, status="ACTIVE"
    )


def in_a_secret(account: Account, number: int) -> Signer:
    """A CA whose key is in AWS Secrets Manager."""
    return secret(account, account, f"root-{number}", lambda pem: pem)


def in_kms(account: Account, number: int) -> Signer:
    """A CA whose key is in AWS KMS."""
    del number
    return kms(account, account, "ECC_NIST_P256")


def private(account: Account, number: int) -> Signer:
    """A CA in AWS Private CA."""
    del number
    return private_ca(account, account, "EC_prime256v1", "SHA256WITHECDSA")


DEFAULT = {"certificate_mode": "DEFAULT"}
CHANGE = {"allow_mode_change": True, **JITP}
SNI_ONLY = {"certificate_mode": "SNI_ONLY"}

PATHS = {
    "register": Way(JITP),
    "register inactive": Way({**JITP, "status": "INACTIVE", "auto_registration": False}),
    "register in DEFAULT mode": Way({**JITP, **DEFAULT}, proof=True),
    "register by a secret": Way(
        {**JITP, **DEFAULT}, signer=in_a_secret, only=("GetSecretValue", "RegisterCACertificate")
    ),
    "register by a key in KMS": Way(
        {**JITP, **DEFAULT}, signer=in_kms, only=("GetPublicKey", "Sign", "RegisterCACertificate")
    ),
    "register by a private CA": Way(
        {**JITP, **DEFAULT},
        signer=private,
        only=(
            *("GetCertificateAuthorityCertificate", "IssueCertificate", "GetCertificate"),
            "RegisterCACertificate",
        ),
    ),
    "adopt": Way(JITP, by_hand("SNI_ONLY", setAsActive=False, allowAutoRegistration=False)),
    "adopt without change": Way({}, by_hand("SNI_ONLY")),
    "repair": Way(JITP, earlier=JITP, meddle=drifted),
    "change settings": Way({"status": "INACTIVE", "tags": {"team": "devices"}}, earlier={**JITP}),
    "change to DEFAULT": Way({**CHANGE, **DEFAULT}, by_hand("SNI_ONLY"), proof=True),
    "change to SNI_ONLY": Way({**CHANGE, **SNI_ONLY}, by_hand("DEFAULT", inline=True), proof=True),
    "change to SNI_ONLY by force": Way({**CHANGE, "force_mode_change": True}, by_hand("DEFAULT")),
    "change of an own one": Way(
        {**CHANGE, **DEFAULT, "tags": {"team": "devices"}},
        proof=True,
        earlier=JITP,
        meddle=lambda account, ca: account.tag(ca, OTHERS),
    ),
    "change of an inactive one": Way(
        {**CHANGE, **DEFAULT, "status": "INACTIVE"},
        by_hand("SNI_ONLY", setAsActive=False),
        proof=True,
    ),
    "delete": Way({}, step=destroy(template_name=TEMPLATE), earlier=JITP),
    "delete with devices": Way({}, step=destroy(force_destroy=True), earlier=JITP, meddle=device),
    "deactivate": Way(
        {}, step=destroy(template_name=TEMPLATE, on_destroy="deactivate"), earlier=JITP
    ),
    "retain": Way({}, by_hand("SNI_ONLY"), destroy(template_name=TEMPLATE), earlier=JITP),
    "retain without auto-registration": Way(
        {},
        by_hand("SNI_ONLY"),
        destroy(template_name=TEMPLATE),
        earlier={**JITP, "auto_registration": False},
    ),
    "retain without a template": Way({}, by_hand("SNI_ONLY"), destroy(), earlier={"tags": TAGS}),
}


def begin(path: Way, program: FaultyProgram, account: Account, folder: Path) -> Record:
    """A new CA, in the state in which the path begins."""
    number = next(NUMBERS)
    proof: dict[str, Any] = {}
    if path.signer is None:
        ca = new_ca(f"Root {number}")
    else:
        signer = path.signer(account, number)
        ca = signer.ca
        proof = {"verification": signer.verification}
    path.begin(account, ca)
    if path.proof:
        key_file = ca.key_file(folder, f"{ca.id}.key")
        proof = {"verification": {"ca_private_key_file": key_file}}
    terraform = Record(program, account, ca, path.wanted)
    if path.earlier is not None:
        terraform = replace(terraform, wanted=path.earlier)
        assert terraform.apply() is None
    path.meddle(account, ca)
    return replace(terraform, wanted={**path.wanted, **proof})
