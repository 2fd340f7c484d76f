"""The CLI configuration that names mirrors, and files named after their content."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.providers.mirrors import HOST


@dataclass(frozen=True)
class LocatedProvider:
    """A provider, the mirror that holds it, and in words where that came from."""

    provider: str
    mirror: Path
    origin: str


def cli_configuration(located: Sequence[LocatedProvider]) -> str:
    """Return a CLI configuration that takes each provider from its mirror."""
    # JSON's escapes are also this language's.
    lines = ["provider_installation {"]
    for mirror in dict.fromkeys(entry.mirror for entry in located):
        providers = [f"{HOST}/{entry.provider}" for entry in located if entry.mirror == mirror]
        lines += [
            "  filesystem_mirror {",
            f"    path    = {json.dumps(str(mirror), ensure_ascii=False)}",
            f"    include = {json.dumps(providers)}",
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def write_once(cache: Path, kind: str, relative_path: str, text: str, mode: int = 0o644) -> Path:
    """Write a file into a folder named after its content, so that no run changes another's."""
    path = cache / f"{kind}-{digest(text)}" / relative_path
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    return path


def digest(text: str) -> str:
    """Return the start of the SHA-256 of a text, for the name of a folder."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]
