"""A fleet on the sandbox, how long `status` takes of it, and the plain way to ask its accounts.

`python -m tools.bench.fleet` measures `status` of 200 accounts in 4 regions, every call taking
50 ms more than the sandbox does, and prints the seconds. No test holds it to its target of 30 s:
how fast a shared machine is says nothing about the program. `make bench` compares besides.

`python -m tools.bench.fleet FILE.tfvars COUNT` asks the first COUNT accounts, as a script around
boto3 does it: a session for each role, a client for each region, two calls for each CA.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography import x509

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-1")
ROLE = "status"
ACCOUNTS = 200
HUB = "9" * 12  # the account whose credentials assume the role of each
LATENCY_SECONDS = 0.05  # besides, for every call, as over a network
TARGET_SECONDS = 30


def make_fleet(endpoint: str, folder: Path, count: int) -> Path:
    """Registers a CA in every region of so many accounts; returns the `.tfvars` that names them.

    Each account has a role that trusts `HUB`. The requests are made by hand, since a client for
    each account and region would take longer than all that is measured.
    """
    # Not for the plain way, whose start is measured.
    from tools.bench.configurations import make_ca

    certificate_pem = make_ca("fleet")
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    named = {}
    for number in range(count):
        account = f"8{number:011d}"
        role = _make_role(connection, account)
        for region in REGIONS:
            request = {
                "caCertificate": certificate_pem,
                "certificateMode": "SNI_ONLY",
                "tags": [
                    {"Key": "iot-ca:origin", "Value": "registered"},
                    {"Key": "iot-ca:owner", "Value": "bench"},
                    {"Key": "iot-ca:revision", "Value": "register 1"},
                ],
            }
            path = "/cacertificate?setAsActive=true&allowAutoRegistration=true"
            _call(connection, account, region, "iot", path, json.dumps(request))
        named[f"account-{number:03}"] = {
            "account_id": account,
            "regions": list(REGIONS),
            "role_arn": role,
        }
    connection.close()
    (folder / "root-ca.pem").write_text(certificate_pem, encoding="utf-8")
    file = folder / "accounts.tfvars"
    file.write_text(_hcl({"accounts": named, "certificate_file": "root-ca.pem"}), encoding="utf-8")
    return file


def _make_role(connection: http.client.HTTPConnection, account: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"},
            }
        ],
    }
    form = {
        "Action": "CreateRole",
        "Version": "2010-05-08",
        "RoleName": ROLE,
        "AssumeRolePolicyDocument": json.dumps(trust),
    }
    _call(connection, account, "us-east-1", "iam", "/", urlencode(form))
    return f"arn:aws:iam::{account}:role/{ROLE}"


def _call(
    connection: http.client.HTTPConnection,
    account: str,
    region: str,
    service: str,
    path: str,
    body: str,
) -> None:
    scope = f"{account}/20250101/{region}/{service}/aws4_request"
    kind = "json" if body.startswith("{") else "x-www-form-urlencoded"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "Content-Type": f"application/{kind}",
        "Host": f"{service}.{region}.amazonaws.com",
    }
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        raise OSError(f"{response.status} {answer.decode(errors='replace')}")


def _hcl(variables: dict[str, Any]) -> str:
    """Values in HCL: JSON's are the same but for the colons of objects."""
    lines = []
    for name, value in variables.items():
        if isinstance(value, str):
            lines.append(f"{name} = {json.dumps(value)}")
            continue
        lines.append(f"{name} = {{")
        for key, item in value.items():
            lines.append(f"  {key} = {{")
            lines += [f"    {inner} = {json.dumps(each)}" for inner, each in item.items()]
            lines.append("  }")
        lines.append("}")
    return "\n".join([*lines, ""])


def ask_one_by_one(accounts: Sequence[dict[str, Any]], certificate_id: str) -> int:
    """The plain way; returns how many CAs were found."""
    from boto3.session import Session

    found = 0
    for account in accounts:
        role = {"RoleArn": account["role_arn"], "RoleSessionName": "plain"}
        issued = Session().client("sts").assume_role(**role)["Credentials"]
        session = Session(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
        for region in account["regions"]:
            iot = session.client("iot", region_name=region)
            answer = iot.describe_ca_certificate(certificateId=certificate_id)
            arn = answer["certificateDescription"]["certificateArn"]
            found += len(iot.list_tags_for_resource(resourceArn=arn)["tags"]) == 3
    return found


def measure(count: int) -> float:
    """The seconds of `status`, as a process, of so many accounts in all regions."""
    from sandbox.control import start
    from tools.checkout import ROOT

    with tempfile.TemporaryDirectory(prefix="iot-ca-bench-") as place, start() as sandbox:
        file = make_fleet(sandbox.endpoint, Path(place), count)
        sandbox.fault("latency", times=None, seconds=LATENCY_SECONDS)
        command = [sys.executable, str(ROOT / "scripts" / "iot_ca"), "status", str(file)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "--json"],
            env={**os.environ, **sandbox.environment(HUB, REGIONS[0])},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
    if done.returncode or json.loads(done.stdout)["counts"]["in_sync"] != count * len(REGIONS):
        raise OSError(f"status ended with {done.returncode}: {done.stderr}")
    return seconds


def main(arguments: Sequence[str]) -> int:
    """Measure `status`; or, with arguments, ask the plain way, and say how many were found."""
    if not arguments:
        seconds = measure(ACCOUNTS)
        verdict = "met" if seconds <= TARGET_SECONDS else "missed"
        print(
            f"status, {ACCOUNTS} accounts in {len(REGIONS)} regions, "
            f"{LATENCY_SECONDS * 1000:.0f} ms a call: {seconds:.1f} s "
            f"(target {TARGET_SECONDS} s, {verdict})"
        )
        return 0
    return _plain(arguments)


def _plain(arguments: Sequence[str]) -> int:
    import hcl2
    from hcl2 import SerializationOptions

    path, count = Path(arguments[0]), int(arguments[1])
    options = SerializationOptions(with_comments=False, strip_string_quotes=True)
    variables = hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=options)
    pem = (path.parent / variables["certificate_file"]).read_bytes()
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate_id = x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex()
    print(ask_one_by_one(list(variables["accounts"].values())[:count], certificate_id), "found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
