"""Thing groups: what a name and a description may be, tags, creating twice, deleting."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.control import Sandbox
from tests.support.sandbox.clients import ONE, REGION, Clients
from tests.support.sandbox.refusals import refused

ARN = f"arn:aws:iot:{REGION}:{ONE}:thinggroup/fleet:a_b-1"
TAGS = [{"Key": "team", "Value": "a"}]


@pytest.fixture
def iot(aws: Clients) -> Any:
    return aws.iot()


def create(iot: Any, name: str = "fleet:a_b-1", **members: Any) -> Any:
    return iot.create_thing_group(thingGroupName=name, **members)


def test_create_describe_delete_with_tags(iot: Any, sandbox: Sandbox) -> None:
    text = "{" + "~ " * 1013 + "}"
    properties = {"thingGroupDescription": text, "attributePayload": {"attributes": {"a": "1"}}}
    made = create(iot, thingGroupProperties=properties, tags=TAGS)
    assert (made["thingGroupName"], made["thingGroupArn"]) == ("fleet:a_b-1", ARN)
    group = iot.describe_thing_group(thingGroupName="fleet:a_b-1")
    assert group["thingGroupProperties"]["thingGroupDescription"] == text
    assert (group["thingGroupArn"], group["version"]) == (ARN, 1)
    assert iot.list_tags_for_resource(resourceArn=ARN)["tags"] == TAGS
    iot.tag_resource(resourceArn=ARN, tags=[{"Key": "more", "Value": "b"}])
    iot.untag_resource(resourceArn=ARN, tagKeys=["team"])
    assert iot.list_tags_for_resource(resourceArn=ARN)["tags"] == [{"Key": "more", "Value": "b"}]
    iot.delete_thing_group(thingGroupName="fleet:a_b-1")
    with refused("ResourceNotFoundException", status=404):
        iot.list_tags_for_resource(resourceArn=ARN)
    create(iot)
    assert iot.list_tags_for_resource(resourceArn=ARN)["tags"] == []
    call = sandbox.calls(operation="DeleteThingGroup")[0]
    assert (call.write, call.parameters) == (True, {"thingGroupName": "fleet:a_b-1"})


def test_creating_the_same_group_twice_is_no_error(iot: Any) -> None:
    properties = {"thingGroupDescription": "One"}
    first = create(iot, thingGroupProperties=properties, tags=TAGS)
    again = create(iot, thingGroupProperties=properties, tags=TAGS)
    assert again["thingGroupId"] == first["thingGroupId"]
    for changed in (
        {"thingGroupProperties": {"thingGroupDescription": "Two"}, "tags": TAGS},
        {"tags": TAGS},
        {"thingGroupProperties": properties},
    ):
        with refused("ResourceAlreadyExistsException", status=409) as caught:
            create(iot, **changed)
        response: Any = caught.value.response
        assert response["resourceArn"] == ARN
    assert create(iot, "bare")["thingGroupId"] == create(iot, "bare")["thingGroupId"]


def test_refused_thing_groups(iot: Any) -> None:
    for name in ("a b", "a/b", "a.b", "ä", "x" * 129):
        for call in (iot.create_thing_group, iot.describe_thing_group, iot.delete_thing_group):
            with refused("InvalidRequestException"):
                call(thingGroupName=name)
    create(iot, "x" * 128)
    for text in ("x" * 2029, "new\nline", "tab\t", "ü"):
        properties = {"thingGroupDescription": text}
        with refused("InvalidRequestException"):
            create(iot, thingGroupProperties=properties)
        with refused("InvalidRequestException"):
            iot.update_thing_group(thingGroupName="x" * 128, thingGroupProperties=properties)
    for attributes in ({"a b": "1"}, {"a": "1 2"}, {"a": "x" * 801}):
        with refused("InvalidRequestException"):
            create(iot, thingGroupProperties={"attributePayload": {"attributes": attributes}})
    with refused("InvalidRequestException"):
        create(iot, tags=[{"Key": "aws:a", "Value": "b"}])
    with refused("InvalidRequestException", "parent"):
        create(iot, parentGroupName="missing")
    with refused("ResourceNotFoundException", status=404):
        iot.describe_thing_group(thingGroupName="fleet:a_b-1")
    with refused("ResourceNotFoundException"):
        iot.list_tags_for_resource(resourceArn=ARN)


def test_delete_thing_groups(iot: Any) -> None:
    iot.delete_thing_group(thingGroupName="missing")
    create(iot, "parent")
    create(iot, "child", parentGroupName="parent")
    with refused("InvalidRequestException", "child groups"):
        iot.delete_thing_group(thingGroupName="parent")
    iot.update_thing_group(
        thingGroupName="child", thingGroupProperties={"thingGroupDescription": "New"}
    )
    with refused("VersionConflictException", status=409):
        iot.delete_thing_group(thingGroupName="child", expectedVersion=1)
    iot.delete_thing_group(thingGroupName="child", expectedVersion=2)
    iot.delete_thing_group(thingGroupName="parent")
    assert iot.list_thing_groups()["thingGroups"] == []
