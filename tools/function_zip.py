"""`python -m tools.function_zip`: pack the JITR function into modules/jitr/function.zip.

The same sources give the same bytes on every machine: entries are in the order of their names,
without compression (compressors differ), and with one time, one mode and one line ending.
"""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

from tools.checkout import ROOT

MODULE = ROOT / "modules" / "jitr"
PACKAGE = "jitr"  # the handler is jitr.handler.handler
EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)  # a zip file can hold none before
UNIX = 3
MODE = stat.S_IFREG | 0o644  # Lambda runs the function as a user who does not own the files


def pack(source: Path) -> bytes:
    """Return a zip file of the `*.py` files directly in `source`, as the package `jitr`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(source.glob("*.py")):
            entry = zipfile.ZipInfo(f"{PACKAGE}/{path.name}", EARLIEST_TIME)
            entry.create_system = UNIX
            entry.external_attr = MODE << 16
            archive.writestr(entry, path.read_bytes().replace(b"\r\n", b"\n"))
    return buffer.getvalue()


def main() -> None:
    """Write the zip file into the module."""
    (MODULE / "function.zip").write_bytes(pack(MODULE / "function"))


if __name__ == "__main__":
    main()
