"""One way of being refused, and what several of them begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import CA, issue
from tests.support.diagnose.scene import Scene

Act = Callable[[Scene], None]


@dataclass(frozen=True)
class Refusal:
    """One way of being refused.

    Attributes:
        arrange: breaks it.
        check: the first check that is not ok.
        finding: a part of what the program finds.
        remedy: a part of the remedy.
        by_hand: does what the remedy says, if that is not a command.
        then: the checks that are the cause after that one is repaired, in order.
        while_new: whether it has this cause before the device has come for the first time.
        once_seen: the cause after it has come, if that is another one.
    """

    arrange: Act
    check: str
    finding: str
    remedy: str
    by_hand: Act | None = None
    then: tuple[str, ...] = ()
    while_new: bool = True
    once_seen: str | None = None


def child_of(root: CA, name: str = "Issuing CA") -> CA:
    """A CA whose certificate another one has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue(
        root.key, common_name=name, subject_key=key, issuer=root.certificate, is_ca=True
    )
    return CA(certificate, key)


def renewed(ca: CA, **validity: Any) -> CA:
    """The CA's certificate, issued again for the same key."""
    subject = ca.certificate.subject
    return CA(issue(ca.key, subject=subject, **validity), ca.key)


def write_chain(scene: Scene, *cas: CA) -> None:
    """Give the program the CAs' certificates in a file."""
    path = scene.folder / "chain.pem"
    path.write_text("".join(ca.pem for ca in cas), encoding="ascii")
    scene.options += ["--chain", str(path)]


# What is repaired after the device has come: AWS does not say that a template is carried out twice
# for a certificate, and the sandbox does not.
AGAIN = ("registration",)


def after_jitp(**settings: Any) -> Act:
    """A JITP account, and a device whose certificate is issued with `settings`."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        scene.reissue(**settings)

    return arrange


def good_certificate(scene: Scene) -> None:
    """Have the device's certificate issued again."""
    scene.reissue()
