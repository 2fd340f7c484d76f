"""The checkout: its folders, its Terraform configurations, and copies of them."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "terraform"


def folders(root: Path) -> list[Path]:
    """Return the folders of the root module, the modules and the examples, in this order."""
    candidates = [root, *sorted(root.glob("modules/*")), *sorted(root.glob("examples/*"))]
    return [folder for folder in candidates if any(folder.glob("*.tf"))]


def copy_configuration(root: Path, target: Path) -> None:
    """Copy what Terraform needs of a checkout, so that nothing is written into the checkout."""
    for path in [*root.glob("*.tf"), *root.glob("*.tfvars")]:
        shutil.copy2(path, target)
    ignored = shutil.ignore_patterns(".terraform*", "__pycache__", "*.tfstate*")
    for name in ("modules", "examples", "scripts", "tests"):
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=ignored)
