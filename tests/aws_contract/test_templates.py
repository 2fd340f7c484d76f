"""Provisioning templates, their roles, and CAs that name them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from iot_ca.aws.retries import has_new_role
from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import (
    Answer,
    code_of,
    eventually,
    possible_refusal,
    refusal,
    words_of,
)
from tests.support.aws_contract.documents import template_body, trust
from tests.support.aws_contract.run import Run
from tests.support.aws_contract.sources import API, GUIDE, OPEN
from tests.support.certificates import CA

CREATE = f"{API}/API_CreateProvisioningTemplate.html"
JITP = f"{GUIDE}/jit-provisioning.html"
UPDATE = f"{API}/API_UpdateCACertificate.html"
# By then a change of a role is known everywhere.
ROLE_SECONDS = 30.0


@pytest.fixture(scope="module")
def role(run: Run, account: AwsAccount) -> str:
    """A role for provisioning."""
    return run.provisioning_role(account)


@pytest.fixture(scope="module")
def template(run: Run, account: AwsAccount, role: str) -> str:
    """A JITP template."""
    return run.template(account, role, template_body(account, run.prefix))


@pytest.fixture(scope="module")
def ca(run: Run, account: AwsAccount, template: str) -> CA:
    """A CA that was registered with the template."""
    ca = run.new_ca()
    run.register(account, ca, registrationConfig={"templateName": template})
    return ca


def _config(account: AwsAccount, ca: CA) -> dict[str, str]:
    described = account.iot.describe_ca_certificate(certificateId=ca.id)
    return {
        key: value for key, value in (described.get("registrationConfig") or {}).items() if value
    }


@pytest.mark.assumption(
    "A CA is registered with a JITP template by its name, and `DescribeCACertificate` answers it",
    source=JITP,
)
def test_register_with_a_template(
    account: AwsAccount, ca: CA, template: str, answer: Answer
) -> None:
    config = _config(account, ca)
    answer(", ".join(config) or "no registrationConfig")
    assert config == {"templateName": template}


@pytest.mark.assumption(
    "`ListCACertificates` lists the CAs of one template",
    source=f"{API}/API_ListCACertificates.html",
)
def test_list_by_template(account: AwsAccount, ca: CA, template: str, answer: Answer) -> None:
    def listed() -> list[Any]:
        page = account.iot.list_ca_certificates(templateName=template, pageSize=250)
        return [item["certificateId"] for item in page["certificates"]]

    ids = eventually(listed) or []
    answer(f"{len(ids)} CA")
    assert ids == [ca.id]


@pytest.mark.assumption(
    "`UpdateCACertificate` lets a CA have another template, and leaves the rest", source=UPDATE
)
def test_change_the_template(
    run: Run, account: AwsAccount, role: str, template: str, answer: Answer
) -> None:
    ca = run.new_ca()
    run.register(account, ca)
    account.iot.update_ca_certificate(
        certificateId=ca.id, registrationConfig={"templateName": template}
    )
    other = run.template(account, role, template_body(account, run.prefix, "second"))
    account.iot.update_ca_certificate(
        certificateId=ca.id, registrationConfig={"templateName": other}
    )
    described = account.iot.describe_ca_certificate(certificateId=ca.id)
    description = described["certificateDescription"]
    answer(f"{description['status']}, {description['autoRegistrationStatus']}, the new template")
    assert _config(account, ca) == {"templateName": other}
    assert (description["status"], description["autoRegistrationStatus"]) == ("ACTIVE", "ENABLE")


@pytest.mark.assumption(
    "`removeAutoRegistration` removes template and role; a second call enables auto-registration "
    "without a template",
    source=UPDATE,
)
def test_remove_the_template(run: Run, account: AwsAccount, template: str, answer: Answer) -> None:
    ca = run.new_ca()
    run.register(account, ca, registrationConfig={"templateName": template})
    account.iot.update_ca_certificate(certificateId=ca.id, removeAutoRegistration=True)
    removed = _config(account, ca)
    account.iot.update_ca_certificate(certificateId=ca.id, newAutoRegistrationStatus="ENABLE")
    described = account.iot.describe_ca_certificate(certificateId=ca.id)
    status = described["certificateDescription"]["autoRegistrationStatus"]
    answer(f"{'no' if not removed else 'a'} registrationConfig, then {status}")
    assert removed == {}
    assert (status, _config(account, ca)) == ("ENABLE", {})


@pytest.mark.assumption(
    "A template that does not exist is refused when a CA is registered with it",
    source=f"{API}/API_RegisterCACertificate.html",
)
def test_missing_template(run: Run, account: AwsAccount, answer: Answer) -> None:
    name = run.name("none")
    error = refusal(
        lambda: run.register(account, run.new_ca(), registrationConfig={"templateName": name})
    )
    answer(words_of(error))
    assert code_of(error) in {"InvalidRequestException", "ResourceNotFoundException"}


@pytest.mark.assumption(
    "A template of fleet provisioning is refused when a CA is registered with it", source=JITP
)
def test_template_of_another_type(run: Run, account: AwsAccount, role: str, answer: Answer) -> None:
    name = run.template(
        account, role, template_body(account, run.prefix), type="FLEET_PROVISIONING"
    )
    error = refusal(
        lambda: run.register(account, run.new_ca(), registrationConfig={"templateName": name})
    )
    answer(words_of(error))
    assert code_of(error) == "InvalidRequestException"


@pytest.mark.assumption(
    "A template's name has at most 36 characters, and is not enabled unless that is said",
    source=CREATE,
)
def test_name_and_default(run: Run, account: AwsAccount, role: str, answer: Answer) -> None:
    body = template_body(account, run.prefix)
    request = {"type": "JITP", "provisioningRoleArn": role, "templateBody": body}
    name = run.name("n").ljust(37, "x")

    def create_too_long() -> None:
        account.iot.create_provisioning_template(templateName=name, **request)
        run.remove_template(account, name)

    error = refusal(create_too_long)
    short = name[:36]
    run.remove_template(account, short)
    account.iot.create_provisioning_template(templateName=short, **request)
    described = account.iot.describe_provisioning_template(templateName=short)
    answer(f"37: {code_of(error)}; 36: created, enabled is {described['enabled']}")
    assert code_of(error) == "InvalidRequestException"
    assert described["enabled"] is False


@pytest.mark.assumption("A template without a certificate is refused", source=CREATE)
def test_template_without_a_certificate(
    run: Run, account: AwsAccount, role: str, answer: Answer
) -> None:
    body = (
        '{"Parameters": {"AWS::IoT::Certificate::CommonName": {"Type": "String"}}, "Resources": '
        '{"thing": {"Type": "AWS::IoT::Thing", "Properties": '
        '{"ThingName": {"Ref": "AWS::IoT::Certificate::CommonName"}}}}}'
    )
    name = run.name("t")
    run.remove_template(account, name)
    error = refusal(
        lambda: account.iot.create_provisioning_template(
            templateName=name, type="JITP", provisioningRoleArn=role, templateBody=body
        )
    )
    answer(words_of(error))
    assert code_of(error) == "InvalidRequestException"


@pytest.mark.assumption(
    "A role that AWS IoT can't assume is refused when a template is made with it",
    source=JITP,
)
def test_role_that_trusts_another_service(run: Run, account: AwsAccount, answer: Answer) -> None:
    role = run.role(account, trust("lambda.amazonaws.com"))
    name = run.name("t")
    run.remove_template(account, name)
    error = refusal(
        lambda: account.iot.create_provisioning_template(
            templateName=name,
            type="JITP",
            provisioningRoleArn=role,
            templateBody=template_body(account, run.prefix),
        )
    )
    answer(words_of(error))
    assert code_of(error) == "InvalidRequestException"


@pytest.mark.assumption(
    "A template that a CA names is not deleted, or the CA still names it afterwards (the module "
    "relies on neither: it removes the CA's template first)",
    source=OPEN,
)
def test_delete_a_template_in_use(run: Run, account: AwsAccount, role: str, answer: Answer) -> None:
    name = run.template(account, role, template_body(account, run.prefix))
    ca = run.new_ca()
    run.register(account, ca, registrationConfig={"templateName": name})
    try:
        account.iot.delete_provisioning_template(templateName=name)
    except account.iot.exceptions.ClientError as error:
        answer(words_of(error))
    else:
        answer("deleted")
    assert _config(account, ca) == {"templateName": name}


@pytest.mark.assumption(
    "A CA whose template has a role that AWS IoT can't assume is registered, or is refused with a "
    "message from which the program sees that a role is not known yet; so is its update",
    source=OPEN,
)
def test_ca_with_a_role_that_trusts_another_service(
    run: Run, account: AwsAccount, answer: Answer
) -> None:
    body = template_body(account, run.prefix)
    role = run.provisioning_role(account)
    name = run.template(account, role, body)
    account.client("iam").update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=trust("lambda.amazonaws.com")
    )
    account.patience.wait(ROLE_SECONDS)
    known = run.new_ca()
    run.register(account, known)

    for what, config in {
        "template": {"templateName": name},
        "body and role": {"templateBody": body, "roleArn": role},
    }.items():
        register = partial(run.register, account, run.new_ca())
        update = partial(account.iot.update_ca_certificate, certificateId=known.id)
        for operation, call in {"registration": register, "update": update}.items():
            answer(f"{what}, {operation}: {_taken_or_refused(call, config)}")


def _taken_or_refused(call: Callable[..., object], config: dict[str, str]) -> str:
    """Return how AWS IoT refuses a role, if it does; fail if the program does not recognize it."""
    error = possible_refusal(lambda: call(registrationConfig=config))
    if error is None:
        return "accepted"
    assert has_new_role(error.response), f"not recognized: {words_of(error)}"
    return words_of(error)
