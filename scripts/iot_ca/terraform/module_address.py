"""The address of this module in the configuration that calls it, for commands to paste."""

from __future__ import annotations

import json
import os
from pathlib import Path

_PLACEHOLDER = "<address of this module>."
_MODULE_FOLDER = Path(__file__).parents[3]


def address_prefix() -> str:
    """Return what precedes the address of a resource of this module, such as `module.iot_ca.`.

    Empty if this module is the root module; a placeholder if Terraform's list of module calls does
    not have exactly one call of it. The list does not say whether a call has count or for_each.
    """
    calls = _module_calls()
    if len(calls) != 1:
        return _PLACEHOLDER
    return "".join(f"module.{name}." for name in calls[0].split(".") if name)


def _module_calls() -> list[str]:
    """Return the calls of this module that `terraform init` has listed below the working folder.

    Each as the names of the module calls on the way to it, joined by dots.
    """
    data_folder = Path(os.environ.get("TF_DATA_DIR") or ".terraform")
    folder = _MODULE_FOLDER.resolve()
    try:
        listed = json.loads((data_folder / "modules" / "modules.json").read_text(encoding="utf-8"))
        return [
            str(call["Key"]) for call in listed["Modules"] if Path(call["Dir"]).resolve() == folder
        ]
    except (OSError, ValueError, KeyError, TypeError):
        # The format is Terraform's own, and may change.
        return []
