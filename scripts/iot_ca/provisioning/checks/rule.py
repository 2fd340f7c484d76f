"""The topic rule that receives a CA's registration events, and the function that it calls. Pure.

Sources: AWS IoT developer guide, "Register a client certificate when the client connects"; Lambda
developer guide, "Resource-based policies" and "Reserved concurrency".
"""

from __future__ import annotations

from collections.abc import Iterator

from iot_ca.provisioning.checks import role
from iot_ca.provisioning.checks.check import Check, not_readable
from iot_ca.provisioning.facts import Function, Located, PolicyDocument, Rule, Unreadable
from iot_ca.provisioning.policies import Request, decide
from iot_ca.provisioning.remedies import aws_command
from iot_ca.provisioning.topics import TOPIC

LAMBDA_SERVICE = "lambda.amazonaws.com"
# What modules/jitr sets in its function's environment.
CA_VARIABLE = "JITR_CA_CERTIFICATE_ID"
POLICY_VARIABLE = "JITR_POLICY_NAME"

# The remedy for a CA with neither a template nor a rule.
PROVISION = "set provisioning of the CA in certificate_authorities of the module and apply"


def no_rule(ca_id: str) -> str:
    """Return the finding that a CA has neither a template nor a rule."""
    return (
        f"CA {ca_id} has no provisioning template, and no topic rule listens for its "
        f"events ({TOPIC}{ca_id})"
    )


def listens(rule: Rule) -> Check:
    """Return the check that there is a rule."""
    return Check("rule", True, f"the rule {rule.name} listens for events of this CA")


def enabled(seen: Located, rule: Rule) -> Check:
    """Return the check that a rule is enabled."""
    if not rule.disabled:
        return Check("rule enabled", True, "the rule is enabled")
    remedy = aws_command(seen.target, "iot", "enable-topic-rule", "--rule-name", rule.name)
    return Check("rule enabled", False, f"the rule {rule.name} is disabled", remedy)


def not_understood(rule: Rule) -> Check:
    """Return the check of a rule of which it is not known what it does."""
    finding = f"what the rule {rule.name} does with an event is not known to this program"
    return Check("function", None, finding, undecided=True)


def function_checks(
    seen: Located, rule: Rule, function: Function | Unreadable | None, certificate_arn: str
) -> Iterator[Check]:
    """Yield the checks of a rule's function: it exists, is called, runs, and has what it needs."""
    if isinstance(function, Unreadable):
        yield not_readable("function", function)
        return
    if function is None:
        name = rule.functions[0]
        finding = f"the function {name} of rule {rule.name} does not exist"
        yield Check("function", False, finding, "apply the module, or create that function again")
        return
    yield Check("function", True, f"the function {function.name} exists")
    yield _invocation(seen, rule, function)
    yield _concurrency(seen, function)
    needs = [("iot:UpdateCertificate", certificate_arn)]
    if POLICY_VARIABLE in function.environment:
        needs.append(("iot:AttachPolicy", certificate_arn))
    for check in role.checks(seen, function.role, LAMBDA_SERVICE, needs, None):
        yield _for_function(check, function)


def device_policy(function: Function, policy: str | Unreadable | None) -> Iterator[Check]:
    """Yield the check of the policy that the module's function attaches."""
    if CA_VARIABLE not in function.environment:
        return
    name = function.environment.get(POLICY_VARIABLE, "")
    if isinstance(policy, Unreadable):
        yield not_readable("device policy", policy)
    elif policy is None:
        finding = f"the policy {name}, which the function attaches, does not exist"
        yield Check("device policy", False, finding, "apply the module, which creates the policy")
    else:
        yield Check("device policy", True, f"the policy {name} exists")


def _for_function(check: Check, function: Function) -> Check:
    """Return a check of a function's role, which decides only if the function activates devices.

    Another function may have another service activate the certificate.
    """
    decides = CA_VARIABLE in function.environment or check.check != "role permissions"
    return Check(
        f"function {check.check}",
        check.ok if decides or check.ok else None,
        check.finding,
        check.remedy,
        unreadable=check.unreadable,
    )


def _invocation(seen: Located, rule: Rule, function: Function) -> Check:
    name = "function permission"
    if isinstance(function.policy, Unreadable):
        return not_readable(name, function.policy)
    request = Request(
        "lambda:InvokeFunction",
        function.arn,
        {"aws:SourceArn": rule.arn, "aws:SourceAccount": seen.target.account_id},
        service="iot.amazonaws.com",
    )
    documents = (
        [] if function.policy is None else [PolicyDocument("function policy", function.policy)]
    )
    decision = decide(documents, request)
    if decision.effect == "allowed":
        return Check(name, True, f"the rule {rule.name} may call the function")
    if decision.effect == "unknown":
        return Check(name, None, "whether the rule may call the function depends on a condition")
    remedy = aws_command(
        seen.target,
        "lambda",
        "add-permission",
        "--function-name",
        function.name,
        "--statement-id",
        f"iot-rule-{rule.name}",
        "--action",
        "lambda:InvokeFunction",
        "--principal",
        "iot.amazonaws.com",
        "--source-arn",
        rule.arn,
        "--source-account",
        seen.target.account_id,
    )
    return Check(
        name, False, f"the rule {rule.name} may not call the function {function.name}", remedy
    )


def _concurrency(seen: Located, function: Function) -> Check:
    name = "function concurrency"
    reserved = function.reserved_concurrency
    if isinstance(reserved, Unreadable):
        return not_readable(name, reserved, decides=False)
    if reserved != 0:
        return Check(name, True, "Lambda runs the function")
    remedy = aws_command(
        seen.target, "lambda", "delete-function-concurrency", "--function-name", function.name
    )
    finding = f"the function {function.name} has a reserved concurrency of 0, so it never runs"
    return Check(name, False, finding, remedy)
