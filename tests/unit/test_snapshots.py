"""The snapshots of unfinished mode changes, in thing groups."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from iot_ca.aws import snapshots as snapshots_module
from iot_ca.aws.snapshots import Snapshots
from iot_ca.model import Snapshot
from tests.support.program.aws_calls import SNAPSHOT, refusal
from tests.support.program.fake_aws import FakeAws


def test_a_snapshot_is_loaded_until_deleted(snapshots: Snapshots, aws: FakeAws) -> None:
    assert snapshots.load("a" * 64) is None
    snapshots.save("a" * 64, SNAPSHOT)
    assert snapshots.load("a" * 64) == SNAPSHOT
    assert snapshots.load("b" * 64) is None
    # Of a second attempt, which knows better.
    better = replace(SNAPSHOT, registration_config={}, tags={"d": "4"})
    snapshots.save("a" * 64, better)
    assert snapshots.load("a" * 64) == better
    snapshots.delete("a" * 64)
    snapshots.delete("a" * 64)
    assert snapshots.load("a" * 64) is None
    assert aws.groups == {}


# What AWS takes is narrower; what it answers is for AWS to say.
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONFIG: st.SearchStrategy[dict[str, str]] = st.fixed_dictionaries(
    {"templateBody": ANY, "roleArn": ANY}
) | st.just({})


SNAPSHOTS = st.builds(
    Snapshot,
    mode=st.sampled_from(["SNI_ONLY", "DEFAULT"]),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    auto_registration=st.booleans(),
    registration_config=CONFIG | st.fixed_dictionaries({"templateName": ANY}),
    tags=st.dictionaries(ANY, ANY, max_size=10),
)


@given(SNAPSHOTS)
@example(replace(SNAPSHOT, tags={"Stück": "größer 漢字 😀"}))
@example(
    replace(SNAPSHOT, registration_config={"templateBody": '{"ä": "\\n"}' * 999, "roleArn": "r"})
)
def test_any_snapshot_survives_the_thing_group_attributes(snapshot: Snapshot) -> None:
    attributes = snapshots_module._to_attributes(snapshot)
    assert snapshots_module._from_attributes(attributes) == snapshot
    # AWS may answer them in any order.
    backwards = dict(reversed(attributes.items()))
    assert snapshots_module._from_attributes(backwards) == snapshot
    fake = FakeAws()
    payload = {"attributePayload": {"attributes": attributes}}
    # It refuses what AWS does.
    fake._CreateThingGroup(
        thingGroupName="g", thingGroupProperties={"thingGroupDescription": "d", **payload}
    )


def test_a_too_large_snapshot_fails_before_any_call(snapshots: Snapshots, aws: FakeAws) -> None:
    lot = random.Random(0)
    body = "".join(chr(lot.randrange(0x4E00, 0x9FA5)) for _ in range(20_000))
    snapshot = replace(SNAPSHOT, registration_config={"templateBody": body, "roleArn": "r"})
    assert "shorten its tags" in refusal(lambda: snapshots.save("a" * 64, snapshot))
    assert aws.calls == []


def test_saving_and_loading_take_one_call_each(snapshots: Snapshots, aws: FakeAws) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    snapshots.load("a" * 64)
    assert aws.calls == ["CreateThingGroup", "DescribeThingGroup"]


def test_an_equal_snapshot_is_kept_and_another_replaced(snapshots: Snapshots, aws: FakeAws) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    snapshots.save("a" * 64, SNAPSHOT)
    assert "DeleteThingGroup" not in aws.calls
    # An altered one is replaced, since the CA is still registered and can be observed.
    aws.groups[f"iot-ca-mode-change-{'a' * 64}"] = {"00000": "junk"}
    snapshots.save("a" * 64, SNAPSHOT)
    assert snapshots.load("a" * 64) == SNAPSHOT


def test_a_denied_load_names_the_missing_action(snapshots: Snapshots, aws: FakeAws) -> None:
    snapshots.save("a" * 64, SNAPSHOT)
    aws.faults["DescribeThingGroup"] = ("AccessDeniedException", "no")
    assert "may not call iot:DescribeThingGroup" in refusal(lambda: snapshots.load("a" * 64))
