"""The aws provider's own resources, with a real Terraform: create, plan, update, destroy.

None of these resources was written with the sandbox in mind, so what they expect of AWS is an
independent check of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.openssl import openssl_root, openssl_verification
from tests.support.sandbox.clients import BODY, ONE, REGION, TWO, Clients
from tools.engine.terraform import Terraform

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "role_in_two" {}
variable "ca_pem" {}
variable "verification_pem" {}
variable "active" { default = true }
variable "auto_registration" { default = true }
variable "description" { default = "First" }
variable "template_body" {}
variable "tags" { default = { team = "a" } }

provider "aws" {}

provider "aws" {
  alias = "two"
  assume_role {
    role_arn    = var.role_in_two
    external_id = "example"
  }
}

data "aws_caller_identity" "two" { provider = aws.two }
data "aws_iot_registration_code" "one" {}

resource "aws_iam_role" "provisioning" {
  name = "provisioning"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "iot.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "provisioning" {
  role       = aws_iam_role.provisioning.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
}

resource "aws_iot_provisioning_template" "fleet" {
  name                  = "fleet"
  type                  = "JITP"
  description           = var.description
  enabled               = true
  provisioning_role_arn = aws_iam_role.provisioning.arn
  template_body         = var.template_body
  tags                  = var.tags
  depends_on            = [aws_iam_role_policy_attachment.provisioning]
}

resource "aws_iot_ca_certificate" "default" {
  active                       = var.active
  allow_auto_registration      = var.auto_registration
  ca_certificate_pem           = var.ca_pem
  verification_certificate_pem = var.verification_pem
  certificate_mode             = "DEFAULT"
  tags                         = var.tags

  registration_config {
    template_name = aws_iot_provisioning_template.fleet.name
  }
}

resource "aws_iot_ca_certificate" "sni_only" {
  provider                = aws.two
  active                  = var.active
  allow_auto_registration = var.auto_registration
  ca_certificate_pem      = var.ca_pem
  certificate_mode        = "SNI_ONLY"
}

output "account_two" { value = data.aws_caller_identity.two.account_id }
output "code" { value = data.aws_iot_registration_code.one.registration_code }
output "id" { value = aws_iot_ca_certificate.default.id }
output "arn" { value = aws_iot_ca_certificate.default.arn }
output "not_after" { value = aws_iot_ca_certificate.default.validity[0].not_after }
"""

SIGNERS = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {}

resource "aws_kms_key" "ca" {
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
}

resource "aws_kms_alias" "ca" {
  name          = "alias/ca"
  target_key_id = aws_kms_key.ca.key_id
}

data "aws_kms_public_key" "ca" {
  key_id = aws_kms_alias.ca.arn
}

resource "aws_kms_key" "secrets" {}

resource "aws_secretsmanager_secret" "ca" {
  name       = "ca"
  kms_key_id = aws_kms_key.secrets.arn
  tags       = { team = "a" }
}

resource "aws_secretsmanager_secret_version" "ca" {
  secret_id     = aws_secretsmanager_secret.ca.id
  secret_string = "key"
}

resource "aws_secretsmanager_secret_policy" "ca" {
  secret_arn = aws_secretsmanager_secret.ca.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::222222222222:root" }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
    }]
  })
}

resource "aws_acmpca_certificate_authority" "root" {
  type = "ROOT"
  certificate_authority_configuration {
    key_algorithm     = "EC_prime256v1"
    signing_algorithm = "SHA256WITHECDSA"
    subject {
      common_name = "Root"
    }
  }
}

resource "aws_acmpca_certificate" "root" {
  certificate_authority_arn   = aws_acmpca_certificate_authority.root.arn
  certificate_signing_request = aws_acmpca_certificate_authority.root.certificate_signing_request
  signing_algorithm           = "SHA256WITHECDSA"
  template_arn                = "arn:aws:acm-pca:::template/RootCACertificate/V1"
  validity {
    type  = "YEARS"
    value = 10
  }
}

resource "aws_acmpca_certificate_authority_certificate" "root" {
  certificate_authority_arn = aws_acmpca_certificate_authority.root.arn
  certificate               = aws_acmpca_certificate.root.certificate
  certificate_chain         = aws_acmpca_certificate.root.certificate_chain
}

resource "aws_acmpca_policy" "root" {
  resource_arn = aws_acmpca_certificate_authority_certificate.root.certificate_authority_arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "222222222222" }
      Action    = ["acm-pca:GetCertificate", "acm-pca:IssueCertificate"]
      Resource  = aws_acmpca_certificate_authority.root.arn
    }]
  })
}

resource "aws_iot_thing_group" "group" {
  name = "fleet"
  properties {
    description = "Sensors"
  }
  tags = { team = "a" }
}

output "public_key" { value = data.aws_kms_public_key.ca.public_key_pem }
output "secret" { value = aws_secretsmanager_secret.ca.arn }
output "ca" { value = aws_acmpca_policy.root.resource_arn }
"""


@pytest.fixture
def terraform(workspace: Terraform) -> Terraform:
    """A Terraform in account ONE, in a folder with CONFIGURATION."""
    workspace.write(CONFIGURATION)
    workspace.init()
    return workspace


@pytest.fixture
def account() -> str:
    """The account that `workspace` works in."""
    return ONE


@pytest.fixture
def region() -> str:
    """The region that `workspace` works in."""
    return REGION


@pytest.fixture
def role_in_two(aws: Clients) -> str:
    """A role of account TWO that account ONE may assume with an external ID."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ONE}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "example"}},
    }
    return aws.role(TWO, "deploy", json.dumps({"Version": "2012-10-17", "Statement": [trust]}))


