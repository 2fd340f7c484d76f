"""Find Terraform's providers on this machine, and write a CLI configuration that names them.

In this order: what the user's own CLI configuration gives, folders that mirror the registry, the
registry itself, and last, for `external` and `archive` only, the stand-ins in tools/standin. What
was found is always used as a mirror of files, so a `terraform init` needs no network and copies
nothing. All that is written goes below one folder of the checkout.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.engine.terraform import CACHE, ROOT, Engine, ToolError, find_engine

HOST = "registry.terraform.io"
NEEDED = ("hashicorp/aws", "hashicorp/external", "hashicorp/archive")
STAND_INS = {"hashicorp/external": "2.3.5", "hashicorp/archive": "2.7.1"}
PREFIXES = ("/opt", "/usr/local/share", "/usr/share")
SEARCH_DEPTH = 3
DISCOVERY = f"https://{HOST}/.well-known/terraform.json"
REGISTRY_SECONDS = 3
DOWNLOAD_SECONDS = 900

Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """A provider, the mirror that holds it, and in words where that came from."""

    provider: str
    mirror: Path
    origin: str


@dataclass(frozen=True)
class Providers:
    """The CLI configuration file that was written, and what is in it."""

    config: Path
    found: tuple[Found, ...]

    def __str__(self) -> str:
        return ", ".join(f"{f.provider.split('/')[1]} from {f.origin}" for f in self.found)


def resolve(
    engine: Engine,
    needed: Sequence[str] = NEEDED,
    cache: Path = CACHE,
    environ: Mapping[str, str] | None = None,
    say: Say = lambda _: None,
) -> Providers:
    """Find each provider of `needed` and write the configuration into `cache`.

    `say` gets a line when a download starts. Raises ToolError, in one line, if a provider is
    nowhere to be found.
    """
    search = _Search(engine, cache, os.environ if environ is None else environ, say)
    found = tuple(search.find(provider) for provider in needed)
    text = _configuration(found)
    return Providers(_write_once(cache, "cli", "config.tfrc", text), found)


def platform_name() -> str:
    """This machine as Terraform calls it, for example `linux_amd64`."""
    machine = platform.machine().lower()
    known = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
    return f"{platform.system().lower()}_{known.get(machine, machine)}"


@dataclass
class _Search:
    engine: Engine
    cache: Path
    environ: Mapping[str, str]
    say: Say
    _mirrors: list[Path] | None = None
    _answers: bool | None = None

    def find(self, provider: str) -> Found:
        for source in (self._from_user, self._from_mirrors, self._from_registry, self._stand_in):
            found = source(provider)
            if found:
                return found
        raise ToolError(self._nowhere(provider))

    def _from_user(self, provider: str) -> Found | None:
        config = user_configuration(self.environ)
        if config is None:
            return None
        mirror = self._fetch(provider, config, config.read_text(encoding="utf-8"))
        return Found(provider, mirror, f"{config} (your own)") if mirror else None

    def _from_mirrors(self, provider: str) -> Found | None:
        if self._mirrors is None:
            self._mirrors = list(mirrors(self.environ))
        for mirror in self._mirrors:
            if holds(mirror, provider):
                return Found(provider, mirror, str(mirror))
        return None

    def _from_registry(self, provider: str) -> Found | None:
        # A configuration of the user's has had its say: a registry that it does not name or that
        # did not answer must not be asked behind its back.
        if user_configuration(self.environ) is not None:
            return None
        text = "provider_installation {\n  direct {}\n}\n"
        mirror = self._fetched(provider, text)
        if mirror is None and self._registry_answers():
            config = _write_once(self.cache, "direct", "config.tfrc", text)
            self.say(f"fetching the provider {provider} from the registry, once")
            mirror = self._fetch(provider, config, text)
        return Found(provider, mirror, "the registry") if mirror else None

    def _stand_in(self, provider: str) -> Found | None:
        if provider not in STAND_INS:
            return None
        return Found(provider, install_stand_in(provider, self.cache), "a stand-in")

    def _registry_answers(self) -> bool:
        if self._answers is None:
            try:
                with urllib.request.urlopen(DISCOVERY, timeout=REGISTRY_SECONDS) as answer:
                    self._answers = bool(answer.status == 200)
            except (OSError, ValueError):
                self._answers = False
        return self._answers

    def _fetched(self, provider: str, configuration: str) -> Path | None:
        mirror = self._fetch_folder(provider, configuration) / ".terraform" / "providers"
        return mirror if holds(mirror, provider) else None

    def _fetch_folder(self, provider: str, configuration: str) -> Path:
        return self.cache / "fetched" / _digest(configuration) / provider.replace("/", "-")

    def _fetch(self, provider: str, config: Path, configuration: str) -> Path | None:
        """Let Terraform install the provider under a configuration: it alone knows all the rules.

        What it installs is in the layout of a mirror.
        """
        already = self._fetched(provider, configuration)
        if already:
            return already
        folder = self._fetch_folder(provider, configuration)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {"terraform": {"required_providers": {"wanted": {"source": provider}}}}
        (folder / "main.tf.json").write_text(json.dumps(wanted), encoding="utf-8")
        settings = {
            "TF_CLI_CONFIG_FILE": str(config),
            "CHECKPOINT_DISABLE": "1",
            "TF_REGISTRY_CLIENT_TIMEOUT": str(REGISTRY_SECONDS),
            "TF_REGISTRY_DISCOVERY_RETRY": "0",
        }
        clean = {k: v for k, v in self.environ.items() if not k.startswith("TF_")}
        try:
            subprocess.run(
                [*self.engine.argv, "init", "-input=false", "-no-color"],
                cwd=folder,
                env={**clean, **settings},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=DOWNLOAD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        return self._fetched(provider, configuration)

    def _nowhere(self, provider: str) -> str:
        config = user_configuration(self.environ)
        looked = [f"the CLI configuration {config}"] if config else []
        looked += [f"mirrors ({', '.join(map(str, self._mirrors or [])) or 'none found'})"]
        looked += [] if config else [f"the registry {HOST} (did not give it)"]
        return (
            f"the Terraform provider {provider} for {platform_name()} was not found; looked at "
            f"{', '.join(looked)}; connect to the registry, or put a mirror of it "
            f"(`terraform providers mirror`) at ~/.terraform.d/plugins"
        )


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
    found = (below for prefix in PREFIXES for below in _search(Path(prefix), SEARCH_DEPTH))
    for mirror in [*implied, *found]:
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


def install_stand_in(provider: str, cache: Path, python: str = sys.executable) -> Path:
    """Write a mirror that holds the stand-in for the provider; returns the mirror."""
    name, version = provider.split("/")[1], STAND_INS[provider]
    # A shebang line would break on spaces and on long paths.
    command = [python, "-I", str(ROOT / "tools" / "standin"), name, str(cache / "home")]
    script = f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n'
    place = f"{HOST}/{provider}/{version}/{platform_name()}/terraform-provider-{name}_v{version}"
    program = _write_once(cache, "standin", place, script, mode=0o755)
    return program.parents[len(Path(place).parts) - 1]


def _configuration(found: Sequence[Found]) -> str:
    # JSON's escapes are also this language's.
    lines = ["provider_installation {"]
    for mirror in dict.fromkeys(f.mirror for f in found):
        providers = [f"{HOST}/{f.provider}" for f in found if f.mirror == mirror]
        lines += [
            "  filesystem_mirror {",
            f"    path    = {json.dumps(str(mirror), ensure_ascii=False)}",
            f"    include = {json.dumps(providers)}",
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _write_once(cache: Path, kind: str, place: str, text: str, mode: int = 0o644) -> Path:
    """Write a file into a folder named after its content, so that no run changes another's."""
    path = cache / f"{kind}-{_digest(text)}" / place
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=cache)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    return path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or Path.home())


def main() -> int:
    """Print the path of a CLI configuration that names the providers there are, for the shell."""
    try:
        print(resolve(find_engine()).config)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
