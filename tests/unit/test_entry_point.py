"""The program as a process: by path, as a module, installed, without its packages, through uv."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509

from tests.support.certificates import pem
from tests.support.program.fake_aws import ACCOUNT, REGION
from tests.support.project import project

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "iot_ca"
ENTRY = PROGRAM / "__main__.py"
TARGET = {"account_id": ACCOUNT, "region": REGION}
# Enough of an environment for Python and a shell, with nothing of the user's in it.
ENVIRONMENT = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def query(authorities: object) -> str:
    """A query as Terraform writes it."""
    return json.dumps(
        {"target": json.dumps(TARGET), "certificate_authorities": json.dumps(authorities)}
    )


def run(
    *command: str | Path, given: str | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command with `given` on standard input."""
    return subprocess.run(
        list(map(str, command)),
        input=query({}) if given is None else given,
        env={**ENVIRONMENT, **(env or {})},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without any packages."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def fake_uv(tmp_path: Path) -> Path:
    """A folder for the PATH with a `uv` that notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" > '{tmp_path}/arguments'\ncat > '{tmp_path}/stdin'\n"
        'echo \'{"from": "uv"}\'\nexit 7\n'
    )
    uv.chmod(0o755)
    return folder


def test_the_program_answers_a_query() -> None:
    done = run(sys.executable, PROGRAM, "inspect")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


def test_a_failure_is_status_1_and_one_line(root: x509.Certificate) -> None:
    del root
    done = run(sys.executable, PROGRAM, "inspect", given="{")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "iot_ca: the query is not valid JSON\n"


def test_a_closed_standard_input_is_one_line() -> None:
    done = run("/bin/sh", "-c", 'exec "$0" "$1" inspect <&-', sys.executable, PROGRAM)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "the query" in done.stderr


def test_a_locale_of_another_encoding_changes_nothing() -> None:
    text = json.dumps(
        {
            "target": json.dumps(TARGET),
            "certificate_authorities": '{"Wurzel ü": {"certificate_pem": "junk"}}',
        },
        ensure_ascii=False,
    )
    for encoding in ("latin-1", "ascii", "utf-8"):
        done = subprocess.run(
            [sys.executable, PROGRAM, "inspect"],
            input=text.encode(),
            env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert b"certificate_pem holds no PEM certificate" in line
        assert b"\xc3\x83" not in line


@pytest.fixture(params=["folder", "file", "link to the folder", "link to the file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each path that the program can be run by."""
    folder, entry = tmp_path / "linked", tmp_path / "iot-ca"
    folder.symlink_to(PROGRAM)
    entry.symlink_to(ENTRY)
    return {
        "folder": PROGRAM,
        "file": ENTRY,
        "link to the folder": folder,
        "link to the file": entry,
    }[request.param]


def test_every_path_to_the_program_runs_in_every_python_mode(path: Path, tmp_path: Path) -> None:
    for settings in ({"PYTHONSAFEPATH": "1"}, {"PYTHONPATH": str(tmp_path)}):
        assert run(sys.executable, path, "inspect", env=settings).stdout == "{}\n"
    assert run(sys.executable, "-I", path, "inspect").stdout == "{}\n"
    assert run(sys.executable, "-O", "-W", "error", path, "inspect").stdout == "{}\n"


def test_a_path_runs_its_own_program_beside_an_installed_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "installed" / "iot_ca").mkdir(parents=True)
    (tmp_path / "installed" / "iot_ca" / "__init__.py").write_text("raise SystemExit('another')\n")
    done = run(sys.executable, path, "inspect", env={"PYTHONPATH": str(tmp_path / "installed")})
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


def test_a_path_exposes_no_module_without_its_package(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(PROGRAM), str(ROOT)])
    monkeypatch.setitem(sys.modules, "iot_ca", ModuleType("iot_ca"))
    script.import_by_path()
    assert sys.path == [str(ROOT)]
    assert list(sys.modules["iot_ca"].__path__) == [str(PROGRAM)]


