"""The alarms that `status` looks for are those that the modules create."""

from __future__ import annotations

import re

from iot_ca.provisioning.checks.ca import JITP_ALARMS, JITR_ALARM_SUFFIXES
from iot_ca.provisioning.observe.cas import ALARM_PREFIX
from tools.checkout import ROOT


def test_status_knows_the_names_of_all_alarms() -> None:
    jitp = (ROOT / "modules" / "jitp-alarms" / "main.tf").read_text(encoding="utf-8")
    assert set(re.findall(r'name\s+= "(iot-[a-z-]+)"', jitp)) == set(JITP_ALARMS)
    jitr = (ROOT / "modules" / "jitr" / "main.tf").read_text(encoding="utf-8")
    names = re.findall(r"alarm_name\s+= (.*)", jitr)
    # The alarm of the queue has the queue's name.
    (queue,) = re.findall(r'queue_name\s+= "(.*)"', jitr)
    names = [queue if name == "local.queue_name" else name.strip('"') for name in names]
    assert {name.removeprefix("${local.name}-") for name in names} == set(JITR_ALARM_SUFFIXES)
    assert 'name = "iot-jitr-${var.name}"' in jitr
    assert all(name.startswith(ALARM_PREFIX) for name in (*JITP_ALARMS, "iot-jitr-"))
