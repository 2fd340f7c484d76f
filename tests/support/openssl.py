"""Keys and certificates made by the command line of OpenSSL, as the documents have users do it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*arguments: str, folder: Path) -> str:
    """Run `openssl ARGUMENTS` in a folder; returns what it prints. A failure fails the test."""
    done = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def openssl_root(folder: Path) -> Path:
    """root.pem and root.key, made with the commands of AWS's blog."""
    (folder / "ext.cnf").write_text("basicConstraints = CA:TRUE\n")
    openssl("genrsa", "-out", "root.key", "2048", folder=folder)
    openssl("req", "-new", "-sha256", "-key", "root.key", "-nodes", "-out", "root.csr",
            "-subj", "/C=DE/O=Example/CN=Example Root", folder=folder)  # fmt: skip
    openssl("x509", "-req", "-days", "3653", "-extfile", "ext.cnf", "-in", "root.csr",
            "-signkey", "root.key", "-out", "root.pem", folder=folder)  # fmt: skip
    return folder / "root.pem"


def openssl_verification(folder: Path, code: str) -> Path:
    """verification.pem for a registration code, signed by openssl_root's CA."""
    openssl("genrsa", "-out", "verification.key", "2048", folder=folder)
    openssl("req", "-new", "-key", "verification.key", "-out", "verification.csr",
            "-subj", f"/CN={code}", folder=folder)  # fmt: skip
    openssl("x509", "-req", "-in", "verification.csr", "-CA", "root.pem", "-CAkey", "root.key",
            "-CAcreateserial", "-out", "verification.pem", "-days", "30", "-sha256",
            folder=folder)  # fmt: skip
    return folder / "verification.pem"


def make_ca(folder: Path, name: str = "root-ca", days: int = 3650) -> None:
    """Write NAME.pem and NAME.key, by the command that the examples' READMEs give."""
    command = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days))
    names = ("-subj", f"/CN=Example {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl(*command, *names, folder=folder)


def make_device(folder: Path, ca: str, name: str) -> str:
    """The PEM of a device's certificate, signed by the CA that `make_ca` has written as CA.pem."""
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key")
    openssl("req", "-new", *key, "-subj", f"/CN={name}", "-out", f"{name}.csr", folder=folder)
    signer = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial")
    sign = ("x509", "-req", "-in", f"{name}.csr", *signer, "-out", f"{name}.crt")
    openssl(*sign, "-days", "30", folder=folder)
    return (folder / f"{name}.crt").read_text(encoding="ascii")


def fingerprint(certificate: Path) -> str:
    """The SHA-256 of the certificate, as openssl says it, in the form of AWS IoT's IDs."""
    command = ("x509", "-in", certificate.name, "-noout", "-fingerprint", "-sha256")
    said = openssl(*command, folder=certificate.parent)
    return said.strip().rpartition("=")[2].replace(":", "").lower()
