"""What `make acceptance` does to remove what it has made, and the script that it leaves behind."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.cleanup import Cleanup
from tests.support.aws_contract.patience import Patience
from tests.support.aws_contract.run import Run

SOON = Patience(0.0001)
ID = "0" * 64
# Refuses the first call of DeletePolicy, as AWS IoT does after a policy was detached.
AWS = """\
#!/bin/sh
echo "$*" >>calls
case $* in
  *list-attached-policies*) echo hash ;;
  *delete-policy*)
    [ -e refused ] && exit
    touch refused
    echo DeleteConflictException >&2
    exit 254
    ;;
esac
"""


def _answer(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Delete")


@pytest.fixture
def cleanup(tmp_path: Path) -> Cleanup:
    return Cleanup(tmp_path / "remove.sh", SOON)


def test_whatever_one_removal_raises_the_others_are_carried_out(cleanup: Cleanup) -> None:
    removed: list[str] = []

    def fail() -> None:
        raise RuntimeError("unexpected")

    cleanup.add("first", "remove first", lambda: removed.append("first"))
    cleanup.add("broken", "remove broken", fail)
    cleanup.add("last", "remove last", lambda: removed.append("last"))
    (leftover,) = cleanup.run()

    assert removed == ["last", "first"]
    assert leftover.reason == "RuntimeError: unexpected"
    script = cleanup.script.read_text(encoding="utf-8")
    assert "remove broken" in script
    assert "remove first" not in script


def test_what_a_removal_records_is_removed_once_no_longer_in_use(cleanup: Cleanup) -> None:
    attempts = iter([_answer("DeleteConflictException"), _answer("DeleteConflictException"), None])
    removed: list[str] = []

    def delete_policy() -> None:
        if error := next(attempts):
            raise error
        removed.append("policy")

    def delete_certificate() -> None:
        cleanup.add("policy", "delete the policy", delete_policy)
        removed.append("certificate")

    cleanup.add("certificate", "delete the certificate", delete_certificate)

    assert cleanup.run() == []
    assert removed == ["certificate", "policy"]
    assert not cleanup.script.exists()


def test_what_appears_late_is_looked_for_twice(cleanup: Cleanup) -> None:
    calls: list[str] = []

    def delete(name: str, absent: int) -> None:
        calls.append(name)
        if calls.count(name) <= absent:
            raise _answer("ResourceNotFoundException")

    cleanup.add("CA", "delete the CA", lambda: delete("CA", 1))
    for name, absent in {"late": 1, "never": 9}.items():
        remove = partial(delete, name, absent)
        cleanup.add(name, f"delete {name}", remove, appears_late=True)

    assert cleanup.run() == []
    assert calls == ["never", "late", "CA", "never", "late"]


def test_a_policy_that_stays_in_use_is_left_over(cleanup: Cleanup) -> None:
    def refuse() -> None:
        raise _answer("DeleteConflictException")

    cleanup.add("policy", "delete the policy", refuse)

    assert [leftover.removal.what for leftover in cleanup.run()] == ["policy"]
    assert "delete the policy" in cleanup.script.read_text(encoding="utf-8")


def test_the_script_deletes_policies_last_and_again_while_aws_refuses(tmp_path: Path) -> None:
    core = botocore.session.Session()
    account = AwsAccount("ACCOUNT-1", "dev", "eu-west-1", "1" * 12, "aws", core, SOON)
    run = Run("iot-ca-acc-1", tmp_path, Cleanup(tmp_path / "remove.sh", SOON))
    run.remove_device_certificate(account, ID)
    run.remove_policy(account, "hash")
    for name, text in {"aws": AWS, "sleep": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text, encoding="ascii")
        (tmp_path / name).chmod(0o755)

    subprocess.run(
        ["/bin/sh", "remove.sh"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
    )

    prefix = "--profile dev --region eu-west-1 iot "
    calls = (tmp_path / "calls").read_text(encoding="ascii").splitlines()
    operations = [call.removeprefix(prefix).split()[0] for call in calls]
    assert operations == [
        "list-attached-policies",
        "detach-policy",
        "list-principal-things",
        "update-certificate",
        "delete-certificate",
        "delete-policy",
        "delete-policy",
    ]
