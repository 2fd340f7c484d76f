"""The exceptions that a user sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_MAX_NAMES = 5


class Failure(Exception):
    """What is wrong and what to do about it, in words for the user of Terraform.

    The text never quotes input: it could be a private key, pasted into the wrong place.
    """


class Denied(Failure):
    """The credentials lack a permission, which the text names."""


class Gone(Failure):
    """A resource that a call named does not exist, or no longer exists."""


class Failures(Exception):
    """One Failure for each of several CAs, by name; `where` is their account and Region."""

    def __init__(self, where: object, by_name: Mapping[str, Failure]) -> None:
        super().__init__(where, by_name)
        self.where = where
        self.by_name = by_name

    def lines(self) -> list[str]:
        """Return one line for each thing that is wrong, naming every CA that it concerns."""
        names: dict[str, list[str]] = {}
        for name, failure in self.by_name.items():
            names.setdefault(one_line(str(failure)), []).append(name)
        return [f"{_some(concerned)} ({self.where}): {text}" for text, concerned in names.items()]


def one_line(text: str) -> str:
    """Return the text on one line: Terraform wraps errors itself, logs are read line by line."""
    return " ".join(text.split())


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
