"""CloudWatch's alarms."""

from __future__ import annotations

from typing import Any

from tests.support.sandbox.clients import REGION, Clients


def create(cloudwatch: Any, name: str, state: str) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/IoT",
        MetricName="m",
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def test_alarms_are_filtered_by_prefix_and_state(aws: Clients, account: str) -> None:
    cloudwatch = aws.kept("cloudwatch", account, REGION)
    for name, state in (("iot-a", "ALARM"), ("iot-b", "OK"), ("other", "ALARM")):
        create(cloudwatch, name, state)

    def names(**filters: str) -> list[str]:
        alarms = cloudwatch.describe_alarms(**filters)["MetricAlarms"]
        return sorted(alarm["AlarmName"] for alarm in alarms)

    assert names(AlarmNamePrefix="iot-", StateValue="ALARM") == ["iot-a"]
    assert names(AlarmNamePrefix="iot-") == ["iot-a", "iot-b"]
    assert names(StateValue="ALARM") == ["iot-a", "other"]
