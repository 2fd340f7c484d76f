"""Carry out the requests of several CAs in one process, with one session of the AWS SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from iot_ca.aws.session import Account
from iot_ca.terraform.batch import Run
from iot_ca.terraform.deregister import account_of_state, deregister
from iot_ca.terraform.register import register


def load() -> Run:
    """Return a function that carries out a request: the name of its command, and its text."""
    registering, deregistering = cache(Account), cache(account_of_state)
    commands: dict[str, Callable[[str], str]] = {
        "register": lambda text: register(text, registering),
        "deregister": lambda text: deregister(text, deregistering),
    }
    return lambda command, text: commands[command](text)
