"""What is said of errors, and what must not be said in them."""

from __future__ import annotations

import traceback


def everything_said(error: BaseException) -> str:
    """The texts of an exception and of all behind it, also of those that `from None` hides."""
    formatted = traceback.TracebackException.from_exception(error)
    said = list(formatted.format())
    behind: list[BaseException | None] = [error]
    while behind:
        exception = behind.pop()
        if exception is not None:
            said.append(str(exception))
            behind += [exception.__cause__, exception.__context__]
    return "\n".join(said)


def assert_tells_nothing_of(secret: str, said: str) -> None:
    """Fail if a recognisable part of a PEM text's body is in `said`."""
    lines = [line.strip() for line in secret.splitlines()]
    body = "".join(line for line in lines if line and "-----" not in line)
    squeezed = "".join(said.split())
    for start in range(0, len(body) - 11, 4):
        assert body[start : start + 12] not in squeezed
