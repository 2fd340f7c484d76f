"""`data "external"` as hashicorp/external 2.3 keeps it: same protocol, same words on failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tf.schema import Attribute, Schema
from tf.types import List, Map, String, Unknown

FAILED = "External Program Execution Failed"
FAILED_TEXT = (
    "The data source received an unexpected error while attempting to execute the program."
)
NOT_FOUND = "External Program Lookup Failed"
NOT_FOUND_TEXT = """\
The data source received an unexpected error while attempting to parse the query. \
The data source received an unexpected error while attempting to find the program.

The program must be accessible according to the platform where Terraform is running.

If the expected program should be automatically found on the platform where Terraform is running, \
ensure that the program is in an expected directory. On Unix-based platforms, these directories \
are typically searched based on the '$PATH' environment variable. On Windows-based platforms, \
these directories are typically searched based on the '%PATH%' environment variable.

If the expected program is relative to the Terraform configuration, it is recommended that the \
program name includes the interpolated value of 'path.module' before the program name to ensure \
that it is compatible with varying module usage. For example: "${path.module}/my-program"

The program must also be executable according to the platform where Terraform is running. On \
Unix-based platforms, the file on the filesystem must have the executable bit set. On \
Windows-based platforms, no action is typically necessary.
"""
UNEXPECTED = "Unexpected External Program Results"
UNEXPECTED_TEXT = """\
The data source received unexpected results after executing the program.

Program output must be a JSON encoded map of string keys and string values.

If the error is unclear, the output can be viewed by enabling Terraform's logging at TRACE level. \
Terraform documentation on logging: https://www.terraform.io/internals/debugging
"""


class ProgramError(Exception):
    """A failure in the provider's words: a title and a text."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self.title = title
        self.text = text


class Programs:
    """Runs programs in one environment, and can end all that run."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, program: list[str], folder: str | None, query: bytes) -> bytes:
        """The program's standard output. Raises ProgramError as the real provider words it."""
        path = self._find(program[0])
        try:
            process = subprocess.Popen(
                [path, *program[1:]],
                cwd=folder or None,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise _failed(path, "", _start_state(path, folder, error)) from error
        with self._lock:
            self._running.add(process)
        try:
            output, errors = process.communicate(query)
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            raise _failed(path, errors.decode(errors="replace"), _exit_state(process.returncode))
        return output

    def kill(self) -> None:
        """End every program that runs."""
        with self._lock:
            for process in self._running:
                process.kill()

    def _find(self, program: str) -> str:
        path = shutil.which(program, path=self._environment.get("PATH"))
        if path is None:
            why = "executable file not found in $PATH"
            if os.sep in program:
                missing = not Path(program).exists()
                why = (
                    f"stat {program}: no such file or directory" if missing else "permission denied"
                )
            raise ProgramError(
                NOT_FOUND,
                f"{NOT_FOUND_TEXT}\nPlatform: {os.uname().sysname.lower()}\nProgram: {program}"
                f'\nError: exec: "{program}": {why}',
            )
        return path


class External:
    """The data source."""

    def __init__(self, programs: Programs | None = None) -> None:
        self._programs = programs or Programs(os.environ)

    @classmethod
    def get_name(cls) -> str:
        return ""

    @classmethod
    def get_schema(cls) -> Any:
        return Schema(
            attributes=[
                Attribute("program", List(String()), required=True),
                Attribute("working_dir", String(), optional=True),
                Attribute("query", Map(String()), optional=True),
                Attribute("result", Map(String()), computed=True),
                Attribute("id", String(), computed=True),
            ]
        )

    def validate(self, diagnostics: Any, type_name: str, config: dict[str, Any]) -> None:
        program = config["program"]
        if program is not Unknown and not program:
            diagnostics.add_error(
                "Invalid Attribute Value",
                "Attribute program list must contain at least 1 elements, got: 0",
                path=["program"],
            )

    def read(self, context: Any, config: dict[str, Any]) -> dict[str, Any] | None:
        try:
            result = self._result(config)
        except ProgramError as error:
            context.diagnostics.add_error(error.title, error.text, path=["program"])
            return None
        return {**config, "result": result, "id": "-"}

    def _result(self, config: dict[str, Any]) -> dict[str, str]:
        program = [argument for argument in config["program"] if argument]
        if not program:
            raise ProgramError(
                "External Program Missing",
                "The data source was configured without a program to execute. Verify the "
                "configuration contains at least one non-empty value.",
            )
        query = {k: v for k, v in (config["query"] or {}).items() if v is not None}
        encoded = json.dumps(query, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        output = self._programs.run(program, config["working_dir"], encoded.encode())
        try:
            return parse_result(output)
        except ValueError as error:
            path = shutil.which(program[0]) or program[0]
            raise ProgramError(
                UNEXPECTED, f"{UNEXPECTED_TEXT}\nProgram: {path}\nResult Error: {error}"
            ) from error


def parse_result(output: bytes) -> dict[str, str]:
    """The program's answer. Raises ValueError unless it is one JSON object of strings."""
    if not output.strip():
        raise ValueError("unexpected end of JSON input")
    answer = json.loads(output.decode(errors="replace"))
    if answer is None:
        return {}
    if not isinstance(answer, dict):
        raise ValueError(f"json: cannot unmarshal {_kind(answer)} into a map of strings")
    for key, value in answer.items():
        if not isinstance(value, str | None):
            raise ValueError(f"json: cannot unmarshal {_kind(value)} into a string (key {key!r})")
    return {key: value or "" for key, value in answer.items()}


def _kind(value: object) -> str:
    kinds = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "string")


def _failed(path: str, errors: str, state: str) -> ProgramError:
    if errors:
        middle = f"\n\nProgram: {path}\nError Message: {errors}"
    else:
        middle = (
            "\n\nThe program was executed, however it returned no additional error messaging."
            f"\n\nProgram: {path}"
        )
    return ProgramError(FAILED, f"{FAILED_TEXT}{middle}\nState: {state}")


def _start_state(path: str, folder: str | None, error: OSError) -> str:
    why = (error.strerror or str(error)).lower()
    if folder and not Path(folder).is_dir():
        return f"chdir {folder}: {why}"
    return f"fork/exec {path}: {why}"


def _exit_state(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    names = {2: "interrupt", 9: "killed", 11: "segmentation fault", 15: "terminated"}
    return f"signal: {names.get(-status, -status)}"
