"""The exceptions that a user sees."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

DEBUG_VARIABLE = "IOT_CA_DEBUG"

_MAX_NAMES = 5


class Failure(Exception):
    """What is wrong and what to do about it, in words for the user of Terraform.

    The text never quotes input: it could be a private key, pasted into the wrong place.
    """


class Denied(Failure):
    """The credentials lack a permission, which the text names."""


class Gone(Failure):
    """A resource that a call named does not exist, or no longer exists."""


class Unavailable(Failure):
    """AWS did not answer, or could not at the moment: the same call may work later."""


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
    """Return the text on one line: Terraform wraps errors itself, logs are read line by line.

    What is not printable, such as a control character in a response of AWS, becomes an escape
    sequence as in Python: a terminal would carry it out.
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in line
    )


def as_failure(error: BaseException) -> Failure:
    """Return an error as a Failure, so that one that nobody foresaw costs one CA only.

    The text of such an error is left out, since it could quote input; that of a failed import
    can't. Raises the error itself if it ends the process.
    """
    if isinstance(error, Failure):
        return error
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    package = _package_that_fails_to_import(error)
    if package is None:
        text = f"unforeseen {type(error).__name__}; run with {DEBUG_VARIABLE}=1 and report it"
    else:
        text = (
            f"{sys.executable} can't import {package} ({type(error).__name__}: {error}); install "
            "it again, or set python_command to a Python that can"
        )
    failure = Failure(text)
    failure.__cause__ = error
    return failure


def _package_that_fails_to_import(error: BaseException) -> str | None:
    """Return the package whose import raised an error; None if it was not an import.

    An import of a damaged package raises anything: ImportError without a shared library, OSError
    without a file, and what an extension module in Rust panics with.
    """
    own = __name__.partition(".")[0]
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and package not in (own, "__main__"):
            return package
        traceback = traceback.tb_next
    if isinstance(error, ImportError) and error.name is not None:
        package = error.name.partition(".")[0]
        return package if package != own else None
    return None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
