"""What answers on a consumer's own machine: Secrets Manager Agent, or the Lambda extension.

As AWS documents both: only whoever presents the token of the machine is answered, with what
GetSecretValue says; it is kept for a while, and read anew before that if `refreshNow` says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from rotator.sandbox.fakes import Fake, Refused, Reply, json_reply
from rotator.sandbox.secrets_manager import SecretsManager

_KNOWN = {"secretId", "versionStage", "refreshNow"}


@dataclass
class AgentFake(Fake):
    """Its cache never runs out by itself: `forget` is the end of the time to live."""

    token: ClassVar[str] = "of-this-machine"

    aws: SecretsManager = field(kw_only=True)
    principal: str = field(kw_only=True)
    kept: dict[str, Any] = field(default_factory=dict, repr=False)

    def forget(self) -> None:
        with self.lock:
            self.kept.clear()

    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        del body
        parts = urlsplit(path)
        if method != "GET" or parts.path != "/secretsmanager/get":
            raise Refused(json_reply(404, {"message": "Not found"}))
        if headers.get("x-aws-parameters-secrets-token") != self.token:
            raise Refused(json_reply(403, {"message": "Bad Token"}))
        asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if "secretId" not in asked or not asked.keys() <= _KNOWN:
            raise Refused(json_reply(400, {"message": "Bad request"}))
        return json_reply(200, self._value(asked))

    def _value(self, asked: Mapping[str, str]) -> Any:
        stage = asked.get("versionStage", "AWSCURRENT")
        key = json.dumps([asked["secretId"], stage])
        if key not in self.kept or asked.get("refreshNow") == "true":
            params = {"SecretId": asked["secretId"], "VersionStage": stage}
            self.kept[key] = self.aws.call("GetSecretValue", params, self.principal)
        return self.kept[key]
