"""The stand-in for hashicorp/external keeps the contract of the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.providers.configuration import LocatedProvider, cli_configuration, write_once
from tools.providers.environment import environment
from tools.providers.resolution import Providers
from tools.providers.stand_ins import install_stand_in
from tools.standin.external import Programs, parse_result

REQUIRED = """
terraform {
  required_providers {
    external = { source = "hashicorp/external", version = ">= 2.3" }
  }
}
"""
PROGRAM = """
import json, os, sys
query = json.load(sys.stdin)
print("not an error", file=sys.stderr)
answer = {"query": json.dumps(query, sort_keys=True), "arguments": json.dumps(sys.argv[1:]),
          "home": os.environ["HOME"], "folder": os.getcwd()}
print(json.dumps(answer))
"""


@pytest.fixture
def terraform(tmp_path: Path, engine: Engine) -> Terraform:
    """A Terraform with the stand-in, whatever else this machine has, in a path with spaces."""
    cache = tmp_path / "cache of the run"
    located = [
        LocatedProvider("hashicorp/external", install_stand_in("hashicorp/external", cache), "")
    ]
    config = write_once(cache, "cli", "config.tfrc", cli_configuration(located))
    folder = tmp_path / "a folder"
    folder.mkdir()
    home = {"HOME": str(tmp_path / "home")}
    return Terraform(folder, engine, environment(Providers(config, ()), home))


Prepare = Callable[..., Terraform]


@pytest.fixture
def prepared(terraform: Terraform) -> Prepare:
    """Writes the program and a data source that calls it, and initialises."""

    def prepare(program: str = PROGRAM, query: str = "{}", more: str = "") -> Terraform:
        terraform.write(program, "program.py")
        terraform.write(
            REQUIRED
            + f"""
data "external" "it" {{
  program = ["python3", "${{path.module}}/program.py", "one argument", "", "$HOME"]
  query   = {query}
}}
output "result" {{ value = data.external.it.result }}
output "id" {{ value = data.external.it.id }}
{more}
"""
        )
        terraform.init()
        return terraform

    return prepare


def test_a_query_goes_in_and_a_result_comes_out(prepared: Prepare, tmp_path: Path) -> None:
    terraform = prepared(query='{ text = "a \\" é", empty = "", nothing = null }')
    terraform.apply()
    outputs = terraform.output()
    result = outputs["result"]
    assert json.loads(result["query"]) == {"text": 'a " é', "empty": ""}
    assert json.loads(result["arguments"]) == ["one argument", "$HOME"]
    assert outputs["id"] == "-"
    assert Path(result["folder"]).samefile(terraform.folder)
    # The framework under the stand-in wants a home of its own; the program gets the user's.
    assert result["home"] == str(tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert terraform.plan().status == 0


def test_a_read_waits_for_unknown_values(prepared: Prepare) -> None:
    terraform = prepared(
        query="{ id = terraform_data.other.id }", more='resource "terraform_data" "other" {}'
    )
    assert "will be read during apply" in terraform.plan().stdout
    terraform.apply()
    assert json.loads(terraform.output()["result"]["query"])["id"]
    assert terraform.plan().status == 0


def test_stderr_is_shown_only_on_failure(prepared: Prepare) -> None:
    terraform = prepared()
    assert "not an error" not in terraform.plan().output
    terraform.write("import sys; sys.exit('the reason\\nand what to do')", "program.py")
    failed = terraform.plan(check=False)
    assert failed.status == 1
    assert "Error: External Program Execution Failed" in failed.stderr
    assert "Error Message: the reason and what to do" in failed.output
    assert "State: exit status 1" in failed.stderr


@pytest.mark.one_engine("what it answers is the same for both")
def test_a_failure_without_a_word(prepared: Prepare) -> None:
    failed = prepared("import sys; sys.exit(3)").plan(check=False)
    assert failed.status == 1
    assert "it returned no additional error messaging" in failed.output
    assert "State: exit status 3" in failed.stderr


@pytest.mark.one_engine("what it answers is the same for both")
def test_an_answer_with_a_number_fails_the_plan(prepared: Prepare) -> None:
    failed = prepared("print('{\"a\": 1}')").plan(check=False)
    assert failed.status == 1
    assert "Error: Unexpected External Program Results" in failed.stderr
    assert "Program output must be a JSON encoded map of string keys" in failed.output


@pytest.mark.one_engine("what it answers is the same for both")
def test_a_missing_program_fails_the_plan(terraform: Terraform) -> None:
    terraform.write(REQUIRED + 'data "external" "it" { program = ["no-such-program"] }')
    terraform.init()
    failed = terraform.plan(check=False)
    assert failed.status == 1
    assert "Error: External Program Lookup Failed" in failed.stderr
    assert "Program: no-such-program" in failed.stderr


@pytest.mark.one_engine("what it answers is the same for both")
def test_an_empty_program_is_refused(terraform: Terraform) -> None:
    terraform.write(REQUIRED + 'data "external" "it" { program = [] }')
    terraform.init()
    assert "must contain at least 1" in terraform.run("validate", check=False).output


def test_mocks_and_overrides_of_terraform_test(terraform: Terraform) -> None:
    terraform.write(
        REQUIRED
        + """
