"""The topic of a CA's registration events, and which topic rules receive them. Pure.

Source: AWS IoT developer guide, "Reserved topics" and "MQTT topics" (wildcards).
"""

from __future__ import annotations

import re

from iot_ca.provisioning.facts import Rule

TOPIC = "$aws/events/certificates/registered/"
# How the names of the rules of modules/jitr begin.
MODULE_PREFIX = "iot_jitr_"

_TOPIC_FILTER = re.compile(r"""\bFROM\s+(['"])(?P<filter>.+?)\1(?P<rest>.*)""", re.I | re.S)


def topic_filter(sql: str) -> str | None:
    """Return the topic filter of a rule's SQL; None if it can't be read."""
    match = _TOPIC_FILTER.search(sql)
    return None if match is None else match["filter"]


def has_condition(rule: Rule) -> bool:
    """Return whether a rule's SQL selects only some of the events, or may do so."""
    match = _TOPIC_FILTER.search(rule.sql)
    return match is not None and bool(match["rest"].strip())


def hears(rule_filter: str, ca_id: str) -> bool:
    """Return whether a topic filter is met by the registration events of a CA."""
    levels, topic = rule_filter.split("/"), f"{TOPIC}{ca_id}".split("/")
    if levels[0] in ("#", "+"):
        # A wildcard at the beginning does not match topics that begin with $ (MQTT 3.1.1, 4.7.2-1).
        return False
    for position, level in enumerate(levels):
        if level == "#":
            return True
        if position >= len(topic) or level not in ("+", topic[position]):
            return False
    return len(levels) == len(topic)


def rules_of(rules: tuple[Rule, ...], ca_id: str) -> list[Rule]:
    """Return the rules that listen for the registration events of a CA."""
    return [rule for rule in rules if _listens(rule, ca_id)]


def is_understood(rule: Rule) -> bool:
    """Return whether a rule calls a function with each event; what another does is not known."""
    return bool(rule.functions) and not has_condition(rule)


def deciding_rules(rules: list[Rule]) -> list[Rule]:
    """Return those of the rules that decide whether devices are provisioned, enabled or not.

    They are the module's own, by their names; else those that are understood; else all. Others
    listen too, such as those that record the events.
    """
    own = [rule for rule in rules if rule.name.startswith(MODULE_PREFIX)]
    return own or [rule for rule in rules if is_understood(rule)] or rules


def handling_rule(rules: list[Rule]) -> Rule | None:
    """Return the first deciding rule that is enabled, else the first; None without rules."""
    deciding = deciding_rules(rules)
    return next((rule for rule in deciding if not rule.disabled), next(iter(deciding), None))


def _listens(rule: Rule, ca_id: str) -> bool:
    name = topic_filter(rule.sql)
    return name is not None and hears(name, ca_id)
