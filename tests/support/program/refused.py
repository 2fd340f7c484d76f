"""How the AWS in memory refuses a call."""

from __future__ import annotations


class Refused(Exception):
    """AWS says no: code, message, and what else stands in the answer."""

    def __init__(self, code: str, message: str, **more: str) -> None:
        super().__init__(code, message)
        self.more = more
