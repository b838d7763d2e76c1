"""A Secrets Manager client without botocore's serializer and signer: a kill every millisecond.

The contract suite holds the real client against the same fake; here thousands of runs share it.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from rotator.clock import new_id
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_rules import AwsError

_OPERATIONS = {
    xform_name(operation): operation
    for operation in (
        "CreateSecret",
        "DescribeSecret",
        "GetSecretValue",
        "PutResourcePolicy",
        "PutSecretValue",
        "RestoreSecret",
        "TagResource",
        "UpdateSecretVersionStage",
    )
}


class DirectClient:
    """Calls the fake as botocore's client would, and raises what it would raise."""

    def __init__(self, service: SecretsManager) -> None:
        self._service = service
        self.meta = SimpleNamespace(events=SimpleNamespace(register_first=lambda *_, **__: None))

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = _OPERATIONS[name]

        def call(**params: Any) -> dict[str, Any]:
            if operation in ("CreateSecret", "PutSecretValue"):
                params.setdefault("ClientRequestToken", new_id())  # as botocore does
            try:
                return dict(self._service.call(operation, params, "worker"))
            except AwsError as error:
                told: Any = {
                    "Error": {"Code": error.code, "Message": str(error)},
                    "ResponseMetadata": {"HTTPStatusCode": error.status},
                }
                raise ClientError(told, operation) from None

        return call
