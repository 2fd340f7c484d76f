"""An account and Region under test, opened by the name of an AWS profile.

What differs between AWS and anything that stands in for it comes from the profile, as for every
other AWS client: credentials, `endpoint_url`, `ca_bundle`. One more setting of a profile is ours:
`iot_ca_device_address = HOST:PORT` says where devices reach the data endpoint if its name does
not lead there (an interface endpoint in another VPC, a tunnel). The server name stays the
endpoint's.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import DEFAULT_CA_BUNDLE
from botocore.loaders import create_loader

from tests.support.aws_contract.patience import Patience

DEVICE_ADDRESS = "iot_ca_device_address"
_MQTT_PORT = 8883
_PEM = re.compile("-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----")
_SETTINGS = Config(
    user_agent_extra="iot-ca-acceptance",
    retries={"mode": "standard", "total_max_attempts": 8},
)
# The models of the services, which take longer to read than most calls do.
_LOADER = create_loader()


class UnusableProfile(Exception):
    """A profile that does not lead to an account, and why."""


@dataclass(frozen=True)
class Listener:
    """Where devices connect, the CA to trust, and the name to ask for (SNI)."""

    host: str
    port: int
    ca_pem: str
    server_name: str


@dataclass(frozen=True, eq=False)
class AwsAccount:
    """One account in one Region. `label` is its name in the report, which names no account."""

    label: str
    profile: str
    region: str
    number: str
    partition: str
    core: botocore.session.Session
    patience: Patience

    @functools.cache  # noqa: B019 - as many as there are profiles, for the whole run
    def client(self, service: str) -> Any:
        """Return the client of a service."""
        return _client(self.core, service, self.region)

    @property
    def iot(self) -> Any:
        """The client of AWS IoT."""
        return self.client("iot")

    @functools.cached_property
    def iot_once(self) -> Any:
        """A client of AWS IoT that retries nothing: botocore takes some refusals for throttling."""
        settings = _SETTINGS.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
        return _client(self.core, "iot", self.region, settings)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource of AWS IoT in this account and Region."""
        return f"arn:{self.partition}:iot:{self.region}:{self.number}:{resource}"

    @property
    def cli(self) -> str:
        """How a command of the AWS CLI for this account and Region begins."""
        return f"aws --profile {self.profile} --region {self.region}"

    @functools.cached_property
    def listener(self) -> Listener:
        """Where this account's devices connect."""
        name = self.iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
        settings = self.core.get_scoped_config()
        host, _, port = str(settings.get(DEVICE_ADDRESS, name)).partition(":")
        bundle = self.core.get_config_variable("ca_bundle") or DEFAULT_CA_BUNDLE
        # Without the text between the certificates, which need not be ASCII as `ssl` wants it.
        ca_pem = "\n".join(_PEM.findall(Path(bundle).read_text(encoding="utf-8")))
        return Listener(host, int(port or _MQTT_PORT), ca_pem, name)


def open_account(profile: str, region: str, label: str, patience: Patience) -> AwsAccount:
    """Return the account that a profile leads to. Raise UnusableProfile if there is none."""
    try:
        core = botocore.session.Session(profile=profile)
        core.register_component("data_loader", _LOADER)
        arn = _client(core, "sts", region).get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError) as error:
        raise UnusableProfile(f"profile {profile}: {error}") from None
    _, partition, _, _, number, _ = arn.split(":", 5)
    return AwsAccount(label, profile, region, number, partition, core, patience)


def _client(
    core: botocore.session.Session, service: str, region: str, settings: Config = _SETTINGS
) -> Any:
    session = boto3.Session(botocore_session=core)
    return session.client(  # type: ignore[call-overload]
        service, region_name=region, config=settings
    )
