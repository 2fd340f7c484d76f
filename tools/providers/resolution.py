"""Find Terraform's providers on this machine, and write a CLI configuration that names them.

In this order: what the user's own CLI configuration gives, folders that mirror the registry, the
registry itself, and last, for `external` only, the stand-in in tools/standin. What was
found is always used as a mirror of files, so a `terraform init` needs no network and copies
nothing. All that is written goes below one folder of the checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import CACHE
from tools.engine.discovery import Engine
from tools.errors import ToolError
from tools.providers.configuration import LocatedProvider, cli_configuration, digest, write_once
from tools.providers.mirrors import HOST, holds, mirrors, platform_name, user_configuration
from tools.providers.stand_ins import STAND_INS, install_stand_in, stand_ins_run

NEEDED = ("hashicorp/aws", "hashicorp/external")
DISCOVERY = f"https://{HOST}/.well-known/terraform.json"
REGISTRY_SECONDS = 3
DOWNLOAD_SECONDS = 900

Say = Callable[[str], None]


@dataclass(frozen=True)
class Providers:
    """The CLI configuration file that was written, and what is in it."""

    config: Path
    located: tuple[LocatedProvider, ...]

    def __str__(self) -> str:
        return ", ".join(f"{p.provider.split('/')[1]} from {p.origin}" for p in self.located)


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
    located = tuple(search.find(provider) for provider in needed)
    text = cli_configuration(located)
    return Providers(write_once(cache, "cli", "config.tfrc", text), located)


@dataclass
class _Search:
    engine: Engine
    cache: Path
    environ: Mapping[str, str]
    say: Say
    _mirrors: list[Path] | None = None
    _answers: bool | None = None

    def find(self, provider: str) -> LocatedProvider:
        for source in (self._from_user, self._from_mirrors, self._from_registry, self._stand_in):
            located = source(provider)
            if located:
                return located
        raise ToolError(self._nowhere(provider))

    def _from_user(self, provider: str) -> LocatedProvider | None:
        config = user_configuration(self.environ)
        if config is None:
            return None
        mirror = self._fetch(provider, config, config.read_text(encoding="utf-8"))
        return LocatedProvider(provider, mirror, f"{config} (your own)") if mirror else None

    def _from_mirrors(self, provider: str) -> LocatedProvider | None:
        if self._mirrors is None:
            self._mirrors = list(mirrors(self.environ))
        for mirror in self._mirrors:
            if holds(mirror, provider):
                return LocatedProvider(provider, mirror, str(mirror))
        return None

    def _from_registry(self, provider: str) -> LocatedProvider | None:
        # A configuration of the user's has had its say: a registry that it does not name or that
        # did not answer must not be asked behind its back.
        if user_configuration(self.environ) is not None:
            return None
        text = "provider_installation {\n  direct {}\n}\n"
        mirror = self._fetched(provider, text)
        if mirror is None and self._registry_answers():
            config = write_once(self.cache, "direct", "config.tfrc", text)
            self.say(f"fetching the provider {provider} from the registry, once")
            mirror = self._fetch(provider, config, text)
        return LocatedProvider(provider, mirror, "the registry") if mirror else None

    def _stand_in(self, provider: str) -> LocatedProvider | None:
        if provider not in STAND_INS or not stand_ins_run():
            return None
        return LocatedProvider(provider, install_stand_in(provider, self.cache), "a stand-in")

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
        return self.cache / "fetched" / digest(configuration) / provider.replace("/", "-")

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
        python = "; or use Python 3.11 or later for `make setup`: its stand-in needs that"
        return (
            f"the Terraform provider {provider} for {platform_name()} was not found; looked at "
            f"{', '.join(looked)}; connect to the registry, or put a mirror of it "
            f"(`terraform providers mirror`) at ~/.terraform.d/plugins"
            f"{python if provider in STAND_INS else ''}"
        )
