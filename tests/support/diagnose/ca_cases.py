"""The CA that has signed the device's certificate."""

from __future__ import annotations

import time

from tests.support.certificates import DAY, NOW, new_ca
from tests.support.diagnose.refusal import (
    Refusal,
    child_of,
    renewed,
    write_chain,
)
from tests.support.diagnose.scene import Scene
from tests.support.sandbox import fleet


def not_registered(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Other CA")
    scene.reissue()
    write_chain(scene, scene.ca)


def root_instead_of_issuer(scene: Scene) -> None:
    scene.jitp()
    root, scene.ca = scene.ca, child_of(scene.ca)
    scene.reissue(sends=(scene.ca,))
    write_chain(scene, scene.ca, root)


def renewed_with_another_key(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Fleet CA")
    scene.reissue()
    write_chain(scene, scene.ca)


def without_chain(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Other CA")
    scene.reissue()


def register_with_template(scene: Scene) -> None:
    """What applying the module with the CA does."""
    config = {"templateName": "fleet"}
    fleet.register(scene.aws, scene.ca, scene.account, registrationConfig=config)


def expired_ca(scene: Scene) -> None:
    second = NOW.__class__.now(NOW.tzinfo).replace(microsecond=0) + 2 * (DAY / 86400)
    scene.ca = renewed(scene.ca, end=second)
    scene.reissue()
    scene.jitp()
    time.sleep(2.1)


def renew_and_register(scene: Scene) -> None:
    scene.ca = renewed(scene.ca)
    register_with_template(scene)


def without_sni(scene: Scene) -> None:
    scene.jitp()
    scene.send_chain(scene.ca)
    scene.server_name = None


def send_server_name(scene: Scene) -> None:
    scene.server_name = fleet.endpoint(scene.aws, scene.account)


def known_without_sni(scene: Scene) -> None:
    scene.jitp()
    assert scene.visit().accepted
    scene.server_name = None


def default_without_chain(scene: Scene) -> None:
    scene.jitp("DEFAULT")
    scene.server_name = None


AUTHORITY = {
    "CA not registered": Refusal(
        not_registered, "signer", "is not registered here", "check that this CA is yours",
        register_with_template,
    ),
    "CA not registered, without its certificate": Refusal(
        without_chain, "signer", '("CN=Other CA")'[2:-2], "apply", register_with_template,
    ),
    "root registered instead of the issuing CA": Refusal(
        root_instead_of_issuer, "signer", "needs the CA that has signed the device's certificate",
        "add the CA's certificate to certificate_authorities of the module, with provisioning",
        register_with_template,
    ),
    "CA renewed with another key": Refusal(
        renewed_with_another_key, "signer", "has the same name, but another key",
        "and apply", register_with_template,
    ),
    "CA inactive": Refusal(
        lambda scene: scene.jitp(setAsActive=False), "CA status", "is INACTIVE; if it was retired",
        "--new-status ACTIVE",
    ),
    "auto-registration disabled": Refusal(
        lambda scene: scene.jitp(allowAutoRegistration=False), "auto-registration", "is DISABLE",
        "--new-auto-registration-status ENABLE",
    ),
    "CA expired": Refusal(
        expired_ca, "CA expiry", "expired at", "renew the CA", renew_and_register,
    ),
    "new, SNI_ONLY without a server name": Refusal(
        without_sni, "server name", "SNI_ONLY mode needs one", "send the server name",
        send_server_name,
    ),
    "known, SNI_ONLY without a server name": Refusal(
        known_without_sni, "server name", "SNI_ONLY mode needs one", "send the server name",
        send_server_name, while_new=False,
    ),
    "DEFAULT without a server name or the CA's certificate": Refusal(
        default_without_chain, "CA certificate sent", "neither a server name",
        "send its CA's certificate", lambda scene: scene.send_chain(scene.ca),
    ),
}  # fmt: skip
