"""What differs between a CA as desired and as observed. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from iot_ca.model import (
    MANAGED_TAGS_TAG,
    ORIGIN_TAG,
    OWNER_TAG,
    REVISION_TAG,
    DesiredCa,
    ObservedCa,
    auto_registration_status,
)
from iot_ca.reconcile.tags import managed_tags_value, manages, obsolete_tags


@dataclass(frozen=True)
class Difference:
    """One attribute that is not as desired; `wanted` is None if any value would do."""

    attribute: str
    observed: str
    wanted: str | None

    def __str__(self) -> str:
        wanted = "" if self.wanted is None else f", wanted {self.wanted}"
        return f"{self.attribute} is {self.observed}{wanted}"


def differences(desired: DesiredCa, observed: ObservedCa) -> list[Difference]:
    """Return everything about a registered CA that is not as desired."""
    differing = [
        *_setting_differences(desired, observed),
        *_tag_differences(desired, observed),
        *_module_tag_differences(observed),
    ]
    # The digests differ with every tag that differs: they are worth a word only alone.
    return differing or _managed_tags_differences(desired, observed)


def template_text(observed: ObservedCa) -> str:
    """Return the template's name, `none`, or that the CA carries a template body of its own."""
    if observed.template_name:
        return observed.template_name
    return "an inline body" if observed.has_inline_template else "none"


def _setting_differences(desired: DesiredCa, observed: ObservedCa) -> list[Difference]:
    differing = []
    if observed.mode != desired.certificate_mode:
        differing.append(Difference("mode", observed.mode, desired.certificate_mode))
    if observed.status != desired.status:
        differing.append(Difference("status", observed.status, desired.status))
    if observed.auto_registration != desired.auto_registration:
        actual = auto_registration_status(observed.auto_registration)
        wanted = auto_registration_status(desired.auto_registration)
        differing.append(Difference("auto-registration", actual, wanted))
    if observed.template_name != desired.template_name or observed.has_inline_template:
        wanted_template = desired.template_name or "none"
        differing.append(Difference("template", template_text(observed), wanted_template))
    return differing


def _tag_differences(desired: DesiredCa, observed: ObservedCa) -> list[Difference]:
    differing = [
        Difference(f"tag {key}", observed.tags.get(key, "missing"), value)
        for key, value in sorted(desired.all_tags.items())
        if observed.tags.get(key) != value
    ]
    for key in obsolete_tags(desired, observed.tags):
        differing.append(Difference(f"tag {key}", observed.tags[key], "none"))
    return differing


def _managed_tags_differences(desired: DesiredCa, observed: ObservedCa) -> list[Difference]:
    actual, expected = observed.tags.get(MANAGED_TAGS_TAG), managed_tags_value(desired)
    if desired.default_tags is None:
        same = manages(observed.tags, desired.tags)
    else:
        same = actual == expected
    if same:
        return []
    return [Difference(f"tag {MANAGED_TAGS_TAG}", actual or "missing", expected or "none")]


def _module_tag_differences(observed: ObservedCa) -> list[Difference]:
    differing = []
    if observed.auto_registration_to_keep is not None:
        differing.append(Difference(f"tag {REVISION_TAG}", "of an interrupted destroy", None))
    differing.extend(
        Difference(f"tag {key}", "missing", None)
        for key in (ORIGIN_TAG, OWNER_TAG, REVISION_TAG)
        if key not in observed.tags
    )
    origin = observed.tags.get(ORIGIN_TAG)
    if origin not in (None, observed.origin):
        differing.append(Difference(f"tag {ORIGIN_TAG}", origin or "empty", observed.origin))
    return differing
