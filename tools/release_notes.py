"""`python3 -m tools.release_notes X.Y.Z`: print the section of CHANGELOG.md for a version."""

from __future__ import annotations

import re
import sys

from tools.checkout import ROOT


def main(arguments: list[str]) -> int:
    """Print the notes of the version that is the only argument; return 1 if there are none."""
    try:
        (version,) = arguments
        print(notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version), end="")
    except ValueError as error:
        print(f"usage: python3 -m tools.release_notes X.Y.Z ({error})", file=sys.stderr)
        return 1
    return 0


def notes(changelog: str, version: str) -> str:
    """Return the section of a version, with its heading; raise ValueError if it has no entry."""
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)
    heading = re.compile(rf"## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", re.MULTILINE)
    matching = [section for section in sections if heading.match(section)]
    if len(matching) != 1 or "\n- " not in matching[0]:
        raise ValueError(f"CHANGELOG.md needs one section `## [{version}] - DATE` with entries")
    return matching[0].rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
