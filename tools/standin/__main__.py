"""`python tools/standin NAME HOME`: serve the stand-in NAME to the Terraform that started it."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

LONGEST_FOLDER = 60


def main(name: str, home: str) -> None:
    """Serve until Terraform says stop. `home` takes the key pair that the framework keeps."""
    from tools.standin import archive, external
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

    if name == "external":
        programs = external.Programs(user_environment)
        run_provider(StandIn(name, lambda: external.External(programs)))
        programs.kill()
    else:
        run_provider(StandIn(name, archive.ArchiveFile))
    # A call that was under way when Terraform said stop would hold up a normal exit.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
