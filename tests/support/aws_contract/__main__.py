"""`python -m tests.support.aws_contract`: run the contract with AWS, as `make acceptance` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from tools.checkout import ROOT

_TESTS = ROOT / "tests" / "aws_contract"


def main(arguments: Sequence[str]) -> int:
    """Run the contract; return the exit status: 0 if AWS has agreed wherever it was asked."""
    return int(pytest.main(["-c", str(_TESTS / "pytest.ini"), str(_TESTS), *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
