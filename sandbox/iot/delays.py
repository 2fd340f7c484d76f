"""What AWS IoT does only a while after its answer; here at once, unless a delay is asked for.

Sources:
  detachment    API reference, "DetachPolicy" and "DeletePolicy": it can take up to five minutes
                after a policy is detached before it is ready to be deleted
  provisioning  developer guide, "Just-in-time provisioning": the device connects again once the
                template is carried out; how long that takes is not documented
"""

from __future__ import annotations

from typing import ClassVar


class Delays:
    """The delays in seconds, for all accounts."""

    detachment: ClassVar[float] = 0.0
    provisioning: ClassVar[float] = 0.0

    @classmethod
    def end(cls) -> None:
        """Do everything at once again."""
        cls.detachment = cls.provisioning = 0.0
