"""Working folders of Terraform that share providers which are installed, and running, already."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.terraform.provider_proxy import ProviderProxy
from tools.engine.terraform import Completed, Terraform
from tools.providers.resolution import NEEDED

LOCK = ".terraform.lock.hcl"
PACKAGES = ".terraform/providers/*/*/*/*/*"  # host, namespace, name, version, platform
HASHES = re.compile(r"^  hashes = \[.*?^  \]\n", re.MULTILINE | re.DOTALL)

# The commands that use providers and take them from where `init` has put them.
WITH_PROVIDERS = {"apply", "console", "destroy", "import", "plan", "refresh", "show", "test"}
WITH_PROVIDERS |= {"output", "state", "taint", "untaint", "validate"}


# What only Terraform or a shell knows, and what may differ from command to command.
UNKNOWN_TO_PROVIDERS = re.compile(r"TF_(WORKSPACE|VAR_\w+|CLI_ARGS\w*)|PWD|OLDPWD|SHLVL|_")
# A process of the aws provider takes memory. Of more environments than this, the oldest end.
ENVIRONMENTS = 4


@dataclass
class Attached:
    """The proxies of one folder and environment, by the providers' names."""

    proxies: Mapping[str, ProviderProxy]
    commands: int = 0

    @property
    def addresses(self) -> str:
        """What Terraform has to be told in TF_REATTACH_PROVIDERS."""
        return json.dumps({name: proxy.address for name, proxy in self.proxies.items()})

    def stop(self) -> None:
        """End the providers."""
        for proxy in self.proxies.values():
            proxy.stop()


class RunningProviders:
    """The providers of a test, behind proxies, until `stop`.

    They stay for the next command in the same folder and environment. Safe to use in threads.
    """

    def __init__(self, installed: Path, python: Path | None = None) -> None:
        """Start nothing yet. `python` is a folder with a `python3` for the commands, if any."""
        self.python = python
        self._installed = installed
        self._attached: dict[object, Attached] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def attach(self, folder: Path, environment: Mapping[str, str]) -> Iterator[Attached]:
        """Serve the providers for a command in a folder and an environment.

        They end with the block if that raises: nobody knows what they are doing then.
        """
        shared = _provider_blocks(folder) <= 1
        known = {k: v for k, v in environment.items() if not UNKNOWN_TO_PROVIDERS.fullmatch(k)}
        key = (folder, shared, frozenset(known.items()))
        with self._lock:
            attached = self._attached.pop(key, None) or self._new(folder, known, shared)
            attached.commands += 1
            self._end_oldest()
            self._attached[key] = attached
        try:
            yield attached
        except BaseException:
            self._end(key)
            raise
        finally:
            attached.commands -= 1

    def stop(self) -> None:
        """End all that were started."""
        for attached in self._attached.values():
            attached.stop()
        self._attached.clear()

    def _new(self, folder: Path, environment: Mapping[str, str], shared: bool) -> Attached:
        proxies = {}
        for executable in self._installed.glob(f"{PACKAGES}/terraform-*"):
            host, namespace, name = executable.parts[-6:-3]
            # Only the aws provider has blocks that differ.
            proxies[f"{host}/{namespace}/{name}"] = ProviderProxy(
                executable, folder, environment, shared or name != "aws"
            )
        return Attached(proxies)

    def _end(self, key: object) -> None:
        with self._lock:
            attached = self._attached.pop(key, None)
        if attached is not None:
            attached.stop()

    def _end_oldest(self) -> None:
        idle = [key for key, attached in self._attached.items() if not attached.commands]
        for key in idle[: max(len(self._attached) + 1 - ENVIRONMENTS, 0)]:
            self._attached.pop(key).stop()


def _provider_blocks(folder: Path) -> int:
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.tf")]
    return sum(text.count('provider "aws"') for text in texts)


@dataclass(frozen=True)
class Workspace(Terraform):
    """A working folder that gets its providers from one where they are installed already.

    `terraform init` reads all of the aws provider, 700 MB, to put its hash into the lock file, and
    each later command reads it again to compare. That is Terraform's own work, and a test of an
    example has it done. Here the lock file is that of a real `terraform init`, less hashes.
    """

    installed: Path = field(kw_only=True)
    running: RunningProviders | None = field(kw_only=True, default=None)

    @contextlib.contextmanager
    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """As `Terraform.start`; the commands that use providers get them through the proxy."""
        settings = env or {}
        if (
            self.running is None
            or arguments[0] not in WITH_PROVIDERS
            or "TF_REATTACH_PROVIDERS" in settings
        ):
            with super().start(*arguments, env=env) as process:
                yield process
            return
        environment = {**self.environment, **settings}
        if self.running.python is not None:
            path = os.pathsep.join([str(self.running.python), environment["PATH"]])
            settings = {**settings, "PATH": path}
            environment["PATH"] = path
        with (
            contextlib.suppress(_Killed),
            self.running.attach(self.folder, environment) as attached,
        ):
            addresses = {"TF_REATTACH_PROVIDERS": attached.addresses}
            with super().start(*arguments, env={**addresses, **settings}) as process:
                yield process
            if process.returncode < 0:
                # Its providers would have been killed with it.
                raise _Killed

    def init(self, *arguments: str) -> Completed:
        """As `terraform init` without a backend; with arguments it is `terraform init`."""
        if arguments:
            return super().init(*arguments)
        for package in self.installed.glob(PACKAGES):
            link = self.folder / package.relative_to(self.installed)
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(package.resolve(), target_is_directory=True)
        self.write((self.installed / LOCK).read_text(encoding="utf-8"), LOCK)
        return self.run("get")


class _Killed(Exception):
    """Terraform was ended by a signal."""


NewFolder = Callable[[Path, Mapping[str, str]], Workspace]


def install(terraform: Terraform) -> None:
    """Install all providers that the repository needs into a folder, with a lock file for them."""
    wanted = {provider.split("/")[1]: {"source": provider} for provider in NEEDED}
    terraform.write(json.dumps({"terraform": {"required_providers": wanted}}), "main.tf.json")
    terraform.init()
    lock = (terraform.folder / LOCK).read_text(encoding="utf-8")
    terraform.write(HASHES.sub("", lock), LOCK)
