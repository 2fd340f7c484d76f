"""modules/jitr/function.zip is what `make function` writes from the sources, on every machine."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

from tools.checkout import ROOT
from tools.function_zip import MODULE, pack

PACKAGE = (MODULE / "function.zip").read_bytes()
SOURCE = {path.name: path.read_text(encoding="utf-8") for path in MODULE.glob("function/*.py")}


def test_the_zip_file_is_made_of_the_sources() -> None:
    assert pack(MODULE / "function") == PACKAGE, "the sources have changed: run `make function`"


def test_the_zip_file_has_the_sources_as_a_package() -> None:
    with zipfile.ZipFile(io.BytesIO(PACKAGE)) as archive:
        assert archive.testzip() is None
        packed = {name: archive.read(name).decode() for name in archive.namelist()}
    assert packed == {f"jitr/{name}": text for name, text in SOURCE.items()}
    assert list(packed) == sorted(packed)


def test_lambda_may_read_every_file_and_none_is_compressed() -> None:
    with zipfile.ZipFile(io.BytesIO(PACKAGE)) as archive:
        for entry in archive.infolist():
            assert stat.filemode(entry.external_attr >> 16) == "-rw-r--r--"
            assert entry.compress_type == zipfile.ZIP_STORED


def test_every_checkout_gives_the_same_zip_file(tmp_path: Path) -> None:
    """Whatever its modes, times, line endings, order of files, and files left there."""
    copy = tmp_path / "function"
    copy.mkdir()
    for number, name in enumerate(sorted(SOURCE, reverse=True)):
        path = copy / name
        path.write_bytes(SOURCE[name].replace("\n", "\r\n").encode())
        path.chmod(0o600 if number % 2 else 0o755)
        os.utime(path, (number, 10**9 + number))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "event.cpython-312.pyc").write_bytes(b"\0")
    (copy / "event.py.orig").write_text("left over", encoding="utf-8")
    assert pack(copy) == PACKAGE


def test_a_changed_source_gives_another_zip_file(tmp_path: Path) -> None:
    copy = tmp_path / "function"
    shutil.copytree(MODULE / "function", copy)
    with (copy / "event.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert pack(copy) != PACKAGE


def test_git_changes_no_line_endings_in_the_zip_file(tmp_path: Path) -> None:
    shutil.copy2(ROOT / ".gitattributes", tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    name = (MODULE / "function.zip").relative_to(ROOT).as_posix()
    asked = ["git", "check-attr", "text", "--", name]
    said = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"{name}: text: unset\n"
