"""What the configurations use of the aws provider exists, and none of it is deprecated.

Held against version 6.62, whose names of arguments and attributes are in a file, and against the
provider that is installed, with the arguments of nested blocks.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.hcl import MODULES
from tests.support.provider_schema import Schema, Use, schema_of_names, schema_of_provider, uses
from tools.checkout import ROOT
from tools.engine.discovery import find_engine
from tools.engine.terraform import Terraform
from tools.providers.environment import environment
from tools.providers.resolution import Providers

NAMES = Path(__file__).parent / "aws-provider-6.62.json"
EXAMPLES = sorted(
    {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("*.tf")}
)
USES = [use for folder in (*MODULES, *EXAMPLES) for use in uses(folder)]
ROLE = "aws_iam_role"
REGION = "data.aws_region"


def made_up() -> Schema:
    """A schema in which some things are missing or deprecated."""
    document = {
        "resources": {
            ROLE: {"arguments": ["name", "old"], "attributes": ["arn"], "deprecated": ["old"]},
            REGION: {"arguments": [], "attributes": ["id", "name", "region"], "deprecated": ["id"]},
        }
    }
    return schema_of_names(document)


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        (Use("m", ROLE, ("name",)), None),
        (Use("m", ROLE, ("old",)), "m: aws_iam_role: deprecated old"),
        (Use("m", ROLE, ("new",)), "m: aws_iam_role: no argument new"),
        (Use("m", "aws_new", ("name",)), "m: the schema has no aws_new"),
        (Use("m", REGION, alternatives=("id",)), "m: data.aws_region: deprecated id"),
        (Use("m", REGION, alternatives=("region", "id")), None),
        (Use("m", REGION, alternatives=("zone", "id")), "m: data.aws_region: deprecated id"),
        (Use("m", REGION, alternatives=("zone",)), "m: data.aws_region: no attribute zone"),
    ],
)
def test_what_is_missing_or_deprecated_is_reported(use: Use, problem: str | None) -> None:
    assert made_up().problem(use) == problem


def test_uses_are_found() -> None:
    assert Use("modules/jitr", "aws_lambda_function", ("environment", "variables")) in USES
    assert Use("modules/jitr", "aws_sqs_queue", alternatives=("arn",)) in USES
    assert Use("modules/lookup", REGION, alternatives=("region", "id")) in USES
    # Nothing of a data source that is a local as a whole is read in another way.
    assert [use.alternatives for use in USES if use.kind == REGION] == [(), ("region", "id")]


def test_provider_6_has_all_that_is_used_and_deprecates_none() -> None:
    schema = schema_of_names(json.loads(NAMES.read_text(encoding="utf-8")))
    assert _problems(schema) == []
    # The file has no more than what is used.
    assert set(schema.arguments) == {use.kind for use in USES}


def test_the_installed_provider_has_all_and_deprecates_none(
    installed: Path, providers: Providers
) -> None:
    terraform = Terraform(installed, find_engine(), environment(providers))
    answer = terraform.run("providers", "schema", "-json").stdout
    assert _problems(schema_of_provider(json.loads(answer))) == []


def _problems(schema: Schema) -> list[str]:
    return sorted({problem for use in USES if (problem := schema.problem(use))})
