"""Things: how many attributes one has room for, and what creating one twice does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sandbox.clients import ONE, REGION, Clients
from tests.support.sandbox.refusals import refused

KIND = {"thingTypeName": "lamp"}


@pytest.fixture
def iot(aws: Clients) -> Any:
    """A client of an account that has the type of thing `lamp`."""
    aws.iot().create_thing_type(**KIND)
    return aws.iot()


def some(count: int, first: int = 0) -> dict[str, str]:
    return {f"a{number}": "1" for number in range(first, first + count)}


def payload(attributes: dict[str, str], **members: Any) -> dict[str, Any]:
    return {"attributePayload": {"attributes": attributes, **members}}


def attributes_of(iot: Any, name: str = "t") -> Any:
    return iot.describe_thing(thingName=name)["attributes"]


@pytest.mark.parametrize(("kind", "most"), [({}, 3), (KIND, 50)])
def test_attribute_limits_with_and_without_type(iot: Any, kind: Any, most: int) -> None:
    with refused("InvalidRequestException", f"up to {most} attributes, not {most + 1}", 400):
        iot.create_thing(thingName="t", **kind, **payload(some(most + 1)))
    with refused("ResourceNotFoundException"):
        iot.describe_thing(thingName="t")
    iot.create_thing(thingName="t", **kind, **payload(some(most)))
    for update in (payload(some(most + 1)), payload({"more": "1"}, merge=True)):
        with refused("InvalidRequestException", f"up to {most} attributes, not {most + 1}", 400):
            iot.update_thing(thingName="t", **update)
    assert attributes_of(iot) == some(most)
    # One that is there is changed, or makes room.
    iot.update_thing(thingName="t", **payload({"a1": "2"}, merge=True))
    iot.update_thing(thingName="t", **payload({"a0": "", "more": "1"}, merge=True))
    assert attributes_of(iot) == {**some(most - 1, 1), "a1": "2", "more": "1"}


def test_removing_a_type_needs_few_attributes(iot: Any) -> None:
    iot.create_thing(thingName="t", **payload(some(3)))
    iot.update_thing(thingName="t", **KIND, **payload(some(4)))
    with refused("InvalidRequestException", "without a thing type can have up to 3"):
        iot.update_thing(thingName="t", removeThingType=True)
    iot.update_thing(thingName="t", removeThingType=True, **payload(some(2)))
    assert attributes_of(iot) == some(2)


def test_names_and_attributes_of_things(iot: Any) -> None:
    iot.create_thing(thingName="t")
    for attributes in ({"a b": "1"}, {"a": "1 2"}, {"a": "x" * 801}):
        with refused("InvalidRequestException", "at 'attributes'"):
            iot.create_thing(thingName="other", **payload(attributes))
        with refused("InvalidRequestException", "at 'attributes'"):
            iot.update_thing(thingName="t", **payload(attributes))
    with refused("InvalidRequestException", "at 'thingName'"):
        iot.create_thing(thingName="a thing")
    assert [thing["thingName"] for thing in iot.list_things()["things"]] == ["t"]


def test_creating_the_same_thing_twice_is_no_error(iot: Any) -> None:
    first = iot.create_thing(thingName="t", **KIND, **payload({"a": "1"}))
    again = iot.create_thing(thingName="t", **KIND, **payload({"a": "1"}))
    assert again["thingId"] == first["thingId"]
    for changed in ({}, KIND, payload({"a": "1"}), {**KIND, **payload({"a": "2"})}):
        with refused("ResourceAlreadyExistsException", "different properties", 409) as caught:
            iot.create_thing(thingName="t", **changed)
        answer: Any = caught.value.response
        assert answer["resourceArn"] == f"arn:aws:iot:{REGION}:{ONE}:thing/t"
    assert attributes_of(iot) == {"a": "1"}
