"""The module from somewhere else: every way in which a team may get it, and each module alone."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.control import Sandbox
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.terraform.addresses import registration
from tests.support.terraform.outcome import Outcome, read_outcome
from tests.support.terraform.stack import Stack
from tools.checkout import ROOT, copy_configuration
from tools.engine.terraform import Terraform

pytestmark = pytest.mark.one_engine("it is about the files of the module, not about Terraform")

# As a tag's tarball has it: everything in one folder that is named after the tag.
RELEASE = "terraform-aws-iot-ca-1.0.0"

# Runs a command that file permissions bind, also where the tests run as root: without the
# capabilities DAC_OVERRIDE, DAC_READ_SEARCH and FOWNER. Whether that worked, the test finds out.
WITHOUT_PRIVILEGES = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2, 3):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a release has of the checkout, in a folder of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("release") / RELEASE
    folder.mkdir()
    copy_configuration(ROOT, folder)
    shutil.copy2(ROOT / ".gitattributes", folder)
    return folder


@pytest.fixture(scope="session")
def repository(release: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same as a git repository with the tag v1.0.0: its address for `source`."""
    folder = tmp_path_factory.mktemp("git") / "terraform-aws-iot-ca"
    shutil.copytree(release, folder)
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        nobody |= {f"GIT_{who}_NAME": "Nobody", f"GIT_{who}_EMAIL": "nobody@example.com"}
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "release"], ["tag", "v1.0.0"]):
        subprocess.run(["git", *command], cwd=folder, env={**os.environ, **nobody}, check=True)
    return f"git::file://{folder}"


