"""`status` on the sandbox: accounts, their roles, and what is wrong with some of them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from iot_ca.aws.ca_certificates import CaCertificates
from sandbox.control import Sandbox
from tests.support.certificates import NOW, ec_key, issue, pem
from tests.support.status.hub import Run, World, rows
from tools.checkout import ROOT

SCRIPT = ROOT / "scripts" / "iot_ca"


def test_all_that_is_wrong_in_a_fleet_is_reported(
    world: World, run: Run, ca: x509.Certificate, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    soon = issue(ec_key(), common_name="soon", end=NOW + timedelta(days=30))
    (world.folder / "soon.pem").write_text(pem(soon), encoding="utf-8")
    both = ["eu-west-1", "us-east-1"]
    two_regions = {"region": None, "regions": both}
    world.add("good", new_account(), **two_regions)
    world.add("drifted", new_account(), **two_regions)
    world.add("by hand", new_account(), certificate_authorities=["root"])
    world.add("no role", new_account(), **two_regions)
    world.add("other account", new_account())
    world.accounts["no role"]["role_arn"] += "-typo"
    world.accounts["other account"]["role_arn"] = world.accounts["good"]["role_arn"]
    for region in both:
        world.register("good", region, ca)
        world.register("good", region, soon)
    world.register("drifted", "eu-west-1", ca, active=False)
    world.register("drifted", "eu-west-1", soon)
    world.register("drifted", "us-east-1", soon)
    world.register("by hand", "eu-west-1", ca, tags={})
    files = {name: {"certificate_file": f"{name}.pem"} for name in ("root", "soon")}
    path = world.write(certificate_authorities=files)
    sandbox.forget_calls()

    exit_status, out, err = run(path, "--json")

    assert (exit_status, err) == (1, "")
    reported = rows(out)
    states = {key: (row["state"], row["wrong"]) for key, row in reported.items()}
    expiring = [f"expires at {soon.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"]
    for region in both:
        assert states["good", region, "root"] == ("in_sync", [])
        assert states["good", region, "soon"] == ("expiring", expiring)
        state, wrong = states["no role", region, "root"]
        assert state == "failed"
        assert "may not call sts:AssumeRole; allow it in their policy" in wrong[0]
        assert "the role's name or its trust policy" in wrong[0]
        assert states["no role", region, "soon"] == ("failed", [wrong[0], *expiring])
    assert states["drifted", "eu-west-1", "root"] == (
        "drifted",
        ["status is INACTIVE, wanted ACTIVE"],
    )
    assert states["drifted", "us-east-1", "root"] == (
        "drifted",
        ["not registered, wanted SNI_ONLY, ACTIVE"],
    )
    assert states["drifted", "us-east-1", "soon"] == ("expiring", expiring)
    assert states["by hand", "eu-west-1", "root"] == ("drifted", ["not managed by this module yet"])
    assert ("by hand", "eu-west-1", "soon") not in states
    good = world.accounts["good"]["account_id"]
    state, wrong = states["other account", "eu-west-1", "root"]
    assert state == "failed"
    assert wrong[0].startswith(f"the credentials belong to account {good}; set profile or role_arn")
    order = [row["state"] for row in json.loads(out)["certificate_authorities"]]
    assert order == sorted(order, key=["failed", "drifted", "expiring", "in_sync"].index)
    registered = reported["good", "us-east-1", "root"]
    assert (registered["managed"], registered["revision"]) == ("registered", "register 1")
    assert (registered["mode"], registered["days"]) == ("SNI_ONLY", 1999)

    # Each role is assumed once, no call writes. Each CA takes two calls with its account's role; a
    # registered one takes another.
    calls = sandbox.calls()
    assert not [call for call in calls if call.write]
    by_operation = Counter(call.operation for call in calls)
    lookups = 2 * 2 + 2 * 2 + 1
    assert by_operation == {
        "AssumeRole": 5,
        "DescribeCACertificate": lookups,
        "ListTagsForResource": lookups,
        "ListCertificatesByCA": 8,
    }
    for call in calls:
        if call.operation != "AssumeRole":
            assert f":{call.account}:assumed-role/status/" in call.principal
    by_account = Counter(call.account for call in calls)
    assert by_account[good] == 2 * 2 * 3


@pytest.mark.parametrize(("changed", "wanted"), [(False, 0), (True, 2)])
def test_the_exit_status_shows_drift(
    world: World,
    run: Run,
    ca: x509.Certificate,
    new_account: Callable[[], str],
    changed: bool,
    wanted: int,
) -> None:
    more = {"status": "ACTIVE", "auto_registration": False, "template_name": "", "team": "x"}
    world.add("one", new_account(), **more)
    world.register("one", "eu-west-1", ca, active=not changed)
    exit_status, out, err = run(world.write(certificate_file="root.pem"), "--json")
    assert (exit_status, err) == (wanted, "")
    assert json.loads(out)["exit_status"] == wanted
    assert json.loads(out)["notes"] == [
        "left alone, for status has no such setting: team (account)"
    ]


def test_without_a_format_a_table_is_printed(
    world: World, run: Run, ca: x509.Certificate, new_account: Callable[[], str]
) -> None:
    world.add("one", new_account())
    world.add("two", new_account())
    world.register("one", "eu-west-1", ca)
    exit_status, out, _ = run(world.write(certificate_file="root.pem"))
    assert exit_status == 2
    lines = out.splitlines()
    assert lines[1].startswith("two ")
    assert "≠ drifted" in lines[1]
    assert "✓ in sync" in lines[2]
    assert lines[-1] == "1 CA in 2 accounts and 1 region: 1 drifted, 1 in sync"


def test_the_page_replaces_the_old_one_as_a_whole(
    world: World, run: Run, ca: x509.Certificate, new_account: Callable[[], str]
) -> None:
    world.add("one", new_account())
    world.register("one", "eu-west-1", ca)
    path = world.write(certificate_file="root.pem")
    page = world.folder / "status.html"
    page.write_text("the old one")
    headline = "1 CA in 1 account and 1 region: 1 in sync\n"
    assert run(path, "--html", str(page)) == (0, headline, "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert {each.name for each in world.folder.iterdir()} == {
        "root.pem",
        "accounts.tfvars.json",
        "status.html",
    }
    exit_status, _, err = run(path, "--html", str(world.folder / "none" / "status.html"))
    assert exit_status == 1
    assert err.endswith("status.html can't be written: No such file or directory\n")


def test_accounts_are_reached_through_profiles(
    world: World,
    run: Run,
    ca: x509.Certificate,
    new_account: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> None:
    """Keys of one profile, a role of another through it, and one that does not exist."""
    by_role, by_key = new_account(), new_account()
    world.add("role", by_role)
    world.add("key", by_key)
    world.add("none", new_account())
    (world.folder / "config").write_text(
        f"[profile hub]\naws_access_key_id = {world.hub}\naws_secret_access_key = x\n"
        f"[profile role]\nrole_arn = {world.accounts['role']['role_arn']}\n"
        "source_profile = hub\noutput = json\n"
        f"[profile key]\naws_access_key_id = {by_key}\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(world.folder / "config"))
    for name in ("role", "key"):
        world.register(name, "eu-west-1", ca)
    for name, account in world.accounts.items():
        account |= {"role_arn": None, "profile": name}
    sandbox.forget_calls()

    exit_status, out, _ = run(world.write(certificate_file="root.pem"), "--json")

    assert exit_status == 1
    reported = rows(out)
    assert reported["role", "eu-west-1", "root"]["state"] == "in_sync"
    assert reported["key", "eu-west-1", "root"]["state"] == "in_sync"
    (reason,) = reported["none", "eu-west-1", "root"]["wrong"]
    assert "(none) could not be found" in reason
    callers = {call.account: call.principal for call in sandbox.calls(service="iot")}
    assert callers[by_key].endswith(":root")
    assert ":assumed-role/status/" in callers[by_role]


def test_missing_credentials_are_reported_with_a_remedy(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, new_account: Callable[[], str]
) -> None:
    world.add("one", new_account())
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    exit_status, out, _ = run(world.write(certificate_file="root.pem"), "--json")
    assert exit_status == 1
    (row,) = rows(out).values()
    assert row["wrong"][0].startswith("no AWS credentials found")


def test_a_failure_in_one_region_does_not_affect_others(
    world: World, run: Run, ca: x509.Certificate, new_account: Callable[[], str], sandbox: Sandbox
) -> None:
    account = new_account()
    world.add("one", account, region=None, regions=["eu-west-1", "us-east-1"])
    for region in ("eu-west-1", "us-east-1"):
        world.register("one", region, ca)
    sandbox.fault(
        "error",
        operation="DescribeCACertificate",
        account=account,
        region="us-east-1",
        times=None,
        code="UnauthorizedException",
        status=401,
    )
    exit_status, out, _ = run(world.write(certificate_file="root.pem"), "--json")
    assert exit_status == 1
    reported = rows(out)
    assert reported["one", "eu-west-1", "root"]["state"] == "in_sync"
    assert "iot:DescribeCACertificate" in reported["one", "us-east-1", "root"]["wrong"][0]


def test_an_unexpected_error_affects_one_account_only(
    world: World,
    run: Run,
    ca: x509.Certificate,
    new_account: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.add("one", new_account())
    world.add("two", new_account())
    for name in ("one", "two"):
        world.register(name, "eu-west-1", ca)
    observe = CaCertificates.observe

    def unforeseen(self: CaCertificates, ids: Any) -> Any:
        if self.account.target.account_id == world.accounts["one"]["account_id"]:
            raise ZeroDivisionError("what was read")
        return observe(self, ids)

    monkeypatch.setattr(CaCertificates, "observe", unforeseen)
    path = world.write(certificate_file="root.pem")
    exit_status, out, err = run(path, "--json")
    assert (exit_status, err) == (1, "")
    reported = rows(out)
    assert reported["two", "eu-west-1", "root"]["state"] == "in_sync"
    (wrong,) = reported["one", "eu-west-1", "root"]["wrong"]
    assert wrong == "unforeseen ZeroDivisionError; run with IOT_CA_DEBUG=1 and report it"
    monkeypatch.setenv("IOT_CA_DEBUG", "1")
    _, _, err = run(path, "--json")
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "the following arguments are required: FILE"),
        (["a.tfvars", "--jsn"], "unrecognized arguments: --jsn"),
        (["a.tfvars", "--json", "--html", "x"], "not allowed with"),
        (["a.tfvars"], "a.tfvars can't be read: No such file or directory"),
        (["a.tfvars", "--expiry-warning-days", "x"], "'x' must be a number of days, 0 or more"),
        (["a.tfvars", "--expiry-warning-days", "1.5"], "a number of days, 0 or more"),
        (["a.tfvars", "--expiry-warning-days=-1"], "a number of days, 0 or more"),
        (["a.tfvars", "--expiry-warning-days", "9999999"], "a number of days, 0 or more"),
    ],
)
def test_a_wrong_command_line_has_exit_status_1(
    run: Run, arguments: list[str], wanted: str
) -> None:
    exit_status, out, err = run(*arguments)
    assert (exit_status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("iot_ca: ")
    assert wanted in line


# Runs a script in a Python that has neither of what only `status` needs.
WITHOUT = (
    "import runpy, sys; sys.modules['rich'] = sys.modules['hcl2'] = None; "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


def run_without_extras(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process, without rich, python-hcl2 and uv."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, str(SCRIPT), "status", *arguments],
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_rich_and_hcl2_only_table_and_hcl_fail(
    world: World, ca: x509.Certificate, new_account: Callable[[], str]
) -> None:
    world.add("one", new_account())
    world.register("one", "eu-west-1", ca)
    path = world.write(certificate_file="root.pem")

    done = run_without_extras("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--expiry-warning-days DAYS" in done.stdout

    done = run_without_extras(path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["counts"]["in_sync"] == 1

    done = run_without_extras(path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"lacks rich>=13; install with `{sys.executable} -m pip install 'rich>=13'`" in line
    assert "or put uv on the PATH, or do without: --json or --html FILE" in line


def test_a_terminal_shows_the_progress(
    world: World, ca: x509.Certificate, new_account: Callable[[], str]
) -> None:
    world.add("one", new_account())
    world.register("one", "eu-west-1", ca)
    path = world.write(certificate_file="root.pem")
    ours, theirs = pty.openpty()
    environment: Mapping[str, str] = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, SCRIPT, "status", path, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 1024)
            except OSError:  # the process has closed its end
                break
            shown += part
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(out)["counts"]["in_sync"] == 1
    assert b"accounts and regions" in shown
