"""Logging options, which moto lacks: the operations."""

from __future__ import annotations

from dataclasses import replace

from moto.core.responses import ActionResult, EmptyResult

from sandbox.errors import AWSError
from sandbox.iot.account_settings import LOG_LEVELS, LoggingOptions
from sandbox.iot.operations.provisioning_templates import check_role
from sandbox.iot.operations.request import IoTRequest
from sandbox.iot.refusals import check_member, invalid_request


class AccountSettingsOperations(IoTRequest):
    """The operations on what an account sets for AWS IoT as a whole."""

    def get_v2_logging_options(self) -> ActionResult:
        """GetV2LoggingOptions; NotConfiguredException until they are set (API reference)."""
        options = self.backend.logging_options
        if options is None:
            raise AWSError("NotConfiguredException", "V2 logging options are not configured", 404)
        return ActionResult(
            {
                "roleArn": options.role_arn,
                "defaultLogLevel": options.default_log_level,
                "disableAllLogs": options.disable_all_logs,
            }
        )

    def set_v2_logging_options(self) -> ActionResult:
        """SetV2LoggingOptions. Members that aren't given stay as they are."""
        role_arn, level = self.text("roleArn"), self.text("defaultLogLevel")
        disabled = self.flag("disableAllLogs")
        options = self.backend.logging_options
        if role_arn is not None:
            check_role(role_arn, self.backend)
            options = replace(options or LoggingOptions(role_arn), role_arn=role_arn)
        if options is None:
            raise invalid_request("roleArn is needed until a role is set")
        if level is not None:
            check_member("defaultLogLevel", level, LOG_LEVELS)
            options = replace(options, default_log_level=level)
        if disabled is not None:
            options = replace(options, disable_all_logs=disabled)
        self.backend.logging_options = options
        return EmptyResult()
