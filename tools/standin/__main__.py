"""`python tools/standin NAME HOME [-debug]`: serve the stand-in NAME.

To the Terraform that started it; with `-debug`, as with HashiCorp's own providers, to any that is
given the TF_REATTACH_PROVIDERS that is printed, until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

LONGEST_FOLDER = 60


def main(name: str, home: str, *options: str) -> None:
    """Serve until Terraform says stop. `home` takes the key pair that the framework keeps."""
    from tools.standin import external
    from tools.standin.provider import StandIn

    # The framework keeps its key pair in the home folder; the user's own is none of its business,
    # and what a stand-in starts must still see the user's.
    user_environment = dict(os.environ)
    os.environ["HOME"] = home
    Path(home).mkdir(parents=True, exist_ok=True)

    # Ctrl-C reaches the whole process group; Terraform then says stop in its own time. A handler,
    # since an ignored signal would stay ignored in the programs started from here.
    signal.signal(signal.SIGINT, lambda *_: None)

    # The socket is made in the temporary folder, and a socket's path may have about 100 letters.
    if len(tempfile.gettempdir()) > LONGEST_FOLDER:
        tempfile.tempdir = "/tmp"

    from tf.runner import run_provider

    arguments = ["standin"]
    if "-debug" in options:
        arguments.append("--dev")
        # What the framework prints then would stay in a pipe's buffer.
        sys.stdout = open(sys.stdout.fileno(), "w", buffering=1, closefd=False)  # noqa: SIM115
    programs = external.Programs(user_environment)
    run_provider(StandIn(name, lambda: external.External(programs)), arguments)
    programs.kill()
    # A call that was under way when Terraform said stop would hold up a normal exit.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
