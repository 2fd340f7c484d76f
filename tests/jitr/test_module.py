"""What the module gives the function is what the function takes, and no more than it needs."""

from __future__ import annotations

import re
import zipfile

from modules.jitr.function import handler as entry
from modules.jitr.function.hook import PAUSES
from modules.jitr.function.metrics import DEVICES_REFUSED, NAMESPACE
from modules.jitr.function.settings import Settings, read_settings
from modules.jitr.function.subject import FIELDS
from modules.jitr.function.things import THING_NAME
from tests.support.hcl import text
from tests.support.jitr.fleet import FUNCTION

MODULE = text("modules/jitr")
KINDS = ("jitr", "jitp")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(FUNCTION.glob("*.py")))


def block(start: str, document: str = MODULE) -> str:
    """A block of a module's files, from its first line to the brace that ends it."""
    match = re.search(rf"^( *){re.escape(start)}.*?^\1}}", document, re.DOTALL | re.MULTILINE)
    assert match, start
    return match.group()


def test_the_permissions_are_exactly_those_of_the_functions_calls() -> None:
    granted = set(re.findall(r'"iot:(\w+)"', block('resource "aws_iam_role_policy" "function"')))
    called = re.findall(r"\biot\.(\w+)\(", SOURCE)
    assert granted == {"".join(word.title() for word in call.split("_")) for call in called}


def test_the_function_reads_exactly_the_settings_of_the_module() -> None:
    settings = set(re.findall(r"^ *(JITR_\w+) +=", MODULE, re.MULTILINE))
    assert settings == set(re.findall(r'"(JITR_\w+)"', SOURCE))
    assert len(settings) == len(Settings.__dataclass_fields__)


def test_a_setting_that_the_module_omits_has_the_functions_default() -> None:
    needed = {
        "JITR_CA_CERTIFICATE_ID": "1f1a",
        "JITR_CA_CERTIFICATE_MODE": "DEFAULT",
        "JITR_ACCOUNT_ID": "111122223333",
        "JITR_POLICY_NAME": "p",
    }
    optional = dict.fromkeys(
        ("JITR_THING_TYPE_NAME", "JITR_HOOK_FUNCTION_ARN", "JITR_SUBJECT_ATTRIBUTES"), ""
    )
    wanted = Settings("1f1a", "DEFAULT", "111122223333", "p")
    assert read_settings(needed) == read_settings({**needed, **optional}) == wanted
    everything = {
        "JITR_THING_TYPE_NAME": "t",
        "JITR_SUBJECT_ATTRIBUTES": '{"a": "Country"}',
        "JITR_HOOK_FUNCTION_ARN": "arn",
        "JITR_ON_REFUSAL": "REVOKED",
        "JITR_ON_PERMANENT_FAILURE": "KEEP",
    }
    assert read_settings({**needed, **everything}) == Settings(
        "1f1a", "DEFAULT", "111122223333", "p", "t", {"a": "Country"}, "arn", "REVOKED", "KEEP"
    )


def test_the_module_lets_through_the_fields_that_the_function_reads() -> None:
    (allowed,) = re.findall(r"contains\(\[([^\]]*)\], field\)", MODULE)
    assert set(re.findall(r'"(\w+)"', allowed)) == set(FIELDS.values())


def test_the_function_has_time_for_a_slow_hook_and_a_throttled_aws() -> None:
    timeout = int(re.findall(r"^  timeout += (\d+)$", MODULE, re.MULTILINE)[0])
    hook = entry.HOOK.read_timeout + entry.HOOK.connect_timeout  # type: ignore[attr-defined]
    assert sum(PAUSES) + hook < timeout / 2
    assert f"within {entry.HOOK.read_timeout} seconds" in " ".join(  # type: ignore[attr-defined]
        (FUNCTION.parent / "README.md").read_text(encoding="utf-8").split()
    )


def test_the_alarm_is_about_the_metric_that_the_function_writes() -> None:
    alarm = block('resource "aws_cloudwatch_metric_alarm" "refused"')
    assert f'"{NAMESPACE}"' in alarm
    assert f'"{DEVICES_REFUSED}"' in alarm
    # The dimension is the name that Lambda gives the function in its context.
    assert re.search(r"dimensions += \{ FunctionName = local\.name \}", alarm)
    function = block('resource "aws_lambda_function" "function"')
    assert re.search(r"function_name += local\.name", function)


def test_the_entry_point_is_in_the_package() -> None:
    assert 'handler = "jitr.handler.handler"' in re.sub(r" +", " ", MODULE)
    with zipfile.ZipFile(FUNCTION.parent / "function.zip") as archive:
        assert "jitr/handler.py" in archive.namelist()
    assert callable(entry.handler)


def test_the_function_needs_nothing_that_lambda_does_not_bring() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", SOURCE, re.MULTILINE))
    assert imported <= {
        *("__future__", "base64", "binascii", "collections", "dataclasses", "functools", "json"),
        *("os", "random", "re", "time", "typing", "unicodedata", "boto3", "botocore"),
    }


def test_devices_may_do_the_same_by_jitr_as_by_jitp() -> None:
    ours, theirs = (block('module "device_policy"', text(f"modules/{kind}")) for kind in KINDS)
    assert ours == theirs
    assert 'source = "../_device_policy"' in ours
    for kind in KINDS:
        assert text(f"modules/{kind}").count("module.device_policy.document") == 1
        assert "iot:Connection" not in text(f"modules/{kind}")


def test_a_thing_and_its_type_have_the_same_letters() -> None:
    assert '"^[0-9A-Za-z:_-]{1,128}$", var.thing_type_name' in MODULE
    assert THING_NAME.pattern == "[a-zA-Z0-9:_-]{1,128}"
