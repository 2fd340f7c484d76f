"""The contract with AWS: held by the sandbox, and broken by one that is wrong on purpose."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.control import Sandbox, start
from tests.support.aws_contract import on_sandbox
from tests.support.aws_contract.report import Report, markdown
from tests.support.aws_contract.wrong_sandbox import FAULTS
from tests.support.clients import client_for
from tools.checkout import ROOT

# CloudWatch of the sandbox counts nothing, so it has no metric whose dimensions can be read.
UNTESTABLE = ["The metrics of JITP (`ProvisionThing.*`) have no dimension that names the CA"]
# The template needs no repair there.
UNTESTABLE_WITH_THE_FAULTS = (
    "After the template is repaired, a device whose certificate was not provisioned is accepted "
    "once the certificate is deleted; whether it is accepted without that is open"
)


def _run(
    sandbox: Sandbox, folder: Path, *options: str
) -> tuple[subprocess.CompletedProcess[str], Report]:
    folder.mkdir(exist_ok=True)
    finished = subprocess.run(
        on_sandbox.command(folder, *options),
        cwd=ROOT,
        env=on_sandbox.environment(sandbox, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(folder.glob("*/report.json")), finished.stdout + finished.stderr
    return finished, on_sandbox.report_in(folder)


def _resources(sandbox: Sandbox, account: str) -> list[object]:
    """Return what an account has of all that the contract makes."""
    iot, iam, sqs = (
        client_for(sandbox, account, on_sandbox.REGION, name) for name in ("iot", "iam", "sqs")
    )
    listed = [
        iot.list_ca_certificates()["certificates"],
        iot.list_provisioning_templates()["templates"],
        iot.list_certificates()["certificates"],
        iot.list_policies()["policies"],
        iot.list_things()["things"],
        iot.list_topic_rules()["rules"],
        iam.list_roles()["Roles"],
        sqs.list_queues().get("QueueUrls", []),
    ]
    return [resource for resources in listed for resource in resources]


@contextlib.contextmanager
def _default_of(number: signal.Signals) -> Iterator[None]:
    """Let processes that are started here receive a signal, also if this one ignores it."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


def _wait_for_call(sandbox: Sandbox, operation: str) -> None:
    deadline = time.monotonic() + 60
    while not sandbox.calls(operation=operation):
        assert time.monotonic() < deadline, f"{operation} was not called"
        time.sleep(0.1)


def _assumptions(report: Report, result: str) -> list[str]:
    return [row.assumption for row in report.rows if row.result == result]


def test_sandbox_with_the_delays_of_aws_agrees_and_nothing_is_left(tmp_path: Path) -> None:
    with start() as sandbox:
        on_sandbox.delay(sandbox)
        finished, report = _run(sandbox, tmp_path)
        left = [_resources(sandbox, account) for account in on_sandbox.PROFILES.values()]

    assert finished.returncode == 0, finished.stdout
    assert _assumptions(report, "not agreed") == []
    assert _assumptions(report, "could not be tested") == UNTESTABLE
    assert report.leftovers == ()
    assert left == [[], []]
    text = on_sandbox.README.read_text(encoding="utf-8")
    assert on_sandbox.documented(text, report) == text, (
        "the table is not up to date: python -m tests.support.aws_contract.on_sandbox --write"
    )


def test_a_read_only_run_writes_nothing_and_names_what_is_denied(
    tmp_path: Path,
) -> None:
    with start() as sandbox:
        sandbox.fault(
            "error", operation="ListServiceQuotas", times=None, code="AccessDeniedException"
        )
        finished, report = _run(sandbox, tmp_path, "--read-only")
        written = sandbox.calls(write=True)

    assert written == []
    assert len(_assumptions(report, "agreed")) >= 5
    assert _assumptions(report, "not agreed") == []
    assert finished.returncode == 2, finished.stdout
    assert (
        "2 could not be tested because a permission is missing: do not take this as a proof"
        in finished.stdout
    )


def test_an_interrupted_run_removes_most_and_names_the_rest(tmp_path: Path) -> None:
    with start() as sandbox:
        sandbox.fault(
            "error", operation="DeleteCACertificate", times=None, code="AccessDeniedException"
        )
        with _default_of(signal.SIGHUP):
            process = subprocess.Popen(
                on_sandbox.command(tmp_path, "-k", "test_ca_certificates"),
                cwd=ROOT,
                env=on_sandbox.environment(sandbox, tmp_path),
                stdout=subprocess.PIPE,
                text=True,
            )
        _wait_for_call(sandbox, "RegisterCACertificate")
        os.kill(process.pid, signal.SIGHUP)
        output, _ = process.communicate(timeout=60)
        (registered, *_) = sandbox.calls(operation="RegisterCACertificate")

    (script,) = tmp_path.glob("*/remove.sh")
    certificate_id = registered.parameters["certificateId"]
    command = (
        f"aws --profile dev --region {on_sandbox.REGION} iot delete-ca-certificate "
        f"--certificate-id {certificate_id}"
    )
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert f"not removed: CA certificate {certificate_id}" in output
    assert str(script) in output
    assert command in script.read_text(encoding="utf-8")
    (json_file,) = tmp_path.glob("*/report.json")
    leftovers = on_sandbox.report_in(tmp_path).leftovers
    assert any(leftover.startswith("CA certificate ID (ACCOUNT-1): ") for leftover in leftovers)
    assert certificate_id not in json_file.read_text(encoding="utf-8")


def test_sandbox_with_three_faults_fails_exactly_these(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.aws_contract.wrong_sandbox", "--stop-with-stdin"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with Sandbox(process.stdout.readline().strip(), process) as sandbox:
        finished, report = _run(sandbox, tmp_path)

    refuted = _assumptions(report, "not agreed")
    assert finished.returncode == 1
    assert len(refuted) == len(FAULTS), refuted
    for fault, assumption in zip(FAULTS, refuted, strict=True):
        assert assumption.startswith(fault)
    assert _assumptions(report, "could not be tested") == [UNTESTABLE_WITH_THE_FAULTS, *UNTESTABLE]
    lines = markdown(replace(report, rows=tuple(r for r in report.rows if r.result == "agreed")))
    assert set(lines.splitlines()) <= set(on_sandbox.README.read_text("utf-8").splitlines())
