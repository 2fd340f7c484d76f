"""Lambda, SQS, CloudWatch and its logs: the permissions that each operation needs."""

from __future__ import annotations

from sandbox.identity.evaluation import Permission
from sandbox.permissions.api_call import ApiCall, Rule


def _function(call: ApiCall) -> list[Permission]:
    """On a function, or the version or alias that its name or ARN ends with."""
    reference = call.text("FunctionName")
    arn = reference if reference.startswith("arn:") else call.arn(f"function:{reference}")
    action = "lambda:InvokeFunction" if call.operation == "Invoke" else None
    needed = [call.permission(arn, action)]
    if call.operation == "CreateFunction" and call.given.get("Tags"):
        needed.append(call.permission(arn, "lambda:TagResource"))
    if call.operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
        needed += call.pass_role(call.text("Role"), "lambda.amazonaws.com")
    return needed + _key_of_environment(call, reference)


def _key_of_environment(call: ApiCall, reference: str) -> list[Permission]:
    """Need the user's own key of a function's environment, by way of Lambda.

    Lambda developer guide, "Securing Lambda environment variables": kms:Encrypt and kms:CreateGrant
    to configure one, kms:Decrypt to see the environment. That an answer without the environment is
    a refusal is stricter.
    """
    if call.operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
        key, actions = call.text("KMSKeyArn"), ["kms:Encrypt", "kms:CreateGrant"]
    elif call.operation in {"GetFunction", "GetFunctionConfiguration"}:
        # Here, since few sandboxes have functions, and moto's take long to import.
        from sandbox.functions.models import find_function

        function = find_function(call.caller.account, call.region, reference)
        key, actions = getattr(function, "kms_key_arn", None) or "", ["kms:Decrypt"]
    else:
        return []
    via = {"kms:ViaService": f"lambda.{call.region}.amazonaws.com"}
    return [call.permission(key, action, via) for action in actions if key]


def _function_tags(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("Resource") or call.text("ARN"))]


def _queue(call: ApiCall) -> list[Permission]:
    name = call.text("QueueName") or call.text("QueueUrl").rpartition("/")[2]
    needed = [call.permission(call.arn(name))]
    tagged = call.given.get("tags") or any(name.startswith("Tag.") for name in call.given)
    if call.operation == "CreateQueue" and tagged:
        needed.append(call.permission(call.arn(name), "sqs:TagQueue"))
    return needed


def _log_group(call: ApiCall) -> list[Permission]:
    """With ``:*`` behind its name, except where it is tagged (CloudWatch Logs' guide)."""
    group = call.arn(f"log-group:{call.text('logGroupName')}")
    needed = [call.permission(f"{group}:*")]
    if call.operation == "CreateLogGroup" and call.given.get("tags"):
        needed.append(call.permission(group, "logs:TagResource"))
    return needed


def _log_tags(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("resourceArn").removesuffix(":*"))]


def _alarm(call: ApiCall) -> list[Permission]:
    """On an alarm; describing is needed for all of them (seen), deleting for each."""
    if call.operation == "DescribeAlarms":
        return [call.permission(call.arn("alarm:*"))]
    names = [
        str(value)
        for name, value in call.given.items()
        if name == "AlarmName" or name.startswith("AlarmNames.")
    ]
    listed = call.given.get("AlarmNames")
    names += [str(name) for name in listed] if isinstance(listed, list) else []
    needed = [call.permission(call.arn(f"alarm:{name}")) for name in names or [""]]
    tagged = call.given.get("Tags") or any(name.startswith("Tags.") for name in call.given)
    if call.operation == "PutMetricAlarm" and tagged:
        needed.append(call.permission(needed[0].resource, "cloudwatch:TagResource"))
    return needed


def _alarm_tags(call: ApiCall) -> list[Permission]:
    return [call.permission(call.text("ResourceARN"))]


LAMBDA: dict[str, Rule] = {
    **dict.fromkeys(
        [
            "CreateFunction",
            "GetFunction",
            "GetFunctionConfiguration",
            "GetFunctionConcurrency",
            "GetFunctionCodeSigningConfig",
            "ListVersionsByFunction",
            "UpdateFunctionCode",
            "UpdateFunctionConfiguration",
            "DeleteFunction",
            "Invoke",
            "PutFunctionConcurrency",
            "DeleteFunctionConcurrency",
            "PutFunctionEventInvokeConfig",
            "UpdateFunctionEventInvokeConfig",
            "GetFunctionEventInvokeConfig",
            "DeleteFunctionEventInvokeConfig",
            "AddPermission",
            "RemovePermission",
            "GetPolicy",
        ],
        _function,
    ),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTags"], _function_tags),
}

SQS: dict[str, Rule] = dict.fromkeys(
    [
        "CreateQueue",
        "GetQueueUrl",
        "GetQueueAttributes",
        "ReceiveMessage",
        "SetQueueAttributes",
        "DeleteQueue",
        "ListQueueTags",
        "TagQueue",
        "UntagQueue",
    ],
    _queue,
)

LOGS: dict[str, Rule] = {
    "DescribeLogGroups": lambda call: [call.permission()],
    **dict.fromkeys(
        [
            "AssociateKmsKey",
            "CreateLogGroup",
            "DeleteLogGroup",
            "DeleteRetentionPolicy",
            "DisassociateKmsKey",
            "FilterLogEvents",
            "PutRetentionPolicy",
        ],
        _log_group,
    ),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTagsForResource"], _log_tags),
}

CLOUDWATCH: dict[str, Rule] = {
    **dict.fromkeys(["PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"], _alarm),
    **dict.fromkeys(["TagResource", "UntagResource", "ListTagsForResource"], _alarm_tags),
}