def test_the_program_runs_as_a_module(tmp_path: Path) -> None:
    done = run(
        *("env", "-C", tmp_path, sys.executable, "-m", "iot_ca", "inspect"),
        env={"PYTHONPATH": str(ROOT / "scripts")},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of site-packages with the program in it, and what pip notes of it."""
    site = tmp_path / "site-packages"
    shutil.copytree(PROGRAM, site / "iot_ca", ignore=shutil.ignore_patterns("__pycache__"))
    information = site / "terraform_aws_iot_ca-1.0.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: terraform-aws-iot-ca\nVersion: 1.0.0\n")
    return site


# What pip writes into `iot-ca`, with or without the packages of the extra.
CONSOLE_SCRIPT = "import sys; from iot_ca.__main__ import main; sys.exit(main())"
WITHOUT_EXTRA = (
    "import importlib.util as util; find = util.find_spec; "
    "util.find_spec = lambda name: None if name in ('rich', 'hcl2') else find(name); "
)


def test_the_console_script_runs_the_installed_program(installed: Path) -> None:
    for arguments, output in ((["inspect"], "{}\n"), (["--help"], "Usage: iot_ca COMMAND")):
        done = run(
            *(sys.executable, "-c", CONSOLE_SCRIPT, *arguments), env={"PYTHONPATH": str(installed)}
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert output in done.stdout


def test_an_installed_program_names_its_missing_extra(installed: Path, fake_uv: Path) -> None:
    done = run(
        *(sys.executable, "-c", WITHOUT_EXTRA + CONSOLE_SCRIPT, "status", "a.tfvars"),
        env={"PYTHONPATH": str(installed), "PATH": f"{fake_uv}:{os.defpath}"},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"iot_ca: {sys.executable} lacks rich>=13 and python-hcl2>=8; install with "
        f"`{sys.executable} -m pip install 'terraform-aws-iot-ca[status]'`, or do without: --json "
        "or --html FILE, and a .tfvars.json file, need neither\n"
    )


def test_an_installed_program_names_its_missing_packages(
    bare_python: Path, installed: Path, fake_uv: Path
) -> None:
    done = run(
        *(bare_python, "-c", CONSOLE_SCRIPT, "inspect"),
        env={"PYTHONPATH": str(installed), "PATH": f"{fake_uv}:{os.defpath}"},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"iot_ca: {bare_python} lacks boto3>=1.35 and cryptography>=42; install with "
        f"`{bare_python} -m pip install 'boto3>=1.35' 'cryptography>=42'`\n"
    )


def test_an_installed_program_that_uv_started_gets_its_extra(
    installed: Path, fake_uv: Path, tmp_path: Path
) -> None:
    # As `uvx --from git+... iot-ca status` does.
    done = run(
        *(sys.executable, "-c", WITHOUT_EXTRA + CONSOLE_SCRIPT, "status", "a.tfvars"),
        env={"PYTHONPATH": str(installed), "UV": str(fake_uv / "uv")},
    )
    assert (done.returncode, done.stderr) == (7, "")
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[arguments.index("--with") :] == [
        *("--with", "rich>=13", "--with", "python-hcl2>=8"),
        *("--script", str(installed / "iot_ca" / "__main__.py"), "status", "a.tfvars"),
    ]


def test_a_read_only_copy_runs_under_any_name_and_writes_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "a module's copy (1)" / "program"
    shutil.copytree(PROGRAM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        # Even root can't write into a folder that is a file.
        (folder / "__pycache__").touch()
        folder.chmod(0o555)
    before = sorted(copy.rglob("*"))
    try:
        done = run(sys.executable, copy, "inspect", env={"PYTHONDONTWRITEBYTECODE": ""})
        assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
        assert sorted(copy.rglob("*")) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_missing_packages_without_uv_are_named_with_remedies(bare_python: Path) -> None:
    done = run(bare_python, PROGRAM, "inspect")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    for part in (
        f"{bare_python} lacks boto3>=1.35 and cryptography>=42",
        # In quotes: a shell would write to a file named `=1.35`.
        f"`{bare_python} -m pip install 'boto3>=1.35' 'cryptography>=42'`",
        "uv",
        "python_command",
    ):
        assert part in done.stderr


@pytest.mark.parametrize("command", ["inspect", "register", "deregister"])
def test_without_packages_the_program_runs_through_uv(
    bare_python: Path, fake_uv: Path, tmp_path: Path, command: str
) -> None:
    variables = {"PATH": f"{fake_uv}:{os.defpath}", "IOT_CA_REQUEST": "{}"}
    given = "a query that\nonly the program itself may read"
    done = run(bare_python, PROGRAM, command, given=given, env=variables)
    assert (done.returncode, done.stdout, done.stderr) == (7, '{"from": "uv"}\n', "")
    assert (tmp_path / "stdin").read_text() == given
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[0] == "run"
    assert "--script" in arguments
    assert arguments[-2:] == [str(ENTRY), command]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["inspect"], []),
        (["inspect", "a.tfvars"], []),
        (["status", "a.tfvars"], ["rich>=13", "python-hcl2>=8"]),
        (["status", "a.hcl", "--json"], ["python-hcl2>=8"]),
        (["status", "a.tfvars", "--html=a.html"], ["python-hcl2>=8"]),
        (["status", "a.tfvars.json"], ["rich>=13"]),
        (["status", "a.tfvars.json", "--html", "a.html"], []),
    ],
)
def test_only_status_needs_more_and_only_for_some_arguments(
    bare_python: Path, fake_uv: Path, tmp_path: Path, arguments: list[str], wanted: list[str]
) -> None:
    path = {"PATH": f"{fake_uv}:{os.defpath}"}
    assert run(bare_python, PROGRAM, *arguments, env=path).returncode == 7
    passed = (tmp_path / "arguments").read_text().splitlines()
    before, after = passed[: passed.index("--script")], passed[passed.index("--script") :]
    assert after == ["--script", str(ENTRY), *arguments]
    assert [word for word in before[3:] if word != "--with"] == wanted


def test_missing_packages_of_status_are_named_with_remedies(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in ("rich", "hcl2") else find_spec(name),
    )
    monkeypatch.setenv("PATH", "")
    assert script.main(["status", "a.tfvars"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "lacks rich>=13 and python-hcl2>=8; install with `" in line
    assert line.endswith(
        "or do without: --json or --html FILE, and a .tfvars.json file, need neither"
    )


def test_a_program_with_its_packages_does_not_call_uv(fake_uv: Path) -> None:
    path = {"PATH": f"{fake_uv}:{os.defpath}"}
    assert run(sys.executable, PROGRAM, "inspect", env=path).stdout == "{}\n"


OLD = {"botocore": "1.23.34", "cryptography": "41.0.7"}


def old_packages(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which these packages are those of an old distribution."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f'__version__ = "{OLD[name]}"\n')
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    ("old", "lacking", "install"),
    [
        (["botocore"], "boto3>=1.35", "'boto3>=1.35'"),
        (["cryptography"], "cryptography>=42", "'cryptography>=42'"),
        (
            ["botocore", "cryptography"],
            "boto3>=1.35 and cryptography>=42",
            "'boto3>=1.35' 'cryptography>=42'",
        ),
    ],
)
def test_packages_that_are_too_old_count_as_missing(
    tmp_path: Path, old: list[str], lacking: str, install: str
) -> None:
    settings = old_packages(tmp_path / "old", *old)
    done = run(sys.executable, PROGRAM, "inspect", env=settings)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"{sys.executable} lacks {lacking}; " in line
    assert f"`{sys.executable} -m pip install {install}`" in line


def test_packages_that_are_too_old_are_replaced_through_uv(fake_uv: Path, tmp_path: Path) -> None:
    settings = old_packages(tmp_path / "old", *OLD)
    done = run(
        sys.executable,
        PROGRAM,
        "inspect",
        env={**settings, "PATH": f"{fake_uv}:{os.defpath}"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, '{"from": "uv"}\n', "")
    assert (tmp_path / "stdin").read_text() == query({})


def test_a_uv_without_packages_is_called_only_once(
    bare_python: Path, fake_uv: Path, tmp_path: Path
) -> None:
    (fake_uv / "uv").write_text(
        f"#!/bin/sh\necho again >> '{tmp_path}/calls'\n"
        f"for last; do :; done\nexec '{bare_python}' '{ENTRY}' \"$last\"\n"
    )
    path = {"PATH": f"{fake_uv}:{os.defpath}"}
    done = run(bare_python, PROGRAM, "inspect", env=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "lacks boto3>=1.35 and cryptography>=42" in done.stderr
    assert (tmp_path / "calls").read_text() == "again\n"


def test_the_real_uv_provides_the_packages(
    bare_python: Path, root: x509.Certificate, tmp_path: Path
) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert uv is not None, "uv is among the development requirements"
    folder = tmp_path / "uv only"
    folder.mkdir()
    (folder / "uv").symlink_to(uv)
    settings = {
        "PATH": f"{folder}:{os.defpath}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "UV_CACHE_DIR": str(ROOT / ".cache" / "uv"),
        "UV_PYTHON": os.path.realpath(sys.executable),
        "AWS_EC2_METADATA_DISABLED": "true",
        # Where packages come from on this machine is the user's business.
        **{k: v for k, v in os.environ.items() if k.startswith(("UV_INDEX", "UV_DEFAULT_INDEX"))},
        **{k: v for k, v in os.environ.items() if k.lower() in ("ssl_cert_file", "https_proxy")},
    }
    done = run(bare_python, PROGRAM, "inspect", env=settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    # This one needs both packages, and ends where credentials are missing.
    done = run(
        bare_python,
        PROGRAM,
        "inspect",
        given=query({"root": {"certificate_pem": pem(root)}}),
        env=settings,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "no AWS credentials found" in line


@pytest.fixture
def script() -> ModuleType:
    """The entry script as a module."""
    spec = importlib.util.spec_from_file_location("iot_ca_entry", ENTRY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_is_refused_with_the_version_needed(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert script.main(["inspect"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "Python 3.10 or later is needed, this is 3.9.18" in err


def test_an_old_python_can_read_the_script() -> None:
    tree = ast.parse(ENTRY.read_text(encoding="utf-8"), feature_version=(3, 5))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)


@pytest.mark.parametrize(
    ("lacking", "named"),
    [({"botocore"}, "boto3>=1.35"), ({"cryptography"}, "cryptography>=42")],
)
def test_one_missing_package_is_named_alone(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lacking: set[str],
    named: str,
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in lacking else find_spec(name)
    )
    monkeypatch.setenv("PATH", "")
    assert script.main(["inspect"]) == 1
    assert f"lacks {named};" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "version", "enough"),
    [
        ("botocore", "1.34.162", False),
        ("botocore", "1.35.0", True),
        ("botocore", "1.100.1", True),
        ("botocore", "2.0.0", True),
        ("cryptography", "41.0.7", False),
        ("cryptography", "42.0.0", True),
        ("cryptography", "100.0", True),
    ],
)
def test_the_lowest_version_and_later_ones_are_accepted(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    version: str,
    enough: bool,
) -> None:
    monkeypatch.setattr(importlib.import_module(module), "__version__", version)
    requirement, _ = script.PACKAGES[module]
    assert script.missing_packages() == ([] if enough else [requirement], [])


def test_the_requirements_are_the_same_everywhere(script: ModuleType) -> None:
    wanted = [requirement for requirement, _ in script.PACKAGES.values()]
    for requirement, least in script.PACKAGES.values():
        assert requirement.partition(">=")[2] == ".".join(map(str, least))
    (line,) = re.findall(r"^# dependencies = (.*)$", ENTRY.read_text(encoding="utf-8"), re.M)
    assert json.loads(line) == wanted
    assert project()["dependencies"] == wanted
    extra = [*script.TABLE.values(), *script.HCL.values()]
    assert project()["optional-dependencies"]["status"] == extra


# Packages that are there in part

# The program, for which no CA is registered.
ABSENT_CA = f"""
import sys; sys.path.insert(0, {str(ROOT / "scripts")!r})
from iot_ca.__main__ import main
from iot_ca.aws.ca_certificates import CaCertificates
CaCertificates.observe = lambda self, ids: dict.fromkeys(ids)
CaCertificates.arn = lambda self, certificate_id: ""
sys.exit(main(["inspect"]))
"""


def damaged(folder: Path, module: str, code: str) -> dict[str, str]:
    """An environment in which a package is one whose import runs this code."""
    (folder / module).mkdir(parents=True)
    (folder / module / "__init__.py").write_text(code)
    return {"PYTHONPATH": str(folder), "PATH": os.defpath}


@pytest.mark.parametrize("module", ["botocore", "cryptography"])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('lib.so: wrong ELF class')", "ImportError: lib.so: wrong ELF class"),
        ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("open('/no/such')", "FileNotFoundError: [Errno 2] No such file or directory: '/no/such'"),
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("(", "SyntaxError: '(' was never closed"),
    ],
)
def test_a_package_whose_import_fails_is_named_with_the_reason(
    tmp_path: Path, module: str, code: str, reason: str
) -> None:
    done = run(sys.executable, PROGRAM, "inspect", env=damaged(tmp_path, module, code))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"iot_ca: {sys.executable} can't import {module} ({reason}")
    assert f"`{sys.executable} -m pip install --force-reinstall '" in line
    assert "set python_command" in line


def test_a_package_whose_import_fails_is_replaced_through_uv(fake_uv: Path, tmp_path: Path) -> None:
    settings = damaged(tmp_path / "damaged", "cryptography", "raise OSError('disk')")
    settings["PATH"] = f"{fake_uv}:{os.defpath}"
    done = run(sys.executable, PROGRAM, "inspect", env=settings)
    assert (done.returncode, done.stdout, done.stderr) == (7, '{"from": "uv"}\n', "")


def test_a_uv_that_is_not_a_program_is_passed_over(bare_python: Path, fake_uv: Path) -> None:
    (fake_uv / "uv").write_bytes(b"\x7fELF")
    done = run(bare_python, PROGRAM, "inspect", env={"PATH": f"{fake_uv}:{os.defpath}"})
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "lacks boto3>=1.35 and cryptography>=42" in line


@pytest.mark.parametrize("version", [{}, {"__version__": None}, {"__version__": (1, 2)}])
def test_a_package_without_a_version_has_that_of_its_metadata(
    script: ModuleType, version: dict[str, object]
) -> None:
    stand_in = ModuleType("botocore")
    vars(stand_in).update(version)
    assert script.version_of(stand_in, "boto3>=1.35") == importlib.metadata.version("boto3")
    assert script.version_of(stand_in, "no-such-package>=1") == "0"


def test_a_package_of_which_only_a_folder_is_left_counts_as_missing(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # pip leaves a folder behind if there is a file of another's in it.
    (tmp_path / "left_behind").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(script, "PACKAGES", {"left_behind": ("left-behind>=42", (42,))})
    assert script.missing_packages() == (["left-behind>=42"], [])


def test_an_interrupt_at_the_start_is_one_line(tmp_path: Path) -> None:
    settings = damaged(tmp_path, "botocore", "raise KeyboardInterrupt")
    done = run(sys.executable, PROGRAM, "inspect", env=settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "iot_ca: interrupted; run again to finish what was begun\n"


def test_an_import_that_fails_later_is_one_line_for_all_cas(
    root: x509.Certificate, tmp_path: Path
) -> None:
    # The extension module of cryptography is imported when a certificate is parsed.
    code = "raise BaseException('panicked: wrong version of Python')"
    settings = damaged(tmp_path, "cryptography", '__version__ = "50.0.0"\n')
    (tmp_path / "cryptography" / "x509.py").write_text(code)
    given = query({"root": {"certificate_pem": pem(root)}})
    done = run(sys.executable, "-c", ABSENT_CA, given=given, env=settings)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line == (
        f"iot_ca: root (account {ACCOUNT}, {REGION}): {sys.executable} can't import cryptography "
        "(BaseException: panicked: wrong version of Python); install it again, or set "
        "python_command to a Python that can"
    )


def test_a_warning_of_a_library_is_printed_for_debugging_only(tmp_path: Path) -> None:
    code = 'import warnings; warnings.warn("Python 3.11 is old", DeprecationWarning, 2)\n'
    settings = damaged(tmp_path, "cryptography", code + '__version__ = "50"\n')
    settings["PYTHONWARNINGS"] = "always"
    quiet = run(sys.executable, PROGRAM, "inspect", env=settings)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "{}\n", "")
    loud = run(sys.executable, PROGRAM, "inspect", env={**settings, "IOT_CA_DEBUG": "1"})
    assert (loud.returncode, loud.stdout) == (0, "{}\n")
    assert "Python 3.11 is old" in loud.stderr


def test_a_chain_of_links_leads_to_the_program(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "first").symlink_to(ENTRY)
    (tmp_path / "bin" / "iot_ca.py").symlink_to(Path("..") / "first")
    for options in ([], ["-I"], ["-P"] if sys.version_info >= (3, 11) else []):
        done = run(sys.executable, *options, tmp_path / "bin" / "iot_ca.py", "inspect")
        assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


# Where the answer goes


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii", "utf-16", "shift_jis"])
def test_an_answer_is_utf_8_whatever_the_encoding_of_standard_output(encoding: str) -> None:
    done = run(sys.executable, PROGRAM, "inspect", env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [(">&-", "it is closed"), ("> /dev/full", "No space left on device")],
)
def test_an_answer_that_cannot_be_written_is_a_failure(redirection: str, reason: str) -> None:
    done = run("/bin/sh", "-c", f'"$0" "$1" inspect {redirection}', sys.executable, PROGRAM)
    assert done.returncode == 1
    assert done.stderr == f"iot_ca: standard output can't be written: {reason}\n"


@pytest.mark.parametrize("redirection", ["2>&-", "2> /dev/full"])
def test_a_failure_without_standard_error_keeps_its_status(redirection: str) -> None:
    done = run(
        *("/bin/sh", "-c", f'"$0" "$1" inspect {redirection}', sys.executable, PROGRAM),
        given="{",
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
