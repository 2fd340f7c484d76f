"""Whether Service Quotas has applied values of AWS IoT's quotas, or the default ones only.

API reference, "ListServiceQuotas" and "GetServiceQuota": "For some quotas, only the default values
are available. If the applied quota value is not available for a quota, the quota is not retrieved."
Which quotas those are is not documented.
"""

from __future__ import annotations

from typing import ClassVar


class AppliedQuotas:
    """All quotas have an applied value, the default one, or none has; for all accounts."""

    available: ClassVar[bool] = True