data "external" "it" { program = ["no-such-program"] }
output "answer" { value = data.external.it.result.answer }
"""
    )
    (terraform.folder / "tests").mkdir()
    wanted = 'condition = output.answer == "yes"\n    error_message = "no"'
    run = f'run "r" {{\n  assert {{\n    {wanted}\n  }}\n'
    mocked = '{\n    values = { result = { answer = "yes" } }\n  }'
    data = mocked.replace("values", "defaults")
    terraform.write(
        f'mock_provider "external" {{\n  mock_data "external" {data}\n}}\n{run}}}\n',
        "tests/mock.tftest.hcl",
    )
    override = mocked.replace("{", "{\n    target = data.external.it", 1)
    terraform.write(f"{run}  override_data {override}\n}}\n", "tests/override.tftest.hcl")
    terraform.init()
    assert "2 passed, 0 failed" in terraform.run("test").stdout


def test_an_interrupt_ends_the_program(prepared: Prepare) -> None:
    note = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(120)"
    terraform = prepared(note)
    with terraform.start("plan") as process:
        pid_file = terraform.folder / "pid"
        _wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
        # To Terraform only: what a supervisor does. Ctrl-C would reach the program by itself.
        os.kill(process.pid, signal.SIGINT)
        started = time.monotonic()
        process.wait(60)
        assert process.returncode != 0
        assert time.monotonic() - started < 60  # the program sleeps for 120
    _wait_until(lambda: not _runs(int(pid_file.read_text())))


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    status = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return status not in ("", "Z") and not status.startswith("Z")


@pytest.mark.one_engine("what it answers is the same for both")
def test_a_long_temporary_folder(prepared: Prepare, tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    assert prepared().plan(env={"TMPDIR": str(folder)}).status == 2


@pytest.mark.parametrize(
    ("output", "result"),
    [(b'{"a": "b"}\n', {"a": "b"}), (b"{}", {}), (b'{"a": null}', {"a": ""}), (b"null", {})],
)
def test_an_answer_is_a_map_of_strings(output: bytes, result: dict[str, str]) -> None:
    assert parse_result(output) == result


@pytest.mark.parametrize(
    "output", [b"", b" ", b"[]", b'"a"', b'{"a": true}', b'{"a": {}}', b'{"a": "b"} {}', b"oops"]
)
def test_an_answer_of_another_type_is_refused(output: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_result(output)


def test_programs_see_the_given_environment(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/user"}
    output = Programs(environment).run(
        ["sh", "-c", 'cat; echo "$HOME"; pwd'], str(tmp_path), b"in "
    )
    assert output.decode().split() == ["in", "/home/user", str(tmp_path)]


def test_the_stand_in_survives_a_second_engine_on_the_same_folder(prepared: Prepare) -> None:
    terraform = prepared()
    terraform.apply()
    again = replace(terraform, environment={**terraform.environment, "TF_DATA_DIR": "elsewhere"})
    again.init()
    assert again.plan().status == 0
