"""One lookup of a CA: the program against the AWS CLI and against single requests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools.bench.configurations import BenchCase
from tools.bench.measurement import Measurement, compare
from tools.bench.plans import OURS, Plans
from tools.bench.runner import PROGRAM, Command


def lookup_commands(plans: Plans, case: BenchCase) -> dict[str, Command]:
    """Return the four ways to look up the one CA of a case; the program as Terraform runs it."""
    lookup = plans.lookup(case)
    (answer,) = lookup["result"].values()
    certificate_id = json.loads(answer)["certificate_id"]
    variables = plans.bench.environment(plans.accounts[case, OURS])
    python = sys.executable
    # As its first line starts it, which may hold a path that is too long for that.
    aws = (python, "-m", "awscli", "iot", "describe-ca-certificate")
    request = (python, str(Path(__file__).with_name("request.py")))
    # In sync, or the program would have more to do.
    drift = '\\"drift\\": []'
    query = json.dumps(lookup["query"])
    program = (python, str(PROGRAM), "inspect")
    return {
        "program": Command(program, variables, drift, stdin=query),
        "aws": Command((*aws, "--certificate-id", certificate_id), variables, certificate_id),
        "botocore": Command((*request, "botocore", certificate_id), variables, certificate_id),
        "stdlib": Command((*request, "stdlib", certificate_id), variables, certificate_id),
    }


def measure_lookups(plans: Plans, case: BenchCase, turns: int) -> list[Measurement]:
    """One lookup, and the memory it takes."""
    commands = lookup_commands(plans, case)
    plans.bench.in_turns(commands, 2)  # compiles all Python, fills the machine's caches
    runs = plans.bench.in_turns(commands, turns)
    seconds = {name: [run.seconds for run in series] for name, series in runs.items()}
    peaks = {name: [run.peak_kib / 1024 for run in series] for name, series in runs.items()}
    cli = "AWS CLI"
    ours = seconds["program"]
    return [
        compare("lookup", cli, ours, seconds["aws"], 0.6),
        compare("lookup", "botocore's signer alone", ours, seconds["botocore"], 2.0),
        compare("lookup", "standard library alone", ours, seconds["stdlib"], None),
        compare("peak memory", cli, peaks["program"], peaks["aws"], 1.0, "MB"),
    ]
