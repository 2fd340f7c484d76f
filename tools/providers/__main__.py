"""`python -m tools.providers`: print the path of a CLI configuration that names the providers."""

from __future__ import annotations

import sys

from tools.engine.discovery import find_engine
from tools.errors import ToolError
from tools.providers.resolution import resolve


def main() -> int:
    """Print the path, for the shell; returns the exit status."""
    try:
        print(resolve(find_engine()).config)
    except ToolError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
