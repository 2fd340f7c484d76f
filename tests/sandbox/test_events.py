"""Event configurations."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.iot.events import TYPES
from tests.support.sandbox.clients import TWO, Clients
from tests.support.sandbox.refusals import refused


def enabled(iot: Any) -> set[str]:
    """The types that are enabled; all others are answered, too."""
    answered = iot.describe_event_configurations()["eventConfigurations"]
    assert set(answered) == set(TYPES)
    return {name for name, configuration in answered.items() if configuration["Enabled"]}


def test_an_update_changes_the_named_types_in_one_account(aws: Clients) -> None:
    iot = aws.iot()
    assert enabled(iot) == set()
    assert "creationDate" not in iot.describe_event_configurations()
    both = {"THING": {"Enabled": True}, "CA_CERTIFICATE": {"Enabled": True}}
    iot.update_event_configurations(eventConfigurations=both)
    iot.update_event_configurations(eventConfigurations={"THING": {"Enabled": False}})
    assert enabled(iot) == {"CA_CERTIFICATE"}
    answer = iot.describe_event_configurations()
    assert answer["creationDate"] <= answer["lastModifiedDate"]
    assert enabled(aws.iot(TWO)) == set()


@pytest.mark.parametrize("document", [{"CERTIFICATES": {}}, {"THING": {"Enabled": "yes"}}])
def test_what_is_no_event_configuration_is_refused(aws: Clients, document: Any) -> None:
    with refused("InvalidRequestException"):
        aws.iot().update_event_configurations(eventConfigurations=document)
    assert enabled(aws.iot()) == set()
