"""Terms that are ruled out and messages that are too long, in texts made for it."""

from __future__ import annotations

import pytest

from tools.lint_language import MAX_MESSAGE_LENGTH, check, check_words

LONG = "too long " * (MAX_MESSAGE_LENGTH // 9 + 1)


def problems(path: str, text: str) -> list[tuple[int, str]]:
    """The line and the problem of each finding in a file."""
    return [(finding.line, finding.problem) for finding in check(path, text)]


@pytest.mark.parametrize(
    "text",
    [
        "The key lies beside the file.",
        "Whoever plans needs Python.",
        "The module mended the CA.",
        "Detached, taken off the CA.",
        "It takes out the CA.",
        "The CA shall be active.",
        "There is a way back.",
        "The file is no certificate.",
        "Two files are no certificates.",
        "The file is\n    # no certificate.",
    ],
)
def test_a_term_that_is_ruled_out_is_found(text: str) -> None:
    (finding,) = check_words(f"First line.\n\n{text}\n")
    assert finding.line == 3


@pytest.mark.parametrize(
    "text",
    [
        "There is no certificate in the file.",
        "The CA is no longer registered.",
        "An amended policy, a marshall, a commendation.",
        "The account is not empty. No certificate is there.",
        "This takes time. Off by default.",
    ],
)
def test_a_similar_term_is_not_reported(text: str) -> None:
    assert list(check_words(text)) == []


def test_a_long_message_of_the_program_is_found() -> None:
    text = f'raise Failure(\n    f"{LONG}{{name}}"\n)\n'
    assert problems("scripts/iot_ca/x.py", text) == [(2, f"a message of {len(LONG)} characters")]
    assert problems("tools/x.py", text) == []


def test_values_docstrings_and_help_are_not_messages() -> None:
    text = f'"""{LONG}"""\nparse(description="{LONG}")\nraise Failure(f"short {{{"x" * 300}}}")\n'
    assert problems("scripts/iot_ca/x.py", text) == []


def test_a_long_message_of_a_module_is_found() -> None:
    text = f"""
  validation {{
    condition     = true
    error_message = "{LONG}${{join(", ", [for name in var.names : "${{name}}" if true])}}"
  }}
"""
    assert problems("main.tf", text) == [(4, f"a message of {len(LONG)} characters")]
    assert problems("main.tf", text.replace(LONG, "short ")) == []


def test_only_the_longer_alternative_of_a_message_counts() -> None:
    half = "x" * (MAX_MESSAGE_LENGTH // 2 + 1)
    text = f"""
    error_message = join(" ", [
      var.short
      ? "{half}"
      : "{half}",
    ])
  }}
"""
    assert problems("main.tf", text) == []
