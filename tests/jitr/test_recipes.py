"""The commands in the module's README, as they are written there, against a sandbox."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from sandbox.control import start
from tests.e2e.support import Account, new_ca
from tests.jitr.conftest import FUNCTION, POLICY, REGION

ACCOUNT = "111122223333"
README = FUNCTION.parent / "README.md"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
    ],
}


def recipe(command: str) -> str:
    """The block of shell in the README that has a command in it."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    (found,) = [block for block in blocks if command in block]
    return str(found)


def package() -> bytes:
    """The function's package, as Terraform makes it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(FUNCTION.glob("*.py")):
            archive.write(path, f"jitr/{path.name}")
    return data.getvalue()


def deploy(there: Account, ca_id: str) -> str:
    """Make the function for a CA, with its settings and a role; its name."""
    there.iot.create_policy(policyName=POLICY, policyDocument=json.dumps(EVERYTHING))
    role = there.iam.create_role(RoleName="jitr", AssumeRolePolicyDocument=json.dumps(LAMBDA))
    there.iam.put_role_policy(
        RoleName="jitr", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )
    made = there.client("lambda").create_function(
        FunctionName="iot-jitr-root",
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="jitr.handler.handler",
        Code={"ZipFile": package()},
        Environment={
            "Variables": {
                "JITR_CA_CERTIFICATE_ID": ca_id,
                "JITR_CA_CERTIFICATE_MODE": "SNI_ONLY",
                "JITR_POLICY_NAME": POLICY,
            }
        },
    )
    return str(made["FunctionName"])


def test_devices_whose_event_reached_nobody_are_let_in(tmp_path: Path) -> None:
    ca, other = new_ca("ours"), new_ca("theirs")
    with start(run_functions=True) as sandbox:
        there = Account(sandbox, ACCOUNT, REGION)
        there.register(ca)
        there.register(other)
        # There is no rule yet: AWS IoT tells nobody.
        ids = {name: there.meet(ca, name, tmp_path).id for name in ("first", "second", "refused")}
        ids["another"] = there.meet(other, "another", tmp_path).id
        there.iot.update_certificate(certificateId=ids["refused"], newStatus="INACTIVE")
        inherited = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

        subprocess.run(
            ["sh", "-eu", "-c", recipe("list-certificates-by-ca")],
            cwd=tmp_path,
            env={
                **inherited,
                **sandbox.environment(ACCOUNT, REGION),
                "PATH": path,
                "CA": ca.id,
                "FUNCTION": deploy(there, ca.id),
            },
            capture_output=True,
            check=True,
        )

        sandbox.settle()
        status = {
            name: there.iot.describe_certificate(certificateId=each)["certificateDescription"][
                "status"
            ]
            for name, each in ids.items()
        }
    assert status == {
        "first": "ACTIVE",
        "second": "ACTIVE",
        "refused": "INACTIVE",
        "another": "PENDING_ACTIVATION",
    }
