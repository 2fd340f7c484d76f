"""Folders that mirror the provider registry, and the user's own CLI configuration."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

HOST = "registry.terraform.io"
PREFIXES = ("/opt", "/usr/local/share", "/usr/share")
SEARCH_DEPTH = 3


def platform_name() -> str:
    """This machine as Terraform calls it, for example `linux_amd64`."""
    machine = platform.machine().lower()
    known = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
    return f"{platform.system().lower()}_{known.get(machine, machine)}"


def user_configuration(environ: Mapping[str, str]) -> Path | None:
    """The user's own CLI configuration file, or None if there is none.

    A variable that names a missing file counts as none: Terraform only warns about it.
    """
    named = environ.get("TF_CLI_CONFIG_FILE") or environ.get("TERRAFORM_CONFIG")
    path = Path(named) if named else _home(environ) / ".terraformrc"
    return path.absolute() if path.is_file() else None


def mirrors(environ: Mapping[str, str]) -> Iterator[Path]:
    """The folders that hold a `registry.terraform.io`: Terraform's own first, then others."""
    home = _home(environ)
    data_home = environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    implied = [Path.cwd() / "terraform.d" / "plugins", home / ".terraform.d" / "plugins"]
    implied += [
        Path(data, "terraform", "plugins") for data in [data_home, *data_dirs.split(":")] if data
    ]
    seen = set()
    searched = (below for prefix in PREFIXES for below in _search(Path(prefix), SEARCH_DEPTH))
    for mirror in [*implied, *searched]:
        if mirror not in seen and (mirror / HOST).is_dir():
            seen.add(mirror)
            yield mirror


def _search(folder: Path, depth: int) -> list[Path]:
    try:
        below = [Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    if any(path.name == HOST for path in below):
        return [folder]
    if depth == 1:
        return []
    return [mirror for path in sorted(below) for mirror in _search(path, depth - 1)]


def holds(mirror: Path, provider: str) -> bool:
    """Whether the mirror has a version of the provider for this machine, unpacked or packed."""
    folder = mirror / HOST / provider
    name = provider.split("/")[1]
    unpacked = (path for path in folder.glob(f"*/{platform_name()}") if any(path.glob("*")))
    packed = folder.glob(f"terraform-provider-{name}_*_{platform_name()}.zip")
    return any(True for paths in (unpacked, packed) for _ in paths)


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())
