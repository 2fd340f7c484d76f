"""Which files hold tests that run on this Python."""

from __future__ import annotations

from tools.providers.stand_ins import stand_ins_run

# They import the stand-ins' framework. tests/conftest.py says so at the start of the run.
collect_ignore_glob = [] if stand_ins_run() else ["test_standin_*.py"]
