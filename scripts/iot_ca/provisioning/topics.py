"""The topic of a CA's registration events, and which topic rules receive them. Pure.

Source: AWS IoT developer guide, "Reserved topics" and "MQTT topics" (wildcards).
"""

from __future__ import annotations

import re

from iot_ca.provisioning.facts import Rule

TOPIC = "$aws/events/certificates/registered/"

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
    for position, level in enumerate(levels):
        if level == "#":
            return True
        if position >= len(topic) or level not in ("+", topic[position]):
            return False
    return len(levels) == len(topic)


def rules_of(rules: tuple[Rule, ...], ca_id: str) -> list[Rule]:
    """Return the rules that listen for the registration events of a CA."""
    return [rule for rule in rules if _listens(rule, ca_id)]


def handling_rule(rules: list[Rule]) -> Rule | None:
    """Return the first rule that is enabled, else the first; None without rules."""
    return next((rule for rule in rules if not rule.disabled), rules[0] if rules else None)


def _listens(rule: Rule, ca_id: str) -> bool:
    name = topic_filter(rule.sql)
    return name is not None and hears(name, ca_id)
