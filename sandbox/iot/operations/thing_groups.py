"""Thing groups: the operations."""

from __future__ import annotations

from moto.core.responses import ActionResult, EmptyResult

from sandbox.errors import AWSError
from sandbox.iot import thing_groups
from sandbox.iot.operations.request import IoTRequest
from sandbox.iot.refusals import already_exists, invalid_request


class ThingGroupOperations(IoTRequest):
    """The operations on thing groups that moto answers differently from AWS."""

    def _thing_group_name(self) -> str:
        return thing_groups.check_name(self.in_path("thingGroupName"))

    def create_thing_group(self) -> ActionResult:
        """CreateThingGroup. One that exists is not an error if it is the same (API reference).

        That its tags count too is stricter, as is refusing a parent that doesn't exist.
        """
        name, tags = self._thing_group_name(), self.tags()
        properties = thing_groups.check_properties(self.document.get("thingGroupProperties"))
        parent = self.text("parentGroupName")
        arn = self.backend.arn_of("thinggroup", name)
        if parent is not None:
            thing_groups.check_name(parent, "parentGroupName")
            if self.backend.arn_of("thinggroup", parent) not in self.backend.thing_groups:
                raise invalid_request(f"The parent thing group {parent} does not exist")
        present = self.backend.thing_groups.get(arn)
        if present is not None:
            asked = (properties, parent, tags)
            current = (present.thing_group_properties, present.parent_group_name)
            if asked != (*current, self.backend.tags_by_arn.get(arn, {})):
                raise already_exists(
                    f"Thing Group {name} already exists in current account with different "
                    "properties",
                    present.thing_group_id,
                    arn,
                )
        else:
            self.backend.create_thing_group(name, parent, properties)  # type: ignore[arg-type]
            present = self.backend.thing_groups[arn]
            self.backend.tags_by_arn[arn] = tags
        return ActionResult(
            {
                "thingGroupName": name,
                "thingGroupArn": arn,
                "thingGroupId": present.thing_group_id,
            }
        )

    def describe_thing_group(self) -> ActionResult:
        """DescribeThingGroup: moto's, for a name that can be one."""
        self._thing_group_name()
        return super().describe_thing_group()

    def update_thing_group(self) -> ActionResult:
        """UpdateThingGroup: moto's, after a check of the properties."""
        self._thing_group_name()
        thing_groups.check_properties(self.document.get("thingGroupProperties"))
        return super().update_thing_group()

    def delete_thing_group(self) -> ActionResult:
        """DeleteThingGroup: no error for one that isn't there, its tags go with it.

        VersionConflictException for another version than the expected one (API reference).
        """
        name = self._thing_group_name()
        arn = self.backend.arn_of("thinggroup", name)
        present = self.backend.thing_groups.get(arn)
        expected = self.query_number("expectedVersion", present.version if present else 0)
        if present is not None and expected != present.version:
            raise AWSError(
                "VersionConflictException",
                f"The version for thing group {name} does not match the expected version.",
                409,
            )
        self.backend.delete_thing_group(name)
        self.backend.tags_by_arn.pop(arn, None)
        return EmptyResult()
