"""CAs at both ends of what X.509 can write, on machines of several time zones: all commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import ec_key, issue, pem
from tests.support.program.in_process import Program, authority, identity

PROGRAM = Path(__file__).parents[2] / "scripts" / "iot_ca"
# X.509's earliest time without a library's complaint, and "no expiration" of RFC 5280, 4.1.2.5.
FIRST = datetime(1950, 1, 1, tzinfo=timezone.utc)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_a_ca_without_expiry_is_managed_in_every_time_zone(
    sandbox: Sandbox, account: str, region: str, tmp_path: Path, zone: str
) -> None:
    target = {"account_id": account, "region": region}
    endless, usual = issue(ec_key(), start=FIRST, end=LAST), issue(ec_key(), common_name="usual")
    cas = {"endless": authority(endless), "usual": authority(usual)}

    def run(*argv: str, given: str = "", request: Any = None) -> str:
        done = subprocess.run(
            [sys.executable, PROGRAM, *argv],
            input=given,
            env={
                **os.environ,
                **sandbox.environment(account, region),
                "TZ": zone,
                "IOT_CA_REQUEST": json.dumps(request),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), argv
        return done.stdout

    def plan() -> dict[str, Any]:
        query = {"target": json.dumps(target), "certificate_authorities": json.dumps(cas)}
        answer = json.loads(run("inspect", given=json.dumps(query)))
        return {name: json.loads(result) for name, result in answer.items()}

    planned = plan()
    for name, ca in cas.items():
        asked = Program.request_to_register(ca, planned[name]["revision"])
        run("register", request={**asked, "name": name, "target": target})
    after = plan()
    for results in (planned, after):
        validity = (results["endless"]["not_before"], results["endless"]["not_after"])
        assert validity == ("1950-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    assert {name: result["revision"] for name, result in after.items()} == {
        name: result["revision"] for name, result in planned.items()
    }

    (tmp_path / "endless.pem").write_text(pem(endless))
    # Something of the user's own answers the events.
    events = {"auto_registration": True, "provisioning": {"type": "NONE"}}
    accounts = {"accounts": {"here": {**target, **events}}}
    (tmp_path / "fleet.tfvars.json").write_text(json.dumps(accounts))
    files = (str(tmp_path / "fleet.tfvars.json"), "--ca", f"endless={tmp_path / 'endless.pem'}")
    (row,) = json.loads(run("status", *files, "--json"))["certificate_authorities"]
    assert row["not_after"] == "9999-12-31T23:59:59Z"

    for certificate in (endless, usual):
        destroyed = {"name": "root", "certificate_id": identity(certificate), "owner": "me"}
        assert "deleted" in run("deregister", request={**destroyed, "target": target})
