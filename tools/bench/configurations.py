"""The configurations whose plans are compared: with this module, and with the provider's resource.

Both do the same with CAs of the same kind. Where a stand-in serves hashicorp/external, its start
counts on both sides: the other one gets an external data source that does nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OURS = """\
module "iot_ca" {{
  source = {source}
  region = {region}

  certificate_authorities = {{
    for file in fileset(path.module, "*.pem") : trimsuffix(file, ".pem") => {{
      certificate_pem = file(file)
      provisioning    = {{ type = "{provisioning}" }}
    }}
  }}

  tags = {{ project = "bench" }}
}}
"""

THEIRS = """\
resource "aws_iot_ca_certificate" "bench" {{
  for_each = fileset(path.module, "*.pem")

  ca_certificate_pem      = file(each.value)
  certificate_mode        = "SNI_ONLY"
  active                  = true
  allow_auto_registration = true
  tags                    = {{ project = "bench" }}
{registration_config}}}
"""

REGISTRATION_CONFIG = """\

  registration_config {
    template_name = aws_iot_provisioning_template.bench.name
  }
"""

# What modules/jitp makes, by hand. Without the certificate ID: the provider knows it too late.
TEMPLATE = """
resource "aws_iam_role" "bench" {
  name_prefix = "bench-"
  tags        = { project = "bench" }

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "bench" {
  role       = aws_iam_role.bench.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
}

resource "aws_iot_provisioning_template" "bench" {
  name                  = "bench"
  type                  = "JITP"
  enabled               = true
  provisioning_role_arn = aws_iam_role.bench.arn
  tags                  = { project = "bench" }

  template_body = jsonencode({
    Parameters = {
      "AWS::IoT::Certificate::CommonName" = { Type = "String" }
      "AWS::IoT::Certificate::Id"         = { Type = "String" }
    }
    Resources = {
      thing = {
        Type       = "AWS::IoT::Thing"
        Properties = { ThingName = { Ref = "AWS::IoT::Certificate::CommonName" } }
      }
      certificate = {
        Type = "AWS::IoT::Certificate"
        Properties = {
          CertificateId = { Ref = "AWS::IoT::Certificate::Id" }
          Status        = "ACTIVE"
        }
      }
      policy = {
        Type = "AWS::IoT::Policy"
        Properties = {
          PolicyDocument = jsonencode({
            Version = "2012-10-17"
            Statement = [{
              Effect   = "Allow"
              Action   = "iot:Connect"
              Resource = "arn:aws:iot:*:*:client/$${iot:Connection.Thing.ThingName}"
            }]
          })
        }
      }
    }
  })

  depends_on = [aws_iam_role_policy_attachment.bench]
}
"""

TRIVIAL_EXTERNAL = """
data "external" "nothing" {
  program = ["sh", "-c", "echo {}"]
}
"""

VERSIONS = """
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws" }}
{external}  }}
}}
"""


@dataclass(frozen=True)
class BenchCase:
    """How many CAs, and whether devices are provisioned just in time."""

    count: int
    jitp: bool

    def __str__(self) -> str:
        return f"{self.count} CA{'s' if self.count > 1 else ''}{' with JITP' if self.jitp else ''}"


def write_ours(folder: Path, case: BenchCase, source: str, region: str) -> None:
    """The configuration that uses this module, found at `source`."""
    provisioning = "JITP" if case.jitp else "NONE"
    settings = {"source": json.dumps(source), "region": json.dumps(region)}
    text = OURS.format(**settings, provisioning=provisioning)
    _write(folder, case, text)


def write_theirs(folder: Path, case: BenchCase, external: bool) -> None:
    """The same with the provider's resource; `external` adds the data source that does nothing."""
    text = THEIRS.format(registration_config=REGISTRATION_CONFIG if case.jitp else "")
    text += TEMPLATE if case.jitp else ""
    text += TRIVIAL_EXTERNAL if external else ""
    source = '    external = { source = "hashicorp/external" }\n' if external else ""
    _write(folder, case, text + VERSIONS.format(external=source))


def make_ca(name: str) -> str:
    """A CA certificate as PEM, its subject its own: AWS allows ten with the same."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _write(folder: Path, case: BenchCase, text: str) -> None:
    folder.mkdir(parents=True)
    for number in range(case.count):
        pem = make_ca(f"Bench CA {number}")
        (folder / f"bench-{number:02d}.pem").write_text(pem, encoding="ascii")
    (folder / "main.tf").write_text(text, encoding="utf-8")
