"""What the module makes of its input: defaults, the provider's default tags, sensitive values."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sandbox.control import Sandbox
from tests.support.certificates import new_ca
from tests.support.terraform.stack import Stack
from tools.engine.terraform import Terraform

NAMES = ["jitp", "jitr", "own-answer", "plain", "misspelled"]


@pytest.mark.one_engine("a default is the same in both")
def test_only_a_ca_with_provisioning_registers_devices(stack: Stack) -> None:
    """Otherwise the certificates of new devices would stay PENDING_ACTIVATION."""
    cas = {name: new_ca(name) for name in NAMES}
    settings: dict[str, dict[str, object]] = {
        "jitp": {"provisioning": {"type": "JITP"}},
        "jitr": {"provisioning": {"type": "JITR"}},
        "own-answer": {"auto_registration": True},
        "plain": {},
        "misspelled": {"provisionig": {"type": "JITP"}},
    }
    stack.want({name: {"certificate_pem": cas[name].pem, **settings[name]} for name in NAMES})

    applied = stack.apply()

    registering = {
        name for name in NAMES if stack.account.see(cas[name].id).auto_registration == "ENABLE"
    }
    assert registering == {"jitp", "jitr", "own-answer"}
    outputs = applied.outputs["certificate_authorities"]
    assert registering == {
        name for name in NAMES if outputs[name]["auto_registration_status"] == "ENABLE"
    }
    assert stack.plan().status == 0


def _default_tags(tags: Sequence[str]) -> str:
    return "default_tags {\n    tags = {\n" + "\n".join(tags) + "\n    }\n  }"


@pytest.mark.one_engine("the provider hands its default tags on, whichever Terraform asks")
def test_default_tags_reach_the_cas_like_other_resources(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str
) -> None:
    def stack(*tags: str) -> Stack:
        return Stack(
            workspace,
            sandbox,
            account,
            region,
            provider=_default_tags(tags),
            arguments='tags = { stage = "of the module", team = "of the module" }',
        )

    cas = {name: new_ca(name) for name in ("jitp", "jitr", "plain")}
    wanted = {
        "jitp": {"provisioning": {"type": "JITP"}, "tags": {"team": "of the CA"}},
        "jitr": {"provisioning": {"type": "JITR"}, "tags": {"team": "of the CA"}},
        "plain": {},
    }
    configuration = {name: {"certificate_pem": cas[name].pem, **wanted[name]} for name in cas}
    created = stack('cost = "12"', 'stage = "of the provider"', 'team = "of the provider"')
    created.want(configuration)

    created.apply()

    tags = {"cost": "12", "stage": "of the module", "team": "of the CA"}
    assert created.account.see(cas["jitp"].id).user_tags == tags
    assert created.account.see(cas["plain"].id).user_tags == {**tags, "team": "of the module"}
    for arn in _provisioning_arns(created):
        listed = created.account.iot.list_tags_for_resource(resourceArn=arn)["tags"]
        observed_tags = {tag["Key"]: tag.get("Value") for tag in listed}
        assert tags.items() <= observed_tags.items()
    assert created.plan().status == 0

    changed = stack('cost = "13"')
    changed.want(configuration)
    changed.apply()
    assert changed.account.see(cas["plain"].id).user_tags["cost"] == "13"
    assert changed.plan().status == 0

    changed.account.tag(cas["plain"], {"cost": "0"})
    drifted = changed.plan()
    assert any("tag cost is 0, wanted 13" in line for line in drifted.warning("plain"))
    changed.apply()
    assert changed.account.see(cas["plain"].id).user_tags["cost"] == "13"

    removed = stack()
    removed.want(configuration)
    removed.apply()
    assert "cost" not in removed.account.see(cas["plain"].id).user_tags
    assert removed.plan().status == 0


def _provisioning_arns(stack: Stack) -> list[str]:
    iot = stack.account.iot
    template = iot.describe_provisioning_template(templateName="jitp")["templateArn"]
    return [template, iot.get_policy(policyName="iot-jitr-jitr")["policyArn"]]


@pytest.mark.one_engine("preconditions are older than both engines")
@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (['"iot-ca:owner" = "me"'], "Tag keys must not begin with"),
        ([f'"tag {number}" = ""' for number in range(46)], "can carry at most 46 tags"),
        ([f'key = "{"v" * 256}"'], "AWS IoT allows 127 characters in the key of a tag and 255"),
        (['"key#" = ""'], "default_tags among them, take letters, digits"),
    ],
    ids=["reserved", "number", "length", "character"],
)
def test_default_tags_that_aws_iot_refuses_are_refused_in_the_plan(
    workspace: Terraform,
    sandbox: Sandbox,
    account: str,
    region: str,
    tags: list[str],
    message: str,
) -> None:
    stack = Stack(workspace, sandbox, account, region, provider=_default_tags(tags))
    stack.want({"root": {"certificate_pem": new_ca().pem, "tags": {"one": "more"}}})

    refused = stack.plan(fails=True)

    assert any(message in line for line in refused.errors), refused.errors
    assert refused.writes == []


SENSITIVE = {
    "a certificate": """{
    root   = { certificate_pem = sensitive(file("root.pem")), provisioning = { type = "JITP" } }
    second = { certificate_pem = sensitive(file("second.pem")) }
  }""",
    "a map": """{
    for name in sensitive(["root", "second"]) : name => {
      certificate_pem = file("${name}.pem")
      provisioning    = { type = name == "root" ? "JITP" : "NONE" }
    }
  }""",
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("a certificate", marks=pytest.mark.one_engine("it is sensitive as a map is")),
        "a map",
    ],
)
def test_every_message_appears_for_a_sensitive_certificate(
    workspace: Terraform, sandbox: Sandbox, account: str, region: str, what: str
) -> None:
    cas = {name: new_ca(name) for name in ("root", "second")}

    def write(**texts: str) -> None:
        for name, text in texts.items():
            workspace.write(text, f"{name}.pem")

    write(root=cas["root"].pem, second=cas["second"].pem)
    stack = Stack(
        workspace, sandbox, account, region, authorities=SENSITIVE[what], arguments=LONG_WARNING
    )

    applied = stack.apply()
    assert "sensitive" not in " ".join(applied.warnings)
    unchanged = stack.plan()
    assert unchanged.status == 0
    assert "sensitive" not in " ".join(unchanged.warnings)
    assert any("expires at" in line for line in unchanged.warning("root"))

    stack.account.update(cas["root"], newStatus="INACTIVE")
    drifted = stack.plan()
    assert "sensitive" not in " ".join(drifted.warnings)
    assert any("status is INACTIVE" in line for line in drifted.warning("root"))

    write(second=new_ca("second").pem)
    refused = stack.plan(fails=True)
    assert any(
        line.startswith("second: certificate_pem is not the certificate") for line in refused.errors
    )
    assert "sensitive" not in " ".join(refused.errors)

    write(second="garbage")
    assert "holds no PEM certificate" in stack.plan(fails=True).error("second")

    write(second="-----BEGIN PRIVATE KEY-----")
    refused = stack.plan(fails=True)
    assert any("certificate_pem holds a private key" in line for line in refused.errors)


LONG_WARNING = "expiry_warning_days = 3650"


@pytest.mark.one_engine("validations mean the same in both")
def test_a_certificate_that_is_null_is_refused_by_name(stack: Stack) -> None:
    stack.want({"root": {"certificate_pem": None}, "other": {"certificate_pem": new_ca().pem}})

    refused = stack.plan(fails=True)

    assert any(
        "certificate_pem is required. It is null for root" in line for line in refused.errors
    )
    assert not any("Invalid function argument" in line for line in refused.errors)
    assert refused.writes == []
