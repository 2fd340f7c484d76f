"""Names and attributes of things, against the rules in botocore's model of AWS IoT."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import example, given
from hypothesis import strategies as st

from modules.jitr.function.errors import PermanentFailure
from modules.jitr.function.settings import Settings
from modules.jitr.function.things import (
    ATTRIBUTES_WITH_TYPE,
    ATTRIBUTES_WITHOUT_TYPE,
    attribute_value,
    attributes_of,
    missing_attributes,
    thing_name_of,
)

MODEL = Session().get_service_model("iot")
SETTINGS = Settings("1f1a", "SNI_ONLY", "111122223333", "policy")
NAMES = st.sampled_from("abcdefgh")
VALUES = st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=5)


def accepted(shape: str, text: str) -> bool:
    """Whether the API takes a text."""
    rules: dict[str, Any] = MODEL.shape_for(shape).metadata
    pattern: str = rules["pattern"]
    fits: bool = rules.get("min", 0) <= len(text) <= rules["max"]
    return fits and bool(re.fullmatch(pattern, text))


@given(st.text(max_size=900))
@example("Müller & Söhne GmbH")
@example("x" * 801)
def test_an_attribute_is_one_that_the_api_takes(text: str) -> None:
    assert accepted("AttributeValue", attribute_value(text))


@given(st.from_regex(r"[a-zA-Z0-9_.,@/:#-]{0,800}", fullmatch=True))
def test_an_attribute_that_the_api_takes_stays_unchanged(text: str) -> None:
    assert attribute_value(text) == text


def test_an_attribute_stays_readable() -> None:
    assert attribute_value("Müller & Söhne GmbH") == "Muller___Sohne_GmbH"


@given(st.text(max_size=140))
@example("device-1\n")
@example("x" * 128)
@example("x" * 129)
@example("")
def test_a_common_name_that_the_api_takes_is_the_name_of_the_thing(text: str) -> None:
    if accepted("ThingName", text):
        assert thing_name_of({"CommonName": [text]}) == text
    else:
        with pytest.raises(PermanentFailure, match="cannot be the name of a thing"):
            thing_name_of({"CommonName": [text]})


@pytest.mark.parametrize(
    ("names", "said"), [([], "no common name"), (["a", "b"], "2 common names")]
)
def test_exactly_one_common_name_is_needed(names: list[str], said: str) -> None:
    with pytest.raises(PermanentFailure, match=said):
        thing_name_of({"CommonName": names} if names else {})


def test_the_attributes_are_the_ca_and_the_requested_subject() -> None:
    wanted = {"maker": "Organization", "units": "OrganizationalUnit", "state": "StateName"}
    settings = Settings("1f1a", "DEFAULT", "111122223333", "policy", subject_attributes=wanted)
    subject = {"Organization": ["Example Inc"], "OrganizationalUnit": ["a", "b"], "Country": ["DE"]}
    assert list(attributes_of(subject, settings).items()) == [
        ("ca_certificate_id", "1f1a"),
        ("ca_certificate_mode", "DEFAULT"),
        ("maker", "Example_Inc"),
        ("units", "a,b"),
    ]


@given(VALUES, VALUES, st.booleans())
def test_an_existing_thing_keeps_the_attributes_of_others(
    present: dict[str, str], wanted: dict[str, str], has_type: bool
) -> None:
    limit = ATTRIBUTES_WITH_TYPE if has_type else ATTRIBUTES_WITHOUT_TYPE
    missing = missing_attributes(present, wanted, has_type)
    after = {**present, **missing}
    assert missing.items() <= wanted.items()
    assert present.keys() <= after.keys()
    assert all(after[name] == wanted.get(name, value) for name, value in present.items())
    assert len(after) <= max(limit, len(present))
    # Nothing is left out while there is room, and the order says what goes first.
    left_out = [name for name in wanted if name not in after]
    assert not left_out or len(after) >= limit
    added = [name for name in wanted if name not in present]
    assert list(missing) == [name for name in wanted if name in missing]
    assert added[: len(added) - len(left_out)] == [name for name in added if name in missing]
    assert missing_attributes(after, wanted, has_type) == {}
