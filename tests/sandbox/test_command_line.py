"""``python -m sandbox`` itself, and the AWS CLI against it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.control import Sandbox, SandboxError, start
from tests.support.readmes import code_blocks
from tests.support.sandbox.clients import ONE, REGION, THREE, TWO

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "sandbox" / "README.md"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_prints_one_line_and_ends_cleanly(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert process.stdout is not None
    endpoint = process.stdout.readline().strip()
    assert endpoint.startswith("http://127.0.0.1:")
    sandbox = Sandbox(endpoint)
    assert sandbox.health()["pid"] == process.pid
    code, out = aws(sandbox, ONE, "iot", "list-ca-certificates")
    assert (code, json.loads(out)) == (0, {"certificates": []})
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_listens_on_loopback_only(sandbox: Sandbox) -> None:
    port = int(sandbox.endpoint.rpartition(":")[2])
    with socket.socket() as another:
        another.settimeout(2)
        assert another.connect_ex(("127.0.0.2", port)) != 0


def test_no_option_for_another_host() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--host", "0.0.0.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")


def test_a_taken_port_is_one_line(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(sandbox.endpoint.rpartition(":")[2])
    with pytest.raises(SandboxError, match="did not start"):
        start(port)
    assert capfd.readouterr().err == f"sandbox: port {port}: Address already in use\n"


def test_devices_option_and_functions_off_by_default(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sandbox", "--devices"]
    taken = f"{REGION}:{sandbox.endpoint.rpartition(':')[2]}"
    done = subprocess.run([*command, taken], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"sandbox: --devices {taken}: Address already in use")
    assert done.stderr.count("\n") == 1
    for nonsense in (REGION, "8883", f"{REGION}:99999"):
        done = subprocess.run(
            [*command, nonsense], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, "")
    with subprocess.Popen(
        [*command, f"{REGION}:{port}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        running = Sandbox(process.stdout.readline().strip())
        listener = running.devices(REGION)
        assert (listener.port, listener.host) == (port, "127.0.0.1")
        package = tmp_path / "app.zip"
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): return 1")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"},
                 "Action": "sts:AssumeRole"}  # fmt: skip
        aws(running, ONE, "iam", "create-role", "--role-name", "f", "--assume-role-policy-document",
            json.dumps({"Version": "2012-10-17", "Statement": [trust]}))  # fmt: skip
        aws(running, ONE, "lambda", "create-function", "--function-name", "f", "--runtime",
            "python3.12", "--role", f"arn:aws:iam::{ONE}:role/f", "--handler", "app.handler",
            "--zip-file", f"fileb://{package}")  # fmt: skip
        answer = tmp_path / "answer"
        code, out = aws(running, ONE, "lambda", "invoke", "--function-name", "f", str(answer))
        assert (code, json.loads(out)["FunctionError"]) == (0, "Unhandled")
        assert "--run-functions" in answer.read_text()
        process.terminate()


def test_start_ignores_working_directory_and_user_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "missing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "999999999999")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with start() as sandbox:
        code, out = aws(sandbox, TWO, "sts", "get-caller-identity")
        assert (code, json.loads(out)["Account"]) == (0, TWO)
        assert sandbox.process is not None
    assert sandbox.process.returncode == 0
    with pytest.raises(SandboxError, match="no sandbox at"):
        sandbox.health()


def test_sandbox_ends_with_the_starting_process() -> None:
    program = (
        "from sandbox.control import start; import os; "
        "print(start().endpoint, flush=True); os._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    orphan = Sandbox(done.stdout.strip())
    for _ in range(200):
        try:
            orphan.health()
        except SandboxError:
            return
        time.sleep(0.1)
    pytest.fail(f"{orphan.endpoint} still answers")


# --- the AWS CLI


def aws(sandbox: Sandbox, account: str, *arguments: str, cwd: Path = ROOT) -> tuple[int, str]:
    """Runs the AWS CLI as ``account``: its status, and what it says."""
    cli = Path(sys.executable).parent / "aws"
    if not cli.exists():
        pytest.skip("no AWS CLI next to this Python")
    done = subprocess.run(
        [str(cli), *arguments],
        cwd=cwd,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            **sandbox.environment(account, REGION),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_readme_walk_through(sandbox: Sandbox, tmp_path: Path) -> None:
    blocks = code_blocks(README.read_text(), "sh")
    script = "\n".join(blocks).replace("http://127.0.0.1:5555", sandbox.endpoint)
    for program in ("curl", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    bare = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), bare["PATH"]])
    done = subprocess.run(
        ["sh", "-uc", script],
        cwd=tmp_path,
        env={**bare, **sandbox.environment(ONE, REGION), "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "refused at attempt 1\n" in said
    assert "accepted at attempt 1\nhello: hello\n" in said
    for account in (ONE, TWO, THREE):
        assert f"arn:aws:iot:{REGION}:{account}:cacert/" in said
    assert "arn:aws:iot:eu-west-1:444444444444:cacert/" not in said
    assert "Cannot accept this CACertificate" in said
    assert said.count("An error occurred") == 2
    assert "(ThrottlingException)" in said
    assert f"arn:aws:sts::{TWO}:assumed-role/deploy/me" in said
    assert f"arn:aws:kms:{REGION}:{ONE}:key/" in said
    calls = sandbox.calls(operation="RegisterCACertificate")
    assert [(call.account, call.status) for call in calls] == [
        (ONE, 200), (TWO, 200), (THREE, 200), ("444444444444", 400),
    ]  # fmt: skip
    modes = [call.parameters.get("certificateMode", "DEFAULT") for call in calls]
    assert modes == ["SNI_ONLY", "SNI_ONLY", "DEFAULT", "DEFAULT"]


def test_tables_of_the_readme_have_no_blank_lines() -> None:
    text = README.read_text(encoding="utf-8")
    assert re.search(r"^\|.*\n\n+\|", text, re.MULTILINE) is None


def test_cli_retries_a_throttled_call(sandbox: Sandbox) -> None:
    sandbox.fault("throttling", operation="ListCACertificates")
    status, _ = aws(sandbox, ONE, "iot", "list-ca-certificates")
    assert status == 0
    calls = sandbox.calls()
    assert [call.status for call in calls] == [400, 200]
    assert calls[0].user_agent.startswith("aws-cli/")
