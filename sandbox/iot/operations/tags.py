"""Tags, also of policies and topic rules: the operations."""

from __future__ import annotations

from urllib.parse import parse_qsl

from moto.core.responses import ActionResult, EmptyResult

from sandbox.iot.operations.request import IoTRequest
from sandbox.iot.refusals import invalid_request
from sandbox.iot.tags import parse_tags, tag_list, with_tags


class TagOperations(IoTRequest):
    """The operations on tags, and those in which moto forgets them."""

    def tag_resource(self) -> ActionResult:
        """TagResource."""
        present = self.backend.tags_of(self.needed("resourceArn"))
        present.update(with_tags(present, self.tags()))
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        """UntagResource. Keys that aren't there are no error."""
        present = self.backend.tags_of(self.needed("resourceArn"))
        keys = self.document.get("tagKeys")
        if not isinstance(keys, list):
            raise invalid_request("tagKeys must be a list")
        for key in keys:
            present.pop(key, None)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        """ListTagsForResource. At most fifty tags: always one page."""
        arn = self.query.get("resourceArn")
        if not arn:
            raise invalid_request("resourceArn is required")
        return ActionResult({"tags": tag_list(self.backend.tags_of(arn))})

    def create_policy(self) -> ActionResult:
        """CreatePolicy: moto's, which forgets the tags."""
        tags = self.tags()
        answer = super().create_policy()
        arn = self.backend.arn_of("policy", str(self._get_param("policyName")))
        self.backend.tags_by_arn[arn] = tags
        return answer

    def create_topic_rule(self) -> ActionResult:
        """CreateTopicRule: moto's, which forgets the tags; they come in a header (model)."""
        given = parse_qsl(self.headers.get("x-amz-tagging", ""), keep_blank_values=True)
        tags = parse_tags([{"Key": key, "Value": value} for key, value in given])
        answer = super().create_topic_rule()
        arn = self.backend.arn_of("rule", str(self._get_param("ruleName")))
        self.backend.tags_by_arn[arn] = tags
        return answer