@pytest.fixture
def website(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address at which it is served."""
    folder = tmp_path / "website"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_from_a_git_repository(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(workspace, sandbox, account, region, source=f"{repository}?ref=v1.0.0")
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem, "provisioning": {"type": "JITP"}}})

    applied = stack.apply()

    assert applied.outputs["certificate_authorities"]["root"]["certificate_id"] == ca.id
    assert stack.account.see(ca.id).template == "root"
    assert stack.plan().status == 0
    stack.destroy()
    assert stack.account.look(ca.id) is None


def test_from_the_tarball_of_a_tag(
    workspace: Terraform,
    repository: str,
    website: tuple[Path, str],
    sandbox: Sandbox,
    account: str,
    region: str,
) -> None:
    folder, address = website
    archive = folder / "v1.0.0.tar.gz"
    subprocess.run(
        ["git", "archive", f"--prefix={RELEASE}/", f"--output={archive}", "v1.0.0"],
        cwd=repository.removeprefix("git::file://"),
        check=True,
    )
    with tarfile.open(archive) as files:
        assert not [name for name in files.getnames() if "/tests" in name]
    source = f"{address}/v1.0.0.tar.gz//{RELEASE}"
    stack = Stack(workspace, sandbox, account, region, source=source)

    _plans_a_registration(stack)


def test_a_copy_below_dot_terraform_without_run_bits(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    stack = Stack(workspace, sandbox, account, region, source=repository)
    copy = workspace.folder / ".terraform" / "modules" / "ca"
    files = [path for path in copy.rglob("*") if path.is_file()]
    assert copy / "scripts" / "iot_ca" / "__main__.py" in files
    for path in files:
        path.chmod(0o644)
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem}})

    stack.apply()

    assert stack.account.see(ca.id).status == "ACTIVE"


def test_from_a_read_only_folder(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    """With JITR, whose package is read from there. Nothing in the folder changes."""
    module = workspace.folder / "shared"
    module.mkdir()
    copy_configuration(ROOT, module)
    everything = [module, *module.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    restrained = (sys.executable, "-c", WITHOUT_PRIVILEGES)
    probe = [*restrained, "sh", "-c", f"! (: > '{module}/new') && ! (: >> '{module}/main.tf')"]
    assert subprocess.run(probe, check=False).returncode == 0, "the folder can be written to"
    engine = replace(workspace.engine, argv=(*restrained, *workspace.engine.argv))
    # Python would leave its bytecode next to the program if it could.
    settings = {**workspace.environment, "PYTHONDONTWRITEBYTECODE": ""}
    before = {path: path.lstat().st_mtime_ns for path in everything}
    stack = Stack(
        # Terraform starts the providers itself: they must not have more privileges.
        Terraform(workspace.folder, engine, settings),
        sandbox,
        account,
        region,
        source="./shared",
    )
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem, "provisioning": {"type": "JITR"}}})

    stack.apply()

    assert stack.account.see(ca.id).status == "ACTIVE"
    (function,) = stack.account.client("lambda").list_functions()["Functions"]
    assert function["FunctionName"] == "iot-jitr-root"
    assert stack.plan().status == 0
    stack.destroy()
    assert stack.account.look(ca.id) is None
    assert {p: p.lstat().st_mtime_ns for p in [module, *module.rglob("*")]} == before


def test_in_a_path_with_spaces_and_other_letters(
    new_workspace_with_spaces: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    workspace = new_workspace_with_spaces
    module = workspace.folder / "CA's (für Geräte)"
    module.mkdir()
    copy_configuration(ROOT, module)
    stack = Stack(workspace, sandbox, account, region, source=f"./{module.name}")
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem}})

    stack.apply()

    assert stack.account.see(ca.id).status == "ACTIVE"
    stack.destroy()
    assert stack.account.look(ca.id) is None


@pytest.fixture
def new_workspace_with_spaces(workspace: Terraform) -> Terraform:
    """A working folder in a path that no shell takes without quotes."""
    folder = workspace.folder / "Größe & $HOME 日本"
    folder.mkdir()
    return replace(workspace, folder=folder)


def test_two_calls_in_one_configuration(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    """Of one package, in one account: each with its own CAs."""
    one, two = new_ca("one"), new_ca("two")
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        source=repository,
        authorities="{ one = var.certificate_authorities.one }",
        extra=f"""
module "other" {{
  source                  = "{repository}"
  certificate_authorities = {{ two = var.certificate_authorities.two }}
}}
""",
    )
    stack.want({"one": {"certificate_pem": one.pem}, "two": {"certificate_pem": two.pem}})

    applied = stack.apply()

    assert {registration("one"), registration("two", "other")} <= applied.changes.keys()
    assert stack.account.see(one.id).status == stack.account.see(two.id).status == "ACTIVE"
    assert stack.plan().status == 0


def test_the_module_works_under_for_each(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    """An instance that leaves takes its own CA out and no other."""
    stays, leaves = new_ca("stays"), new_ca("leaves")
    stack = Stack(
        workspace,
        sandbox,
        account,
        region,
        source=repository,
        authorities="{ (each.key) = each.value }",
        arguments="for_each = var.certificate_authorities",
        output="{ for key, call in module.ca : key => call.certificate_authorities[key] }",
    )
    settings = {ca: {"certificate_pem": ca.pem} for ca in (stays, leaves)}
    stack.want({"stays": settings[stays], "leaves": settings[leaves]})

    applied = stack.apply()

    authorities = applied.outputs["certificate_authorities"]
    assert authorities["stays"]["certificate_id"] == stays.id
    assert authorities["leaves"]["certificate_id"] == leaves.id
    assert stack.plan().status == 0

    # Terraform runs a destroy-time provisioner of an instance that is gone: the block is there.
    stack.want({"stays": settings[stays]})
    stack.apply()

    assert stack.account.look(leaves.id) is None
    assert stack.account.see(stays.id).status == "ACTIVE"


# --- each module alone, by the address that a registry or a git repository gives it


def test_the_lookup_module_works_alone(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    """For a team that may look, and nothing else."""
    there, absent = new_ca("there"), new_ca("absent")
    Account(sandbox, account, region).register(there, setAsActive=False)
    outcome = _alone(
        workspace,
        sandbox,
        f"""
provider "aws" {{}}

module "lookup" {{
  source = "{repository}//modules/lookup"

  certificate_authorities = {{
    there  = {{ certificate_pem = file("there.pem") }}
    absent = {{ certificate_pem = file("absent.pem") }}
  }}
}}

output "differences" {{
  value = {{ for name, ca in module.lookup.certificate_authorities : name => ca.differences }}
}}
""",
        {"there.pem": there.pem, "absent.pem": absent.pem},
    )

    differences = outcome.outputs["differences"]
    assert differences["absent"] == ["not registered"]
    assert "status is INACTIVE, wanted ACTIVE" in differences["there"]
    assert workspace.addresses() == [
        "module.lookup.data.aws_caller_identity.current",
        "module.lookup.data.aws_region.current",
        "module.lookup.data.external.certificate_authorities[0]",
    ]
    called = {call.operation for call in outcome.calls if call.service == "iot"}
    assert called == {"DescribeCACertificate", "ListTagsForResource"}
    assert outcome.writes == []


def test_the_registration_module_works_alone(
    workspace: Terraform, repository: str, sandbox: Sandbox, account: str, region: str
) -> None:
    """Without any provider and lookup: the caller writes the request."""
    ca = new_ca()
    _alone(
        workspace,
        sandbox,
        f"""
module "registration" {{
  source = "{repository}//modules/registration"

  target = {{ account_id = "{account}", region = "{region}" }}

  certificate_authorities = {{
    root = {{
      request = jsonencode({{
        name                  = "root"
        target                = {{ account_id = "{account}", region = "{region}" }}
        certificate_authority = {{ certificate_pem = file("root.pem") }}
      }})
      certificate_id     = "{ca.id}"
      certificate_digest = "{ca.id}"
      revision           = "1"
    }}
  }}
}}
""",
        {"root.pem": ca.pem},
    )

    by_hand = Account(sandbox, account, region)
    registered = by_hand.see(ca.id)
    assert (registered.status, registered.tags["iot-ca:revision"]) == ("ACTIVE", "1")
    configuration = (workspace.folder / "main.tf").read_text(encoding="utf-8")
    workspace.write(configuration.replace(account, "444455556666"))
    refused = workspace.plan(check=False).output
    assert (
        "The state belongs to another account or Region. "
        f"root (account {account}, {region}): the target is account 444455556666, {region}."
    ) in refused
    workspace.write(configuration)
    workspace.destroy()
    assert by_hand.look(ca.id) is None


@pytest.mark.parametrize(
    ("module", "settings", "makes"),
    [
        ("jitp", 'template_name = "fleet"', "aws_iot_provisioning_template.provisioning"),
        ("jitr", 'name = "fleet"', "aws_iot_topic_rule.registered"),
    ],
)
def test_a_provisioning_module_works_alone(
    module: str,
    settings: str,
    makes: str,
    workspace: Terraform,
    repository: str,
    sandbox: Sandbox,
    account: str,
    region: str,
) -> None:
    """For a CA that somebody else has registered."""
    outcome = _alone(
        workspace,
        sandbox,
        f"""
provider "aws" {{}}

module "provisioning" {{
  source = "{repository}//modules/{module}"

  {settings}
  certificate_id   = "{"0f" * 32}"
  certificate_arn  = "arn:aws:iot:{region}:{account}:cacert/{"0f" * 32}"
  certificate_mode = "SNI_ONLY"
}}
""",
        {},
        "plan",
    )

    assert outcome.changes[f"module.provisioning.{makes}"] == "create"


def _plans_a_registration(stack: Stack) -> None:
    ca = new_ca()
    stack.want({"root": {"certificate_pem": ca.pem}})
    planned = stack.plan()
    assert planned.changes[registration("root")] == "create"
    assert set(planned.calls_about(ca.id)) == {"DescribeCACertificate", "ListTagsForResource"}


def _alone(
    workspace: Terraform,
    sandbox: Sandbox,
    configuration: str,
    files: dict[str, str],
    *command: str,
) -> Outcome:
    """Write a root module and its files, and apply it, or run another command."""
    for name, text in files.items():
        workspace.write(text, name)
    workspace.write(configuration)
    workspace.init()
    sandbox.forget_calls()
    done = workspace.run(*(command or ("apply", "-auto-approve")), "-json")
    return read_outcome(done, sandbox.calls())
