"""What the demo reads in the output of Terraform."""

from __future__ import annotations

import re

from tools.demo.accounts import CA_NAME
from tools.engine.terraform import Completed


def replaced(completed: Completed) -> list[str]:
    """Return the addresses that a plan changes."""
    return re.findall(r"^ +# (\S+) (?:must be|will be) ", completed.stdout, re.MULTILINE)


def excerpt(completed: Completed) -> list[str]:
    """Return the lines of a plan with drift: its warning, what is replaced and why, the sum."""
    searches = (
        (rf"^{CA_NAME} \(account .*$", completed.output),
        (r"^ +# \S+ must be replaced$", completed.stdout),
        (r"^ +~ revision .*$", completed.stdout),
        (r"^Plan: .*$", completed.stdout),
    )
    matches = [re.search(pattern, text, re.MULTILINE) for pattern, text in searches]
    return [" ".join(match.group().split()) for match in matches if match]


def refusal(completed: Completed) -> list[str]:
    """Return the line of the program in Terraform's error."""
    match = re.search(r"iot_ca: .*", completed.output)
    return [match.group().strip()] if match else []
