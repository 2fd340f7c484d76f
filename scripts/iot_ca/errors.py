"""The exceptions that a user sees."""

from __future__ import annotations


class Failure(Exception):
    """What is wrong and what to do about it, in words meant for whoever runs Terraform.

    The text never carries input back: it could be a private key pasted into the wrong place.
    """


class Denied(Failure):
    """The credentials lack a permission, which the text names."""


class Gone(Failure):
    """What a call named is not there, or not any more."""


def one_line(text: str) -> str:
    """The text on a single line: Terraform wraps errors itself, logs are read line by line."""
    return " ".join(text.split())
