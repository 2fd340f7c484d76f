"""Which event messages AWS IoT publishes in an account and Region."""

from __future__ import annotations

from iot_ca.aws.session import Account
from iot_ca.errors import Failure

EVENT_TYPE = "CA_CERTIFICATE"
DISABLED = (
    f"JITR needs events of the type {EVENT_TYPE}, which AWS IoT might not publish in this account "
    "and Region because they are disabled"
)


def jitr_warning(account: Account) -> str | None:
    """DescribeEventConfigurations: return a warning if the events are disabled that JITR needs.

    AWS IoT publishes an event on `$aws/events/certificates/registered/<CA>` for each certificate
    that it registers automatically. AWS's developer guide lists these among the messages that have
    to be enabled ("Event messages", "Table of AWS IoT event configuration settings"). Its pages on
    JITR do not mention that. None also if the answer can't be read, such as for lack of the
    permission: a warning must not make a plan fail.
    """
    try:
        iot = account.client("iot")
        with account.failures():
            types = iot.describe_event_configurations().get("eventConfigurations", {})
            is_enabled = bool(types.get(EVENT_TYPE, {}).get("Enabled"))
    except Failure:
        return None
    if is_enabled:
        return None
    return (
        f"{DISABLED}; enable them: aws iot "
        f"update-event-configurations --region {account.target.region} --event-configurations "
        f"""'{{"{EVENT_TYPE}":{{"Enabled":true}}}}'"""
    )
