"""Messages of validations: they name the CAs, also if the whole map is sensitive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tools.checkout import ROOT
from tools.engine.discovery import find_engines, oldest_engine
from tools.engine.terraform import Terraform, unwrapped
from tools.providers.environment import environment
from tools.providers.resolution import Providers

CERTIFICATE = {"Type": "AWS::IoT::Certificate"}
STATEMENT = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}


def jitp(**settings: str) -> dict[str, Any]:
    """A CA with JITP and these settings."""
    return {"certificate_pem": "PEM", "provisioning": {"type": "JITP", **settings}}


def template(**properties: object) -> str:
    """A template whose policy has these properties."""
    policy = {"Type": "AWS::IoT::Policy", "Properties": properties}
    return json.dumps({"Resources": {"certificate": CERTIFICATE, "policy": policy}})


# Faulty CAs by name, each with the beginning of the message about it.
FAULTS: dict[str, dict[str, tuple[object, str]]] = {
    ".": {
        "nothing": (None, "A CA must not be null"),
        "no-pem": ({"certificate_pem": None}, "certificate_pem is required"),
        "long-body": (
            jitp(template_body=template(PolicyName="x" * 10240)),
            "provisioning.template_body is longer",
        ),
        "no-certificate": (
            jitp(template_body='{"Resources": {"thing": {"Type": "AWS::IoT::Thing"}}}'),
            "provisioning.template_body has no resource of type",
        ),
        "no-name": (
            jitp(template_body=template()),
            "provisioning.template_body has an AWS::IoT::Policy",
        ),
        "object": (
            jitp(template_body=template(PolicyDocument={"Statement": STATEMENT})),
            "provisioning.template_body has a PolicyDocument",
        ),
        "no-policy": (jitp(device_policy="{}"), "provisioning.device_policy must be"),
        "long-policy": (
            jitp(device_policy=json.dumps({"Id": "x" * 2048, "Statement": STATEMENT})),
            "provisioning.device_policy is longer",
        ),
    },
    "modules/lookup": {
        "nothing": (None, "A CA must not be null"),
        "no-pem": ({"certificate_pem": None}, "certificate_pem is required"),
        "tags": (
            {"certificate_pem": "PEM", "tags": {str(number): "" for number in range(47)}},
            "A CA can carry at most 46 tags",
        ),
        "long-tag": (
            {"certificate_pem": "PEM", "tags": {"x" * 128: ""}},
            "AWS IoT allows 127 characters",
        ),
    },
}


@pytest.mark.parametrize("folder", FAULTS)
@pytest.mark.parametrize("age", ["newest", "oldest"])
def test_messages_name_the_cas_of_a_map_that_is_sensitive(
    folder: str, age: str, providers: Providers, tmp_path: Path
) -> None:
    # Before Terraform 1.8, nonsensitive() refuses a value that is not sensitive.
    engine = find_engines()[-1] if age == "newest" else oldest_engine()
    if isinstance(engine, str):
        pytest.skip(engine)
    faults = FAULTS[folder]
    (tmp_path / "variables").mkdir()
    shutil.copy(ROOT / folder / "variables.tf", tmp_path / "variables")
    values = json.dumps({name: authority for name, (authority, _) in faults.items()})
    (tmp_path / "values.json").write_text(values, encoding="utf-8")
    terraform = Terraform(tmp_path, engine, environment(providers))
    terraform.write(
        "".join(
            f"""
module "{name}" {{
  source                  = "./variables"
  certificate_authorities = {function}(jsondecode(file("${{path.module}}/values.json")))
}}
"""
            for name, function in (("secret", "sensitive"), ("plain", ""))
        )
    )
    terraform.init()

    said = unwrapped(terraform.run("plan", check=False).output)

    assert "will not be displayed" not in said, said
    for name, (_, message) in faults.items():
        about = [part.partition("This was checked")[0] for part in said.split(message)[1:]]
        assert len(about) == 2, said
        assert all(name in part for part in about), about
