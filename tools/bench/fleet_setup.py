"""A fleet on the sandbox: a CA in every Region of many accounts."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tools.bench.configurations import make_ca

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-1")
ROLE = "status"
HUB = "9" * 12  # the account whose credentials assume the role in each account


def make_fleet(endpoint: str, folder: Path, count: int) -> Path:
    """Register a CA in every Region of so many accounts; return the `.tfvars` that names them.

    Each account has a role that trusts `HUB`. The requests are made by hand, since a client for
    each account and region would take longer than all that is measured.
    """
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
            path = "/cacertificate?setAsActive=true&allowAutoRegistration=false"
            _call(connection, account, region, "iot", path, json.dumps(request))
        named[f"account-{number:03}"] = {
            "account_id": account,
            "regions": list(REGIONS),
            "role_arn": role,
            # Each template and each rule would be a call more.
            "provisioning": {"type": "NONE"},
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
            lines += [f"    {inner} = {json.dumps(part)}" for inner, part in item.items()]
            lines.append("  }")
        lines.append("}")
    return "\n".join([*lines, ""])
