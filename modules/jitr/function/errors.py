"""How a run ends without a provisioned device: for good, or to be tried again."""

from __future__ import annotations


class UnknownInput(Exception):
    """The event, or a status in AWS IoT's answer, is not one that this version understands.

    The event is tried again and then kept as a dead letter: the next version might understand it.
    """


class PermanentFailure(Exception):
    """The device is not provisioned, however often its event comes; the message says why.

    Attributes:
        cause: what stands in the way, for the log: `account`, `CA` or `subject`.
        keep_status: whether the certificate keeps its status, since this function does not know
            that the certificate is its CA's own.
    """

    def __init__(self, cause: str, message: str, *, keep_status: bool = False) -> None:
        super().__init__(message)
        self.cause = cause
        self.keep_status = keep_status
