"""All operations of AWS IoT. Those that are not here are moto's.

The server runs one call at a time, so that a check and the write after it are one step across
accounts too.
"""

from __future__ import annotations

from moto.iot.models import iot_backends

from sandbox.iot.backend import IoTBackend
from sandbox.iot.operations.account_settings import AccountSettingsOperations
from sandbox.iot.operations.authorization import AuthorizationOperations
from sandbox.iot.operations.ca_certificates import CaCertificateOperations
from sandbox.iot.operations.device_certificates import DeviceCertificateOperations
from sandbox.iot.operations.event_configurations import EventConfigurationOperations
from sandbox.iot.operations.provisioning_templates import (
    ProvisioningTemplateOperations,
    TemplateVersionOperations,
)
from sandbox.iot.operations.tags import TagOperations
from sandbox.iot.operations.thing_groups import ThingGroupOperations
from sandbox.iot.operations.transfers import TransferOperations


class IoTOperations(
    AccountSettingsOperations,
    AuthorizationOperations,
    CaCertificateOperations,
    DeviceCertificateOperations,
    EventConfigurationOperations,
    ProvisioningTemplateOperations,
    TagOperations,
    TemplateVersionOperations,
    ThingGroupOperations,
    TransferOperations,
):
    """All operations of AWS IoT."""


def install() -> None:
    """Make moto use the sandbox's AWS IoT."""
    IoTBackend.operations = IoTOperations
    iot_backends.backend = IoTBackend
