"""The environment that Terraform runs in: our settings, and none of the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.providers.resolution import Providers


def environment(
    providers: Providers | None,
    extra: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment for Terraform: `base` (this process's), our settings, then `extra`.

    What the user has set for Terraform and AWS is left out: the runs must not depend on it, nor
    reach an account of the user's. This Python comes first on the PATH, so that `python3` is one
    that has what the program needs. None for `providers` suits commands that need none.
    """
    inherited = os.environ if base is None else base
    clean = {k: v for k, v in inherited.items() if not k.startswith(("TF_", "AWS_"))}
    path = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), clean.get("PATH")]))
    ours = {
        "PATH": path,
        "TF_CLI_CONFIG_FILE": str(providers.config) if providers else os.devnull,
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
    }
    return {**clean, **ours, **(extra or {})}
