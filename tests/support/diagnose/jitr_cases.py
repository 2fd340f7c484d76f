"""Just-in-time registration."""

from __future__ import annotations

import time
from typing import Any

from tests.support.diagnose.refusal import (
    Act,
    Refusal,
)
from tests.support.diagnose.scene import POLICY, Scene
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION


def jitr_then(change: Act, **settings: Any) -> Act:
    """A JITR account in which something is changed afterwards."""

    def arrange(scene: Scene) -> None:
        scene.jitr(**settings)
        change(scene)

    return arrange


def rule_of_former_ca(scene: Scene) -> None:
    scene.create_function()
    scene.create_rule("ab" * 32)
    fleet.register(scene.aws, scene.ca, scene.account)


def create_function_and_rule(scene: Scene) -> None:
    scene.create_function()
    scene.create_rule()


def delete_function(scene: Scene) -> None:
    scene.functions.delete_function(FunctionName="jitr")


def create_function_again(scene: Scene) -> None:
    scene.aws.iam(scene.account).delete_role_policy(RoleName="role-of-jitr", PolicyName="may")
    scene.iam.delete_role(RoleName="role-of-jitr")
    scene.iot.delete_policy(policyName=POLICY)
    scene.create_function()


def forget_permission(scene: Scene) -> None:
    scene.functions.remove_permission(FunctionName="jitr", StatementId="rule")


def permit_another_rule(scene: Scene) -> None:
    forget_permission(scene)
    scene.functions.add_permission(
        FunctionName="jitr",
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=f"arn:aws:iot:{REGION}:{scene.account}:rule/other",
    )


def powerless_function(scene: Scene) -> None:
    scene.sandbox.enforce_permissions(scene.account)
    scene.iam.delete_role_policy(RoleName="role-of-jitr", PolicyName="may")


def distrust_lambda(scene: Scene) -> None:
    scene.iam.update_assume_role_policy(
        RoleName="role-of-jitr", PolicyDocument=fleet.trust("iot.amazonaws.com")
    )


def stop_function(scene: Scene) -> None:
    scene.functions.put_function_concurrency(FunctionName="jitr", ReservedConcurrentExecutions=0)


def failing(scene: Scene) -> None:
    scene.jitr(source="def handler(event, context):\n    raise ValueError('no such tenant')\n")


def correct_function(scene: Scene) -> None:
    time.sleep(1.1)  # Lambda's times have seconds here
    from tests.support.diagnose.scene import FUNCTION

    scene.functions.update_function_code(FunctionName="jitr", ZipFile=fleet.package(FUNCTION))


def delete_policy(scene: Scene) -> None:
    scene.iot.delete_policy(policyName=POLICY)


JITR = {
    "rule missing": Refusal(
        lambda scene: fleet.register(scene.aws, scene.ca, scene.account), "rule",
        "no topic rule listens", "apply", create_function_and_rule,
    ),
    "rule disabled": Refusal(
        jitr_then(lambda scene: scene.iot.disable_topic_rule(ruleName="registered")),
        "rule enabled", "is disabled", "enable-topic-rule",
    ),
    "rule listens for a former CA": Refusal(
        rule_of_former_ca, "rule", "listens for a CA that is not registered here",
        "replace-topic-rule",
    ),
    "function missing": Refusal(
        jitr_then(delete_function), "function", "does not exist", "create that function again",
        create_function_again, then=("function permission",),
    ),
    "rule may not call the function": Refusal(
        jitr_then(forget_permission), "function permission", "may not call the function",
        "add-permission",
    ),
    "another rule may call the function": Refusal(
        jitr_then(permit_another_rule), "function permission", "may not call the function",
        "add-permission",
    ),
    "function never runs": Refusal(
        jitr_then(stop_function), "function concurrency", "reserved concurrency of 0",
        "delete-function-concurrency",
    ),
    "function may do nothing": Refusal(
        jitr_then(powerless_function), "function role permissions",
        "may not call iot:UpdateCertificate", "put-role-policy",
    ),
    "function can't assume its role": Refusal(
        jitr_then(distrust_lambda), "function role trust", "does not trust lambda.amazonaws.com",
        "update-assume-role-policy",
    ),
    "function fails for this device": Refusal(
        failing, "dead letters", "no such tenant", "correct what the error says",
        correct_function, while_new=False,
    ),
    "policy of the function missing": Refusal(
        jitr_then(delete_policy), "device policy", "does not exist", "apply",
        lambda scene: scene.create_policy(),
    ),
}  # fmt: skip
