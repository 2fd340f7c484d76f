"""Observe what provisions the devices of the CAs of one account and Region. Read-only.

What several CAs share, such as the topic rules, is read once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from iot_ca.aws.pages import pages
from iot_ca.model import ObservedCa
from iot_ca.provisioning.facts import (
    CaProvisioning,
    DeviceCertificates,
    Function,
    Queue,
    RoleFacts,
    Rule,
    Template,
    Unreadable,
)
from iot_ca.provisioning.observe.reading import Reader
from iot_ca.provisioning.observe.roles import observe_role
from iot_ca.provisioning.observe.rules import dead_letter_queues, observe_function, observe_rules
from iot_ca.provisioning.observe.templates import observe_template
from iot_ca.provisioning.topics import handling_rule, hears, rules_of

# The names that modules/jitp-alarms and modules/jitr give their alarms begin like this.
ALARM_PREFIX = "iot-jit"
_ALARM_TOKEN = ("NextToken", "NextToken")

_PAGE_SIZE = 250  # the most that ListCertificatesByCA answers at once
_MAX_COUNTED = 1000

# A registrationConfig, so that it can be the key of a dictionary.
_Config = tuple[tuple[str, str], ...]
_RuleFacts = tuple["Function | Unreadable | None", "tuple[Queue, ...] | Unreadable"]


def observe_provisioning(
    reader: Reader, cas: Mapping[str, ObservedCa], rule_wanted: Collection[str]
) -> dict[str, CaProvisioning]:
    """Return what provisions the devices of each registered CA, by certificate ID.

    Args:
        reader: of the account and Region.
        cas: the registered CAs by certificate ID.
        rule_wanted: those for which a topic rule is looked for in any case. For others it is if
            the CA has auto-registration enabled and no template.
    """
    configs = {key: _config(ca) for key, ca in cas.items() if ca.registration_config}
    templates = list(dict.fromkeys(configs.values()))
    # Submitted now; this thread looks for the rules meanwhile.
    templates_read = reader.all(*(partial(_template, reader, config) for config in templates))
    devices_read = reader.all(*(partial(count_devices, reader, key) for key in cas))
    with_rule = [
        key
        for key, ca in cas.items()
        if key not in configs and (ca.auto_registration or key in rule_wanted)
    ]
    rules = _handling_rules(reader, with_rule)
    rule_facts = _rule_facts(reader, rules.values())
    has_provisioning = bool(configs) or bool(rule_facts)
    alarms = observe_alarms(reader) if has_provisioning else ()
    by_config = dict(zip(templates, templates_read, strict=True))
    devices = dict(zip(cas, devices_read, strict=True))
    return {
        key: replace(
            _of_template(by_config[configs[key]])
            if key in configs
            else _of_rule(rules.get(key), rule_facts),
            alarms=alarms,
            devices=devices[key],
        )
        for key in cas
    }


def count_devices(reader: Reader, ca_id: str) -> DeviceCertificates | Unreadable:
    """Return how many certificates of a CA's devices are registered, counted up to a thousand.

    AWS IoT lists the newest first.
    """

    def count(iot: Any) -> DeviceCertificates:
        number = pending = 0
        request = {"caCertificateId": ca_id, "pageSize": _PAGE_SIZE}
        for page in pages(iot.list_certificates_by_ca, request, "marker", "nextMarker"):
            statuses = [certificate["status"] for certificate in page["certificates"]]
            number += len(statuses)
            pending += statuses.count("PENDING_ACTIVATION")
            if number >= _MAX_COUNTED:
                return DeviceCertificates(number, pending, bool(page.get("nextMarker")))
        return DeviceCertificates(number, pending)

    # AWS IoT does not answer "not found" for a CA that is gone; a proxy might.
    return reader.outcome("iot", count) or DeviceCertificates(0)


def observe_alarms(reader: Reader) -> tuple[str, ...] | Unreadable:
    """Return the names of the module's alarms that are in ALARM."""
    alarms = reader.read_pages(
        "cloudwatch",
        "describe_alarms",
        "MetricAlarms",
        _ALARM_TOKEN,
        AlarmNamePrefix=ALARM_PREFIX,
        StateValue="ALARM",
    )
    if alarms is None or isinstance(alarms, Unreadable):
        return alarms or ()
    return tuple(alarm["AlarmName"] for alarm in alarms)


def _config(ca: ObservedCa) -> _Config:
    return tuple(sorted(ca.registration_config.items()))


def _template(
    reader: Reader, config: _Config
) -> tuple[Template | Unreadable | None, RoleFacts | None]:
    template = observe_template(reader, dict(config))
    if not isinstance(template, Template):
        return template, None
    return template, observe_role(reader, template.role_arn)


def _of_template(
    observed: tuple[Template | Unreadable | None, RoleFacts | None],
) -> CaProvisioning:
    template, role = observed
    return CaProvisioning(template, role)


def _handling_rules(reader: Reader, ca_ids: Collection[str]) -> dict[str, Rule | Unreadable | None]:
    """Return the rule that handles the events of each CA; None if none listens for them."""
    if not ca_ids:
        return {}
    rules = observe_rules(
        reader, lambda pattern: not pattern or any(hears(pattern, key) for key in ca_ids)
    )
    if isinstance(rules, Unreadable):
        return dict.fromkeys(ca_ids, rules)
    return {key: handling_rule(rules_of(rules, key)) for key in ca_ids}


def _rule_facts(reader: Reader, rules: Iterable[Rule | Unreadable | None]) -> dict[str, _RuleFacts]:
    """Return the function and the queues of each rule, by the rule's name."""
    by_name = {rule.name: rule for rule in rules if isinstance(rule, Rule)}
    return dict(zip(by_name, reader.each(partial(_facts, reader), by_name.values()), strict=True))


def _facts(reader: Reader, rule: Rule) -> _RuleFacts:
    function = observe_function(reader, rule)
    urls = dead_letter_queues(reader, rule, function)
    if isinstance(urls, Unreadable):
        return function, urls
    queues = []
    for url in urls:
        queue = url if isinstance(url, Unreadable) else _queue(reader, url)
        if isinstance(queue, Unreadable):
            return function, queue
        queues += [] if queue is None else [queue]
    return function, tuple(queues)


def _queue(reader: Reader, url: str) -> Queue | Unreadable | None:
    attribute = "ApproximateNumberOfMessages"
    answer = reader.read("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=[attribute])
    if answer is None or isinstance(answer, Unreadable):
        return answer
    return Queue(url.rpartition("/")[2], int((answer.get("Attributes") or {}).get(attribute, 0)))


def _of_rule(rule: Rule | Unreadable | None, facts: Mapping[str, _RuleFacts]) -> CaProvisioning:
    if not isinstance(rule, Rule):
        return CaProvisioning(rule=rule)
    function, queues = facts[rule.name]
    return CaProvisioning(rule=rule, function=function, queues=queues)
