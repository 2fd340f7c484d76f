"""Working folders of Terraform that share providers which are installed, and running, already."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
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


class RunningProviders:
    """The providers of one folder and environment, each behind a proxy, until `stop`."""

    def __init__(
        self, installed: Path, folder: Path, environment: Mapping[str, str], *, shared: bool = True
    ) -> None:
        """Start nothing yet; `shared` as for `ProviderProxy`."""
        self.folder = folder
        self.environment = environment
        self._installed = installed
        self._shared = shared
        self._proxies: dict[str, ProviderProxy] = {}

    def addresses(self) -> str:
        """What Terraform has to be told in TF_REATTACH_PROVIDERS."""
        if not self._proxies:
            for executable in self._installed.glob(f"{PACKAGES}/terraform-*"):
                host, namespace, name = executable.parts[-6:-3]
                self._proxies[f"{host}/{namespace}/{name}"] = ProviderProxy(
                    executable, self.folder, self.environment, self._shared
                )
        return json.dumps({name: proxy.address for name, proxy in self._proxies.items()})

    def stop(self) -> None:
        """End those that were started."""
        for proxy in self._proxies.values():
            proxy.stop()


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
        shared = self._may_share(self.running, settings)
        running = self.running if shared else self._providers_of_its_own(settings)
        attached = {"TF_REATTACH_PROVIDERS": running.addresses()}
        try:
            with super().start(*arguments, env={**attached, **settings}) as process:
                yield process
        finally:
            if not shared:
                running.stop()

    def _providers_of_its_own(self, settings: Mapping[str, str]) -> RunningProviders:
        environment = {**self.environment, **settings}
        return RunningProviders(self.installed, self.folder, environment, shared=False)

    def _may_share(self, running: RunningProviders, env: Mapping[str, str]) -> bool:
        texts = [path.read_text(encoding="utf-8") for path in self.folder.glob("*.tf")]
        blocks = sum(text.count('provider "aws"') for text in texts)
        here = (self.folder, dict(self.environment))
        # Of a workspace no provider knows.
        return (
            blocks <= 1
            and set(env) <= {"TF_WORKSPACE"}
            and here == (running.folder, dict(running.environment))
        )

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


NewFolder = Callable[[Path, Mapping[str, str]], Workspace]


def install(terraform: Terraform) -> None:
    """Install all providers that the repository needs into a folder, with a lock file for them."""
    wanted = {provider.split("/")[1]: {"source": provider} for provider in NEEDED}
    terraform.write(json.dumps({"terraform": {"required_providers": wanted}}), "main.tf.json")
    terraform.init()
    lock = (terraform.folder / LOCK).read_text(encoding="utf-8")
    terraform.write(HASHES.sub("", lock), LOCK)
