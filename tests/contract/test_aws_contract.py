"""The contract with AWS: held by the sandbox, and broken by one that is wrong on purpose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.control import Sandbox, start
from tests.support.aws_contract import on_sandbox
from tests.support.aws_contract.report import Report
from tests.support.aws_contract.wrong_sandbox import FAULTS
from tests.support.clients import client_for
from tools.checkout import ROOT

# CloudWatch of the sandbox counts nothing, so it has no metric whose dimensions can be read.
UNTESTABLE = ["The metrics of JITP (`ProvisionThing.*`) have no dimension that names the CA"]


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


def _wait_for_call(sandbox: Sandbox, operation: str) -> None:
    deadline = time.monotonic() + 60
    while not sandbox.calls(operation=operation):
        assert time.monotonic() < deadline, f"{operation} was not called"
        time.sleep(0.1)


def _assumptions(report: Report, result: str) -> list[str]:
    return [row.assumption for row in report.rows if row.result == result]


def test_sandbox_agrees_and_nothing_is_left(tmp_path: Path) -> None:
    with start() as sandbox:
        finished, report = _run(sandbox, tmp_path / "read-only", "--read-only")
        assert finished.returncode == 0, finished.stdout
        assert len(_assumptions(report, "agreed")) >= 5
        assert sandbox.calls(write=True) == []

        finished, report = _run(sandbox, tmp_path / "complete")
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


def test_an_interrupted_run_removes_most_and_names_the_rest(tmp_path: Path) -> None:
    with start() as sandbox:
        sandbox.fault(
            "error", operation="DeleteCACertificate", times=None, code="AccessDeniedException"
        )
        process = subprocess.Popen(
            on_sandbox.command(tmp_path, "-k", "test_ca_certificates"),
            cwd=ROOT,
            env=on_sandbox.environment(sandbox, tmp_path),
            stdout=subprocess.PIPE,
            text=True,
        )
        _wait_for_call(sandbox, "RegisterCACertificate")
        os.kill(process.pid, signal.SIGINT)
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
    assert any(command in leftover for leftover in on_sandbox.report_in(tmp_path).leftovers)


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
    assert _assumptions(report, "could not be tested") == UNTESTABLE
