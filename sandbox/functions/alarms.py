"""CloudWatch: alarms are filtered by all that is asked for.

Source: CloudWatch API reference, "DescribeAlarms". moto's own filters by the name's prefix or by
the state, not by both.
"""

from __future__ import annotations

from moto.cloudwatch.models import CloudWatchBackend as MotoCloudWatchBackend
from moto.cloudwatch.models import cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from sandbox.moto_service import ServedBackend


class AlarmOperations(CloudWatchResponse):
    """moto's operations."""

    def describe_alarms(self) -> ActionResult:
        """DescribeAlarms."""
        answer = super().describe_alarms()
        state = self._get_param("StateValue")
        if state is None:
            return answer
        assert isinstance(answer.result, dict)
        return ActionResult(
            {
                kind: [alarm for alarm in alarms if alarm.state_value == state]
                for kind, alarms in answer.result.items()
            }
        )


class CloudWatchBackend(ServedBackend, MotoCloudWatchBackend):
    """moto's backend, with these operations."""

    operations = AlarmOperations


def install() -> None:
    """Make moto use this module's alarms. Called before the first call of CloudWatch's API."""
    setattr(cloudwatch_backends, "backend", CloudWatchBackend)  # noqa: B010
