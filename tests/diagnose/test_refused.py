"""Every way of being refused: a real device is refused, and let in after the printed remedy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.diagnose.cases import CASES
from tests.support.diagnose.refusal import Refusal
from tests.support.diagnose.scene import Scene, carry_out


def test_there_are_enough_ways_of_being_refused() -> None:
    assert len(CASES) >= 25


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_first_cause_is_named_and_its_remedy_lets_the_device_in(
    scene: Scene, case: Refusal
) -> None:
    case.arrange(scene)
    new = scene.cause() if case.while_new else None
    if new is not None:
        assert_cause(new, case)
    visit = scene.visit()
    assert not visit.accepted, visit
    if case.once_seen is None:
        repair(assert_cause(scene.cause(), case), case, scene)
    else:
        seen = scene.cause()
        assert seen[2].get("check") == case.once_seen, seen
        assert new is not None
        repair(new[2], case, scene)
        repair(seen[2], None, scene)
    for check in case.then:
        visit = scene.visit()
        assert not visit.accepted, (check, visit)
        status, verdict, cause = scene.cause()
        assert (status, verdict, cause.get("check")) == (2, "refused", check), cause
        repair(cause, None, scene)

    visit = scene.visit()
    assert visit.accepted, (visit, scene.why())
    status, verdict, cause = scene.cause()
    assert (status, verdict, cause) == (0, "let in", {})


def assert_cause(said: tuple[int, str, dict[str, Any]], case: Refusal) -> dict[str, Any]:
    """Require that the program names the cause of a case; return its check."""
    status, verdict, cause = said
    assert (status, verdict, cause.get("check")) == (2, "refused", case.check), cause
    assert case.finding in cause["finding"], cause
    assert case.remedy in cause["remedy"], cause
    return cause


def repair(cause: dict[str, Any], case: Refusal | None, scene: Scene) -> None:
    """Carry out a remedy as it is printed."""
    remedy = cause["remedy"]
    if remedy.startswith("aws "):
        assert case is None or case.by_hand is None, remedy
        carry_out(remedy, scene.account)
    else:
        assert case is not None, remedy
        assert case.by_hand is not None, remedy
        case.by_hand(scene)
