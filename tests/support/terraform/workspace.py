"""Working folders of Terraform that share providers which are installed, and running, already."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.engine.terraform import Completed, Terraform
from tools.providers.resolution import NEEDED

LOCK = ".terraform.lock.hcl"
PACKAGES = ".terraform/providers/*/*/*/*/*"  # host, namespace, name, version, platform
HASHES = re.compile(r"^  hashes = \[.*?^  \]\n", re.MULTILINE | re.DOTALL)

# A plan starts each provider three times, an apply four times: a third of what they cost.
SHARING = {"apply", "destroy", "plan"}
ATTACH = re.compile(r"TF_REATTACH_PROVIDERS='(.*)'")


class RunningProviders:
    """The providers, kept running for the commands of a working folder.

    That is HashiCorp's own way to debug a provider: Terraform connects to it, configures it anew
    for each of its walks, and leaves it running. It has one configuration, and the folder and the
    environment that it was started in: it is not for commands that have others.
    """

    def __init__(self, installed: Path, folder: Path, environment: Mapping[str, str]) -> None:
        """They are started when they are first asked for."""
        self.folder = folder
        self.environment = environment
        self._installed = installed
        self._processes: list[subprocess.Popen[str]] = []
        self._addresses = ""

    def addresses(self) -> str:
        """What Terraform has to be told in TF_REATTACH_PROVIDERS."""
        if not self._addresses:
            self._processes += map(self._start, self._installed.glob(f"{PACKAGES}/terraform-*"))
            told = [json.loads(self._address(process)) for process in self._processes]
            merged = {name: address for each in told for name, address in each.items()}
            self._addresses = json.dumps(merged)
        return self._addresses

    def stop(self) -> None:
        """End those that were started."""
        for process in self._processes:
            process.kill()
            process.communicate()

    def _start(self, executable: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [executable, "-debug"],
            cwd=self.folder,
            env={**self.environment, "TF_LOG_SDK": "off", "TF_LOG_PROVIDER": "off"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _address(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        found = (ATTACH.search(line) for line in process.stdout)
        return next(each[1] for each in found if each)


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
        """As `Terraform.start`; the commands that may share their providers do."""
        shared = {}
        if self.running and arguments[0] in SHARING and self._may_share(self.running, env or {}):
            shared = {"TF_REATTACH_PROVIDERS": self.running.addresses()}
        with super().start(*arguments, env={**shared, **(env or {})}) as process:
            yield process

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
