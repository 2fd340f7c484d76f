"""Where providers come from, in which order, and what is said when one is nowhere to be found."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tools.engine.discovery import Engine
from tools.engine.terraform import Terraform
from tools.errors import ToolError
from tools.providers import mirrors as mirrors_module
from tools.providers import resolution, stand_ins
from tools.providers.environment import environment
from tools.providers.mirrors import HOST, holds, mirrors, platform_name
from tools.providers.resolution import resolve
from tools.providers.stand_ins import install_stand_in, stand_ins_run

EXTERNAL = "hashicorp/external"
needs_stand_ins = pytest.mark.skipif(
    not stand_ins_run(), reason="they use a stand-in, which needs Python 3.11 or later"
)


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No prefix of this machine, no registry, and another working folder."""
    monkeypatch.setattr(mirrors_module, "PREFIXES", (str(tmp_path / "opt"),))
    monkeypatch.setattr(resolution, "DISCOVERY", "http://127.0.0.1:9/")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An empty home, and no data folders but its own."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "XDG_DATA_DIRS": str(tmp_path / "share")}


def _mirror(folder: Path, provider: str = EXTERNAL, source: Path | None = None) -> Path:
    """A mirror with the stand-in's script under the provider's name, as if it were the real one."""
    stand_in = install_stand_in(EXTERNAL, source or folder.parent / "made")
    folder.parent.mkdir(parents=True, exist_ok=True)
    stand_in.rename(folder)
    if provider != EXTERNAL:
        (folder / HOST / EXTERNAL).rename(folder / HOST / provider)
    return folder


@needs_stand_ins
def test_the_stand_in_comes_last(engine: Engine, tmp_path: Path, environ: dict[str, str]) -> None:
    cache = tmp_path / "cache"
    providers = resolve(engine, [EXTERNAL], cache, environ)
    assert str(providers) == "external from a stand-in"
    mirror = _mirror(tmp_path / "opt" / "some" / "where")
    providers = resolve(engine, [EXTERNAL], cache, environ)
    assert providers.located[0].mirror == mirror
    assert str(providers) == f"external from {mirror}"


@pytest.mark.parametrize(
    "folder",
    ["terraform.d/plugins", "home/.terraform.d/plugins", "home/.local/share/terraform/plugins"],
)
def test_the_folders_that_terraform_implies_come_before_others(
    tmp_path: Path, environ: dict[str, str], folder: str
) -> None:
    other = _mirror(tmp_path / "opt" / "tf")
    implied = _mirror(tmp_path / folder)
    assert list(mirrors(environ)) == [implied, other]


@needs_stand_ins
def test_the_users_own_configuration_comes_first(
    engine: Engine, tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _mirror(tmp_path / "opt" / "tf")
    own = _mirror(tmp_path / "own mirror")
    config = tmp_path / "home" / ".terraformrc"
    config.write_text(
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path = {json.dumps(str(own))}\n  }}\n}}\n",
        encoding="utf-8",
    )
    providers = resolve(engine, [EXTERNAL], tmp_path / "cache", environ)
    assert "(your own)" in str(providers)
    _use(engine, providers, tmp_path)
    # What it does not give is looked for elsewhere, but not at a registry that it leaves out.
    monkeypatch.setitem(stand_ins.STAND_INS, "hashicorp/other", "1.0.0")
    providers = resolve(engine, [EXTERNAL, "hashicorp/other"], tmp_path / "cache", environ)
    assert str(providers).endswith("other from a stand-in")


@needs_stand_ins
def test_a_variable_with_a_missing_file_is_no_configuration(
    engine: Engine, tmp_path: Path, environ: dict[str, str]
) -> None:
    environ["TF_CLI_CONFIG_FILE"] = str(tmp_path / "nothing")
    providers = resolve(engine, [EXTERNAL], tmp_path / "cache", environ)
    assert str(providers) == "external from a stand-in"


def _use(engine: Engine, providers: resolution.Providers, tmp_path: Path) -> None:
    folder = tmp_path / "used"
    folder.mkdir()
    terraform = Terraform(folder, engine, environment(providers))
    terraform.write(
        "terraform {\n  required_providers {\n"
        '    external = { source = "hashicorp/external" }\n  }\n}\n'
        'data "external" "it" { program = ["echo", "{}"] }\n'
    )
    terraform.init()
    assert terraform.plan().status == 0


@needs_stand_ins
def test_a_provider_is_linked_not_copied(
    engine: Engine, tmp_path: Path, environ: dict[str, str]
) -> None:
    _use(engine, resolve(engine, [EXTERNAL], tmp_path / "cache", environ), tmp_path)
    installed = tmp_path / "used" / ".terraform" / "providers" / HOST / EXTERNAL
    assert next(installed.glob(f"*/{platform_name()}")).is_symlink()


def test_a_missing_provider_is_named_with_its_places(
    engine: Engine, tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(ToolError) as caught:
        resolve(engine, ["hashicorp/aws"], tmp_path / "cache", environ)
    message = str(caught.value)
    assert "\n" not in message
    assert f"hashicorp/aws for {platform_name()} was not found" in message
    assert HOST in message
    assert "~/.terraform.d/plugins" in message


@needs_stand_ins
def test_two_runs_write_the_same(engine: Engine, tmp_path: Path, environ: dict[str, str]) -> None:
    first = resolve(engine, [EXTERNAL], tmp_path / "cache", environ)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*")}
    assert resolve(engine, [EXTERNAL], tmp_path / "cache", environ) == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*")} == before


def test_a_mirror_may_be_packed_and_must_be_for_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / HOST / EXTERNAL
    folder.mkdir(parents=True)
    (folder / "terraform-provider-external_2.3.5_plan9_mips.zip").touch()
    (folder / "2.3.5" / "plan9_mips").mkdir(parents=True)
    (folder / "2.3.5" / platform_name()).mkdir(parents=True)
    assert not holds(tmp_path, EXTERNAL)
    (folder / f"terraform-provider-external_2.3.5_{platform_name()}.zip").touch()
    assert holds(tmp_path, EXTERNAL)


def test_the_search_is_bounded(tmp_path: Path, environ: dict[str, str]) -> None:
    deep = tmp_path / "opt" / "1" / "2" / "3" / "4"
    (deep / HOST).mkdir(parents=True)
    assert list(mirrors(environ)) == []


def test_without_the_stand_ins_framework_a_message_has_two_remedies(
    engine: Engine, tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf", None)
    assert not stand_ins_run()
    with pytest.raises(ToolError) as caught:
        resolve(engine, [EXTERNAL], tmp_path / "cache", environ)
    message = str(caught.value)
    assert "\n" not in message
    assert f"{EXTERNAL} for {platform_name()} was not found" in message
    assert "~/.terraform.d/plugins" in message
    assert "use Python 3.11 or later for `make setup`" in message
