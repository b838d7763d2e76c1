"""A Secrets Manager client without botocore's serializer and signer: a kill every millisecond.

The contract suite holds the real client against the same fake; here thousands of runs share it.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionClosedError

from rotator.clock import new_id
from rotator.sandbox.secrets_manager import SecretsManager
from rotator.sandbox.secrets_manager_rules import AwsError, NoAnswer

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
    """Calls the fake as botocore's client would, once, and raises what it would raise."""

    def __init__(self, service: SecretsManager) -> None:
        self._service = service
        self._before: dict[str, Callable[[], None]] = {}
        """Operation -> what has asked to be called before it is sent."""
        self.meta = SimpleNamespace(events=SimpleNamespace(register_first=self._register))

    def _register(self, event: str, call: Callable[[], None], **_: object) -> None:
        self._before.setdefault(event.rpartition(".")[2], call)  # one id each: the first stays

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        operation = _OPERATIONS[name]

        def call(**params: Any) -> dict[str, Any]:
            if operation in ("CreateSecret", "PutSecretValue"):
                params.setdefault("ClientRequestToken", new_id())  # as botocore does
            if operation in self._before:
                self._before[operation]()
            try:
                return dict(self._service.call(operation, params, "worker"))
            except AwsError as error:
                told: Any = {
                    "Error": {"Code": error.code, "Message": str(error)},
                    "ResponseMetadata": {"HTTPStatusCode": error.status},
                }
                raise ClientError(told, operation) from None
            except NoAnswer:
                raise ConnectionClosedError(endpoint_url="https://aws.test") from None

        return call
