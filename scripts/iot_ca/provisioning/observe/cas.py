"""Observe what provisions the devices of the CAs of one account and Region. Read-only.

What several CAs share, such as the topic rules, is read once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from iot_ca.aws.pages import pages
from iot_ca.model import ObservedCa
from iot_ca.provisioning.checks.rule import POLICY_VARIABLE
from iot_ca.provisioning.checks.template import policy_names
from iot_ca.provisioning.facts import (
    CaProvisioning,
    DeviceCertificates,
    Function,
    ObservedRule,
    Queue,
    Rule,
    Template,
    Unreadable,
)
from iot_ca.provisioning.observe.policies import policy_document
from iot_ca.provisioning.observe.reading import Reader, value_or_unreadable
from iot_ca.provisioning.observe.roles import observe_role
from iot_ca.provisioning.observe.rules import (
    dead_letter_queues,
    missing_queue,
    observe_function,
    observe_rules,
)
from iot_ca.provisioning.observe.templates import observe_template
from iot_ca.provisioning.topics import deciding_rules, hears, is_understood, rules_of

# The names that modules/jitp-alarms and modules/jitr give their alarms begin like this.
ALARM_PREFIX = "iot-jit"
_ALARM_TOKEN = ("NextToken", "NextToken")

_PAGE_SIZE = 250  # the most that ListCertificatesByCA answers at once
_MAX_COUNTED = 1000

# A registrationConfig, so that it can be the key of a dictionary.
_Config = tuple[tuple[str, str], ...]


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
    rules = _rules(reader, with_rule)
    has_rule = any(each and not isinstance(each, Unreadable) for each in rules.values())
    alarms = observe_alarms(reader) if configs or has_rule else ()
    by_config = dict(zip(templates, templates_read, strict=True))
    devices = dict(zip(cas, devices_read, strict=True))
    return {
        key: replace(
            by_config[configs[key]] if key in configs else CaProvisioning(rules=rules.get(key, ())),
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


def _template(reader: Reader, config: _Config) -> CaProvisioning:
    """Return what a template is and needs; an odd answer costs the CAs of this template alone."""
    observed = value_or_unreadable(lambda: _observed_template(reader, config))
    return CaProvisioning(observed) if isinstance(observed, Unreadable) else observed


def _observed_template(reader: Reader, config: _Config) -> CaProvisioning:
    template = observe_template(reader, dict(config))
    if not isinstance(template, Template):
        return CaProvisioning(template)
    policies = {name: policy_document(reader, name) for name in policy_names(template.body)}
    return CaProvisioning(template, observe_role(reader, template.role_arn), policies)


def _rules(
    reader: Reader, ca_ids: Collection[str]
) -> dict[str, tuple[ObservedRule, ...] | Unreadable]:
    """Return the rules that decide on the events of each CA; each rule is read once."""
    if not ca_ids:
        return {}
    rules = observe_rules(
        reader, lambda pattern: not pattern or any(hears(pattern, key) for key in ca_ids)
    )
    if isinstance(rules, Unreadable):
        return dict.fromkeys(ca_ids, rules)
    deciding = {key: deciding_rules(rules_of(rules, key)) for key in ca_ids}
    by_name = {rule.name: rule for each in deciding.values() for rule in each}
    observed = reader.each(partial(_facts, reader), by_name.values())
    facts = dict(zip(by_name, observed, strict=True))
    return {key: tuple(facts[rule.name] for rule in each) for key, each in deciding.items()}


def _facts(reader: Reader, rule: Rule) -> ObservedRule:
    function = (
        value_or_unreadable(lambda: observe_function(reader, rule)) if is_understood(rule) else None
    )
    queues = value_or_unreadable(lambda: _queues(reader, rule, function))
    policy = None
    if isinstance(function, Function) and function.environment.get(POLICY_VARIABLE):
        policy = policy_document(reader, function.environment[POLICY_VARIABLE])
    return ObservedRule(rule, function, queues, policy)


def _queues(
    reader: Reader, rule: Rule, function: Function | Unreadable | None
) -> tuple[Queue, ...] | Unreadable:
    urls = dead_letter_queues(reader, rule, function)
    if isinstance(urls, Unreadable):
        return urls
    queues = []
    for url in urls:
        queue = url if isinstance(url, Unreadable) else _queue(reader, url)
        if isinstance(queue, Unreadable):
            return queue
        queues.append(queue)
    return tuple(queues)


def _queue(reader: Reader, url: str) -> Queue | Unreadable:
    attribute = "ApproximateNumberOfMessages"
    answer = reader.read("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=[attribute])
    if answer is None:
        return missing_queue(url)
    if isinstance(answer, Unreadable):
        return answer
    return Queue(url.rpartition("/")[2], int((answer.get("Attributes") or {}).get(attribute, 0)))
