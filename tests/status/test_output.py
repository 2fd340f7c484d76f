"""The command as a process whose output goes to all kinds of places, in all kinds of encodings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.status.hub import World
from tools.checkout import ROOT

SCRIPT = ROOT / "scripts" / "iot_ca"
ACCOUNT, CA = "本番", "ルート"
HEADLINE = "1 CA in 1 account and 1 region: 1 in sync"


@pytest.fixture
def file(world: World, ca: x509.Certificate, new_account: Callable[[], str]) -> str:
    """The file of one account with one CA in sync, both named in Japanese."""
    world.add(ACCOUNT, new_account())
    world.register(ACCOUNT, "eu-west-1", ca)
    return world.write(certificate_authorities={CA: {"certificate_file": "root.pem"}})


def status(redirection: str, *arguments: str, **variables: str) -> tuple[int, bytes, str]:
    """Run the command in a shell; return its exit status and what it printed.

    `redirection` is shell text after the command; its `$1` is the first of the arguments.
    """
    command = f'"{sys.executable}" "{SCRIPT}" status "$@" {redirection}'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command, "bash", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp932", "utf-8", "ascii:strict"])
def test_every_format_is_printed_in_any_encoding(file: str, encoding: str) -> None:
    name = encoding.partition(":")[0]
    japanese = name in ("cp932", "utf-8")

    exit_status, out, err = status("", file, "--json", PYTHONIOENCODING=encoding)
    assert (exit_status, err) == (0, "")
    (row,) = json.loads(out.decode("utf-8"))["certificate_authorities"]
    assert (row["account"], row["ca"]) == (ACCOUNT, CA)

    exit_status, out, err = status("", file, PYTHONIOENCODING=encoding)
    assert (exit_status, err) == (0, "")
    shown = out.decode(name)
    assert (ACCOUNT if japanese else r"\u672c\u756a") in shown
    assert "in sync" in shown
    assert r"\u2713" not in shown

    exit_status, out, err = status("", file, "--html", "-", PYTHONIOENCODING=encoding)
    assert (exit_status, err) == (0, "")
    assert f">{CA}<details>" in out.decode("utf-8")
    assert out.endswith(b"</html>\n")


@pytest.mark.parametrize("options", [(), ("--json",), ("--html", "-")])
def test_a_full_standard_output_is_one_line(file: str, options: tuple[str, ...]) -> None:
    exit_status, out, err = status(">/dev/full", file, *options)
    message = "iot_ca: standard output can't be written: No space left on device\n"
    assert (exit_status, out, err) == (1, b"", message)


@pytest.mark.parametrize("options", [(), ("--json",), ("--html", "-")])
def test_a_closed_standard_output_is_one_line(file: str, options: tuple[str, ...]) -> None:
    exit_status, out, err = status(">&-", file, *options)
    message = "iot_ca: standard output can't be written: it is closed\n"
    assert (exit_status, out, err) == (1, b"", message)


@pytest.mark.parametrize("options", [(), ("--json",), ("--html", "-")])
def test_a_reader_that_stops_reading_is_not_a_failure(file: str, options: tuple[str, ...]) -> None:
    assert status("| true", file, *options) == (0, b"", "")


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| true", "2>&-"])
def test_a_written_page_is_a_success_whatever_becomes_of_the_headline(
    world: World, file: str, redirection: str
) -> None:
    page = world.folder / "status.html"
    exit_status, _, err = status(redirection, file, "--html", str(page))
    assert (exit_status, err) == (0, "")
    assert page.read_bytes().endswith(b"</html>\n")


@pytest.mark.parametrize("path", ["link to /dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("through", ["pipe", "file"])
def test_standard_output_by_its_path_has_the_page_and_nothing_else(
    world: World, file: str, path: str, through: str
) -> None:
    """By a link: as root, a program that replaced the path would remove /dev/stdout itself."""
    if path.startswith("link"):
        link = world.folder / "link"
        link.symlink_to("/dev/stdout")
        path = str(link)
    log = world.folder / "log"
    log.write_bytes(b"")
    redirection = "" if through == "pipe" else f'>> "{log}"'
    exit_status, out, err = status(redirection, file, "--html", path)
    assert (exit_status, err) == (0, "")
    page = out if through == "pipe" else log.read_bytes()
    assert page.startswith(b"<!doctype html>")
    assert page.endswith(b"</html>\n")


def test_a_page_for_a_null_device_leaves_the_device_alone(world: World, file: str) -> None:
    """A link to the device: what replaces it would be seen, and /dev/null is not at risk."""
    link = world.folder / "null"
    link.symlink_to("/dev/null")
    assert status("", file, "--html", str(link)) == (0, f"{HEADLINE}\n".encode(), "")
    assert link.readlink() == Path("/dev/null")
    assert Path("/dev/null").is_char_device()
