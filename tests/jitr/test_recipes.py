"""The runbook of JITR, docs/jitp-and-jitr.md, as it is written there, against a sandbox."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path

from sandbox.control import start
from tests.support.accounts import Account
from tests.support.certificates import new_ca
from tests.support.jitr.fleet import FUNCTION, POLICY, REGION
from tests.support.readmes import code_blocks
from tests.support.runbooks import run_runbook
from tools.checkout import ROOT
from tools.device import Device

ACCOUNT = "111122223333"
PAGE = (ROOT / "docs" / "jitp-and-jitr.md").read_text(encoding="utf-8")
RUNBOOK = PAGE.partition("\n## Runbook: an alarm of JITR")[2]
NAME = "factory-2025"
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
    """The block of shell in the runbook that has a command in it."""
    (block,) = [block for block in code_blocks(RUNBOOK, "sh") if command in block]
    return block


PACKAGE = FUNCTION.parent / "function.zip"


def deploy(account: Account, ca_id: str, **settings: str) -> str:
    """Make the function for a CA, with its settings and a role; its name."""
    account.iot.create_policy(policyName=POLICY, policyDocument=json.dumps(EVERYTHING))
    role = account.iam.create_role(RoleName="jitr", AssumeRolePolicyDocument=json.dumps(LAMBDA))
    account.iam.put_role_policy(
        RoleName="jitr", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING)
    )
    made = account.client("lambda").create_function(
        FunctionName=f"iot-jitr-{NAME}",
        Runtime="python3.12",
        Role=role["Role"]["Arn"],
        Handler="jitr.handler.handler",
        Code={"ZipFile": PACKAGE.read_bytes()},
        Environment={
            "Variables": {
                "JITR_CA_CERTIFICATE_ID": ca_id,
                "JITR_CA_CERTIFICATE_MODE": "SNI_ONLY",
                "JITR_ACCOUNT_ID": ACCOUNT,
                "JITR_POLICY_NAME": POLICY,
                **settings,
            }
        },
    )
    return str(made["FunctionName"])


def test_dead_letters_are_deleted_only_if_a_second_try_succeeds(tmp_path: Path) -> None:
    ca = new_ca()
    with start(run_functions=True) as sandbox:
        account = Account(sandbox, ACCOUNT, REGION)
        account.register(ca)
        devices = [account.meet(ca, name, tmp_path).id for name in ("first", "second", "third")]
        function = deploy(account, ca.id)
        lambdas, sqs = account.client("lambda"), account.client("sqs")
        queue = sqs.create_queue(QueueName=f"{function}-dead-letters")["QueueUrl"]
        lambdas.put_function_event_invoke_config(
            FunctionName=function,
            MaximumRetryAttempts=0,
            DestinationConfig={
                "OnFailure": {
                    "Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{function}-dead-letters"
                }
            },
        )
        account.iot.delete_policy(policyName=POLICY)
        for device in devices:
            event = json.dumps({"certificateId": device, "caCertificateId": ca.id})
            lambdas.invoke(FunctionName=function, InvocationType="Event", Payload=event)
        sandbox.settle()
        account.iot.create_policy(policyName=POLICY, policyDocument=json.dumps(EVERYTHING))

        def letters() -> tuple[str, str]:
            """How many can be had, and how many somebody has already."""
            names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible")]
            counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            return counts[names[0]], counts[names[1]]

        def status(device: str) -> str:
            described = account.iot.describe_certificate(certificateId=device)
            return str(described["certificateDescription"]["status"])

        # What the first block defines is what the others take.
        (tmp_path / "device-ca.pem").write_text(ca.pem)
        defined = recipe("get-queue-url")
        show = 'printf "%s\\n" "$FUNCTION" "$QUEUE" "$CA"'
        said = run_runbook(defined + show, account, tmp_path)
        assert said.splitlines() == [function, queue, ca.id]

        assert letters() == ("3", "0")
        sandbox.fault(
            "error", operation="AttachPolicy", skip=1, code="AccessDeniedException", status=403
        )
        said = run_runbook(defined + recipe("receive-message"), account, tmp_path)
        assert letters() == ("0", "1")
        (left,) = [device for device in devices if status(device) == "PENDING_ACTIVATION"]
        assert [status(device) for device in devices if device != left] == ["ACTIVE"] * 2
        assert said.count('"outcome": "activated"') == 2
        # One that can't be helped holds up no other, and the empty queue ends it without a call.
        kept = sorted(path.name for path in tmp_path.glob("letter-*.txt"))
        assert kept == ["letter-1.txt", "letter-2.txt", "letter-3.txt"]
        ((name, why),) = re.findall(r"^(letter-\d\.txt) has failed again: (.*)$", said, re.M)
        assert "AccessDeniedException" in json.loads(why)["errorMessage"]
        assert left in (tmp_path / name).read_text()

        block = recipe("update-certificate")
        assert "LETTER=letter-1.txt\n" in block
        run_runbook(defined + block.replace("letter-1.txt", name), account, tmp_path)
        assert letters() == ("0", "0")
        assert status(left) == "INACTIVE"

        # One that the rule wrote, which has the event in base64.
        encoded = base64.b64encode(json.dumps({"certificateId": devices[0]}).encode()).decode()
        (tmp_path / name).write_text(f'handle\n{{"base64OriginalPayload":"{encoded}"}}\n')
        known = (
            'aws() { test "$1" = sqs || command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
        )
        run_runbook(known + defined + block.replace("letter-1.txt", name), account, tmp_path)
        assert status(devices[0]) == "INACTIVE"


REFUSE = "def handler(event, context):\n    return {'allowProvisioning': False}\n"


def test_a_device_that_was_refused_is_looked_up_and_starts_over(tmp_path: Path) -> None:
    ca = new_ca()
    hook = io.BytesIO()
    with zipfile.ZipFile(hook, "w") as archive:
        archive.writestr("hook.py", REFUSE)
    with start(run_functions=True) as sandbox:
        account = Account(sandbox, ACCOUNT, REGION)
        account.register(ca)
        ids = [account.meet(ca, name, tmp_path).id for name in ("refused", "let-in")]
        hook_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hook"
        function = deploy(account, ca.id, JITR_HOOK_FUNCTION_ARN=hook_arn)
        lambdas = account.client("lambda")
        role = lambdas.get_function(FunctionName=function)["Configuration"]["Role"]
        lambdas.create_function(
            FunctionName="hook", Runtime="python3.12", Role=role, Handler="hook.handler",
            Code={"ZipFile": hook.getvalue()},
        )  # fmt: skip

        def call(device: str) -> None:
            event = json.dumps({"certificateId": device, "caCertificateId": ca.id})
            lambdas.invoke(FunctionName=function, Payload=event)

        call(ids[0])
        lambdas.update_function_configuration(
            FunctionName=function,
            Environment={
                "Variables": {
                    **lambdas.get_function(FunctionName=function)["Configuration"]["Environment"][
                        "Variables"
                    ],
                    "JITR_HOOK_FUNCTION_ARN": "",
                }
            },
        )
        call(ids[1])

        known = f"FUNCTION={function}\n"
        (line,) = run_runbook(known + recipe("filter-log-events"), account, tmp_path).splitlines()
        assert json.loads(line)["certificateId"] == ids[0]
        run_runbook(f"ID={ids[0]}\n" + recipe("delete-certificate"), account, tmp_path)

        device = Device(tmp_path / "refused.pem", tmp_path / "refused.key", "refused")
        host = account.iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        device.visit(sandbox.devices(REGION), host, attempts=1)
        described = account.iot.describe_certificate(certificateId=ids[0])["certificateDescription"]
    assert described["status"] == "PENDING_ACTIVATION"


def test_devices_with_a_lost_event_are_admitted(tmp_path: Path) -> None:
    ca, other = new_ca("ours"), new_ca("theirs")
    with start(run_functions=True) as sandbox:
        account = Account(sandbox, ACCOUNT, REGION)
        account.register(ca)
        account.register(other)
        # There is no rule yet: AWS IoT tells nobody.
        ids = {name: account.meet(ca, name, tmp_path).id for name in ("first", "second", "refused")}
        ids["another"] = account.meet(other, "another", tmp_path).id
        account.iot.update_certificate(certificateId=ids["refused"], newStatus="INACTIVE")
        function = deploy(account, ca.id)
        known = f"CA={ca.id} FUNCTION={function}\n"

        run_runbook(recipe("describe-event-configurations"), account, tmp_path)
        types = account.iot.describe_event_configurations()["eventConfigurations"]
        assert types["CA_CERTIFICATE"]["Enabled"]
        run_runbook(known + recipe("list-certificates-by-ca"), account, tmp_path)

        sandbox.settle()
        status = {
            name: account.iot.describe_certificate(certificateId=certificate_id)[
                "certificateDescription"
            ]["status"]
            for name, certificate_id in ids.items()
        }
    assert status == {
        "first": "ACTIVE",
        "second": "ACTIVE",
        "refused": "INACTIVE",
        "another": "PENDING_ACTIVATION",
    }


def test_the_package_is_uploaded_by_hand(tmp_path: Path) -> None:
    ca = new_ca()
    other_code = io.BytesIO()
    with zipfile.ZipFile(other_code, "w") as archive:
        archive.writestr("jitr/handler.py", "handler = None")
    with start() as sandbox:
        account = Account(sandbox, ACCOUNT, REGION)
        function = deploy(account, ca.id)
        functions = account.client("lambda")
        functions.update_function_code(FunctionName=function, ZipFile=other_code.getvalue())
        known = f"FUNCTION={function} FOLDER='{FUNCTION.parent}'\n"

        said = run_runbook(known + recipe("update-function-code"), account, tmp_path)

        deployed = functions.get_function(FunctionName=function)["Configuration"]["CodeSha256"]
    wanted = base64.b64encode(hashlib.sha256(PACKAGE.read_bytes()).digest()).decode()
    assert said.strip() == deployed == wanted
