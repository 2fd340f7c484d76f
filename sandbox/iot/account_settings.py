"""What an account sets for AWS IoT as a whole: its log.

Sources: API reference, "SetV2LoggingOptions"; botocore's ``iot`` model (enumerations).
"""

from __future__ import annotations

from dataclasses import dataclass

LOG_LEVELS = ("DEBUG", "INFO", "ERROR", "WARN", "DISABLED")


@dataclass(frozen=True)
class LoggingOptions:
    """What AWS IoT logs, and the role that it writes under."""

    role_arn: str
    default_log_level: str = "ERROR"
    disable_all_logs: bool = False
