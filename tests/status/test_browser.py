"""What a test run does on a machine without a browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.status import browser
from tools.checkout import ROOT


def run_page_tests(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the page that need a browser, with nothing on the PATH."""
    clean = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "tests/status/test_page.py", "-k", "phone or click"]
    return subprocess.run(
        [*command, "-n", "2", "-o", f"cache_dir={folder / 'cache'}"],
        cwd=ROOT,
        env={**clean, "PATH": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_without_a_browser_the_run_passes_and_says_what_is_missing(tmp_path: Path) -> None:
    done = run_page_tests(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "Chromium" in line]
    match = re.fullmatch(r"NOT RUN: (\d+) tests of tests/status/test_page.py: they (.*)", line)
    assert match, line
    assert f"{match[1]} skipped" in done.stdout
    assert "apt-get install chromium fonts-dejavu-core" in match[2]


def test_without_a_browser_continuous_integration_fails(tmp_path: Path) -> None:
    done = run_page_tests(tmp_path, CI="true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "they need Chromium or Chrome" in done.stdout
    assert "NOT RUN" not in done.stdout


def test_a_missing_browser_is_not_taken_for_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(browser.BrowserMissingError, match="apt-get install chromium"):
        browser.executable()
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho cannot start >&2\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(browser.BrowserError, match="cannot start") as caught:
        browser.Browser(tmp_path / "profile")
    assert not isinstance(caught.value, browser.BrowserMissingError)
