"""Ways of being refused: how each is broken, what the program names, and how it is repaired.

A remedy that is a command is run as it is printed. `by_hand` does what other remedies say.
"""

from __future__ import annotations

from tests.support.diagnose.ca_cases import AUTHORITY
from tests.support.diagnose.device_cases import DEVICE, REGISTRATION
from tests.support.diagnose.jitp_cases import JITP
from tests.support.diagnose.jitr_cases import JITR
from tests.support.diagnose.permission_cases import PERMISSION

CASES = {**DEVICE, **AUTHORITY, **REGISTRATION, **JITP, **JITR, **PERMISSION}