def variables(terraform: Terraform, **values: Any) -> None:
    (terraform.folder / "terraform.tfvars.json").write_text(json.dumps(values))


def assert_nothing_left(aws: Clients) -> None:
    for account in (ONE, TWO):
        assert aws.iot(account).list_ca_certificates()["certificates"] == []
    assert aws.iot().list_provisioning_templates()["templates"] == []
    assert aws.iam().list_roles()["Roles"] == []


@pytest.mark.one_engine("what the provider does is the same for both")
def test_create_plan_update_destroy(
    terraform: Terraform, sandbox: Sandbox, aws: Clients, role_in_two: str, tmp_path: Path
) -> None:
    pem = openssl_root(tmp_path).read_text()
    code = aws.iot().get_registration_code()["registrationCode"]
    values: dict[str, Any] = {
        "role_in_two": role_in_two,
        "ca_pem": pem,
        "verification_pem": openssl_verification(tmp_path, code).read_text(),
        "template_body": BODY,
    }
    variables(terraform, **values)
    terraform.apply()
    outputs = terraform.output()
    certificate_id = outputs["id"]
    assert outputs == {
        "account_two": TWO,
        "code": code,
        "id": certificate_id,
        "arn": f"arn:aws:iot:{REGION}:{ONE}:cacert/{certificate_id}",
        "not_after": outputs["not_after"],
    }
    one, two = (
        aws.iot(account).describe_ca_certificate(certificateId=certificate_id)
        for account in (ONE, TWO)
    )
    assert one["registrationConfig"] == {"templateName": "fleet"}
    assert one["certificateDescription"]["certificateMode"] == "DEFAULT"
    assert two["certificateDescription"]["certificateMode"] == "SNI_ONLY"
    sandbox.forget_calls()
    assert terraform.plan().status == 0
    assert sandbox.calls(write=True) == []

    changed = json.loads(BODY)
    changed["DeviceConfiguration"] = {"version": "2"}
    values |= {
        "active": False,
        "auto_registration": False,
        "description": "Second",
        "template_body": json.dumps(changed),
        "tags": {"team": "b", "more": "c"},
    }
    variables(terraform, **values)
    assert set(terraform.changes().values()) == {("update",)}
    terraform.apply()
    assert terraform.plan().status == 0
    template = aws.iot().describe_provisioning_template(templateName="fleet")
    assert (template["defaultVersionId"], template["description"]) == (2, "Second")
    described = aws.iot().describe_ca_certificate(certificateId=certificate_id)
    assert described["certificateDescription"]["status"] == "INACTIVE"
    assert described["certificateDescription"]["autoRegistrationStatus"] == "DISABLE"
    tags = aws.iot().list_tags_for_resource(resourceArn=outputs["arn"])["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "b", "more": "c"}

    terraform.destroy()
    assert_nothing_left(aws)


@pytest.mark.one_engine("what the provider does is the same for both")
def test_provider_retries_faults(
    terraform: Terraform, sandbox: Sandbox, aws: Clients, role_in_two: str, tmp_path: Path
) -> None:
    pem = openssl_root(tmp_path).read_text()
    code = aws.iot().get_registration_code()["registrationCode"]
    verification = openssl_verification(tmp_path, code).read_text()
    variables(
        terraform,
        role_in_two=role_in_two,
        ca_pem=pem,
        verification_pem=verification,
        template_body=BODY,
    )
    sandbox.fault("throttling", service="iam", operation="CreateRole")
    sandbox.fault("throttling", service="iot", operation="CreateProvisioningTemplate")
    sandbox.fault("error", code="InternalFailureException", operation="RegisterCACertificate")
    sandbox.fault("cut_before", operation="RegisterCACertificate", account=TWO)
    sandbox.fault("error", code="ServiceUnavailable", status=503, operation="GetCallerIdentity")
    terraform.apply()
    assert sandbox.faults() == []
    terraform.destroy()  # ACTIVE this time
    assert_nothing_left(aws)


@pytest.mark.one_engine("the calls are the provider's")
def test_resources_that_keep_keys(terraform: Terraform, sandbox: Sandbox, aws: Clients) -> None:
    (terraform.folder / "main.tf").write_text(SIGNERS)
    terraform.apply()
    sandbox.forget_calls()
    assert terraform.plan().status == 0
    assert sandbox.calls(write=True) == []
    outputs = terraform.output()
    assert outputs["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    value = aws.kept("secretsmanager", ONE).get_secret_value(SecretId=outputs["secret"])
    assert value["SecretString"] == "key"
    described = aws.kept("acm-pca", ONE).describe_certificate_authority(
        CertificateAuthorityArn=outputs["ca"]
    )
    assert described["CertificateAuthority"]["Status"] == "ACTIVE"
    tags = aws.iot().list_tags_for_resource(
        resourceArn=f"arn:aws:iot:{REGION}:{ONE}:thinggroup/fleet"
    )["tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
