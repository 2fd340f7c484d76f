"""Devices of the CA connect over TLS and MQTT, and are provisioned or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.demo.accounts import ACCOUNTS, DEVELOPMENT, PRODUCTION, STAGING
from tools.demo.claims import claim
from tools.demo.openssl import DEVICE_COMMANDS
from tools.demo.openssl import run as run_openssl
from tools.demo.runs import Demo

if TYPE_CHECKING:
    from tools.device import Device


def connect_device(demo: Demo) -> None:
    """Connect one device with one certificate: every account provisions it on first contact."""
    demo.screen.step(
        "A device with one certificate connects to all three accounts",
        "Over TLS and MQTT, to each account's endpoint. At the first contact AWS IoT registers "
        "its certificate and runs the template; the device connects again and is in.",
    )
    for command in DEVICE_COMMANDS:
        demo.screen.command(command.format("sensor-1"))
    device = _new_device(demo, "sensor-1")
    for account in ACCOUNTS:
        visit = device.visit(demo.aws.listener, demo.aws.endpoint(account), topic="sensor-1/hello")
        claim(visit.accepted, f"the device is accepted in {account.workspace}", visit)
        claim(bool(visit.received), f"it may publish and subscribe in {account.workspace}")
        thing = demo.aws.thing(account, "sensor-1")
        claim(
            thing
            == {"ca_certificate_id": demo.certificate_id, "ca_certificate_mode": account.mode},
            f"its thing in {account.workspace} says which CA let it in, in which mode",
            thing,
        )
        demo.screen.tick(
            f"{account.workspace:<12}{account.number}  thing sensor-1, certificate ACTIVE, "
            f"through the CA in {account.mode} mode"
        )


def connect_device_without_sni(demo: Demo) -> None:
    """Connect a device without SNI: only the account with the CA in DEFAULT mode answers."""
    demo.screen.step(
        "A device that does not send SNI",
        "It names no endpoint when it connects. AWS IoT can only think of the account that "
        "holds the CA in DEFAULT mode: production.",
    )
    demo.aws.sandbox.forget_device_log()
    visit = _new_device(demo, "sensor-2").visit(demo.aws.listener, None)
    claim(visit.accepted, "the device is accepted without SNI", visit)
    accounts = {event.account for event in demo.aws.sandbox.device_log(outcome="connected")}
    claim(accounts == {PRODUCTION.number}, "it is in production, and only there", accounts)
    for account in (STAGING, DEVELOPMENT):
        thing = demo.aws.thing(account, "sensor-2")
        claim(thing is None, f"{account.workspace} has never heard of it", thing)
    demo.screen.tick(
        f"{PRODUCTION.workspace:<12}{PRODUCTION.number}  thing sensor-2; unknown in the others"
    )


def refuse_new_devices(demo: Demo) -> None:
    """Set the CA INACTIVE in one account: it refuses new devices and accepts known ones."""
    demo.screen.step(
        "The CA is set INACTIVE in staging",
        "As when it is retired: new devices are refused, and known ones go on connecting.",
    )
    staging = demo.aws.iot(STAGING)
    staging.update_ca_certificate(certificateId=demo.certificate_id, newStatus="INACTIVE")
    endpoint = demo.aws.endpoint(STAGING)
    new = _new_device(demo, "sensor-3").visit(demo.aws.listener, endpoint)
    claim(not new.accepted, "a new device is refused", new)
    known = _device(demo, "sensor-1").visit(demo.aws.listener, endpoint, attempts=1)
    claim(known.accepted, "a known device is accepted", known)
    staging.update_ca_certificate(certificateId=demo.certificate_id, newStatus="ACTIVE")
    demo.screen.tick("sensor-3, new: refused")
    demo.screen.tick("sensor-1, known: accepted")


def _new_device(demo: Demo, name: str) -> Device:
    folder = demo.terraform.folder
    for command in DEVICE_COMMANDS:
        run_openssl(command.format(name), folder)
    chain = [(folder / f"{owner}.pem").read_text() for owner in (name, "root-ca")]
    (folder / f"{name}.chain.pem").write_text("".join(chain))
    return _device(demo, name)


def _device(demo: Demo, name: str) -> Device:
    # Imported when it is needed: the user waits for the first line.
    from tools.device import Device

    folder = demo.terraform.folder
    return Device(folder / f"{name}.chain.pem", folder / f"{name}.key", name)
