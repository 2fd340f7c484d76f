"""A root CA, made by the commands of AWS's blog."""

from __future__ import annotations

import time
from pathlib import Path

from tools.demo.openssl import FINGERPRINT_COMMAND, OPENSSL_COMMANDS, OPENSSL_CONFIGURATION
from tools.demo.openssl import run as run_openssl
from tools.demo.screen import Screen


def make_ca(screen: Screen, folder: Path) -> str:
    """Make key, request and certificate in the folder; return the fingerprint, the CA's ID."""
    screen.step(
        "A root CA",
        "The commands of AWS's blog on multi-account registration; the key stays in a file.",
    )
    (folder / "root-ca.conf").write_text(OPENSSL_CONFIGURATION, encoding="utf-8")
    started = time.monotonic()
    for command in OPENSSL_COMMANDS:
        screen.command(command)
        run_openssl(command, folder)
    fingerprint = run_openssl(FINGERPRINT_COMMAND, folder).rpartition("=")[2]
    certificate_id = fingerprint.replace(":", "").strip().lower()
    screen.tick(f"SHA-256 {certificate_id}", time.monotonic() - started)
    return certificate_id
