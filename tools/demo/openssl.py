"""The commands that make the CA and its devices."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tools.errors import ToolError

# The configuration and the commands of AWS's blog on multi-account registration, under the names
# that the example reads. The blog answers openssl's questions by hand, hence `prompt = no`.
OPENSSL_CONFIGURATION = """\
[ req ]
distinguished_name = req_distinguished_name
prompt             = no

[ v3_ca ]
basicConstraints = CA:TRUE

[ req_distinguished_name ]
countryName      = US
organizationName = Example Corp
commonName       = Example Root CA
"""
OPENSSL_COMMANDS = (
    "openssl genrsa -out root-ca.key 2048",
    "openssl req -new -sha256 -key root-ca.key -nodes -out root-ca.csr -config root-ca.conf",
    "openssl x509 -req -days 3650 -extfile root-ca.conf -extensions v3_ca "
    "-in root-ca.csr -signkey root-ca.key -out root-ca.pem",
)
FINGERPRINT_COMMAND = "openssl x509 -in root-ca.pem -noout -fingerprint -sha256"
# What a factory does for each device; the CA's certificate comes behind the device's own, for those
# that don't send SNI must show it when they first connect.
DEVICE_COMMANDS = (
    "openssl req -new -newkey rsa:2048 -nodes -subj /CN={0} -keyout {0}.key -out {0}.csr",
    "openssl x509 -req -days 365 -sha256 -in {0}.csr -CA root-ca.pem -CAkey root-ca.key "
    "-CAcreateserial -out {0}.pem",
)


def run(command: str, folder: Path) -> str:
    """Run a command and return its output. Raises ToolError if it fails or openssl is missing."""
    try:
        done = subprocess.run(
            shlex.split(command), cwd=folder, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise ToolError("no `openssl` on the PATH; install it") from None
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{command}\n{error.stderr}") from None
    return done.stdout
