"""moto's functions, with what moto forgets or takes twice."""

from __future__ import annotations

from typing import Any

from moto.awslambda import models
from moto.awslambda.policy import Policy as MotoPolicy
from moto.core.exceptions import JsonRESTError


class Conflict(JsonRESTError):
    """ResourceConflictException."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


class FunctionPolicy(MotoPolicy):
    """moto's policy of a function, which takes a statement's ID twice."""

    def add_statement(self, raw: str, qualifier: str | None = None) -> tuple[Any, str]:
        """AddPermission. Version and alias have policies of their own (API reference)."""
        before, unchanged = list(self.statements), self.revision
        added, revision = super().add_statement(raw, qualifier)
        same = {"Sid": added.get("Sid"), "Resource": added["Resource"]}
        if any(same.items() <= statement.items() for statement in before):
            self.statements, self.revision = before, unchanged
            raise Conflict(
                f"The statement id ({same['Sid']}) provided already exists. Please provide a new "
                "statement id, or remove the existing statement."
            )
        return added, revision


class LambdaFunction(models.LambdaFunction):
    """moto's function, which forgets its dead-letter queue, and changes of key and tracing."""

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: Any = 1):
        super().__init__(account_id=account_id, spec=spec, region=region, version=version)
        self.policy = FunctionPolicy(self)
        self.dead_letter_config: dict[str, str] = spec.get("DeadLetterConfig") or {}

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """Return what GetFunctionConfiguration and the like answer."""
        config: dict[str, Any] = super().get_configuration(on_create)
        if self.dead_letter_config.get("TargetArn"):
            config["DeadLetterConfig"] = self.dead_letter_config
        return config

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionConfiguration."""
        if "DeadLetterConfig" in config_updates:
            self.dead_letter_config = config_updates["DeadLetterConfig"] or {}
        if "KMSKeyArn" in config_updates:
            self.kms_key_arn = config_updates["KMSKeyArn"] or None
        if "TracingConfig" in config_updates:
            self.tracing_config = config_updates["TracingConfig"]
        answer: dict[str, Any] = super().update_configuration(config_updates)
        return answer


def find_function(account: str, region: str, name: str, qualifier: str | None = None) -> Any | None:
    """Return moto's function of this name or ARN; None without one."""
    if name.startswith("arn:"):
        region, account = name.split(":")[3:5]
    try:
        return models.lambda_backends[account][region].get_function(name, qualifier)
    except Exception:  # moto's ways to say that there is none
        return None


def install() -> None:
    """Make moto use this module's functions. Called before the first call of Lambda's API."""
    setattr(models, "LambdaFunction", LambdaFunction)  # noqa: B010 - the name is a class to mypy
