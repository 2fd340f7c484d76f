"""`python -m tools.providers`: print the path of a CLI configuration that names the providers."""

from __future__ import annotations

import sys

from tools.providers.resolution import main

if __name__ == "__main__":
    sys.exit(main())
