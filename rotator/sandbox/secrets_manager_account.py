"""What one account holds in one Region: every secret, as it is now and as it was a while ago.

Past states are kept for an hour, so that a lagging read can be answered from them.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.sandbox.secrets_manager_faults import LONGEST_LAG
from rotator.sandbox.secrets_manager_rules import MARKED, NOT_FOUND, AwsError, Params
from rotator.sandbox.secrets_manager_versions import AwsSecret

Authorize = Callable[[str, str, str, Mapping[str, Any]], bool]
"""Access key id, action ("secretsmanager:PutSecretValue"), ARN or "*", parameters less values."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_KEY_TROUBLE = {
    "EncryptionFailure": "Secrets Manager can't encrypt the protected secret text using the "
    "provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state.",
    "DecryptionFailure": "Secrets Manager can't decrypt the protected secret text using the "
    "provided KMS key.",
}


class Account:
    """The secrets, who may touch them, and which keys work. Used under the service's lock."""

    def __init__(self, region: str, number: str) -> None:
        self.number = number
        self.authorize: Authorize | None = None
        """None: everybody may do everything."""
        self.unusable_keys: set[str] = set()
        """KMS keys, as callers name them, that are unknown, disabled or out of reach."""
        self.at = datetime.min.replace(tzinfo=UTC)
        """The instant of the call that is being answered."""
        self.lag = timedelta(0)
        """By how much its reads are behind."""
        self.principal = ""
        self.accessed: dict[str, datetime] = {}
        """ARN -> the day of its last GetSecretValue."""
        self.versions_made = 0
        self._prefix = f"arn:aws:secretsmanager:{region}:{number}:secret:"
        self._history: dict[str, list[tuple[datetime, AwsSecret | None]]] = {}
        self._births = 0

    def now(self, name: str) -> AwsSecret | None:
        """The secret of that name, None where there is none or its recovery window is over."""
        return self._before(name, timedelta(0))

    def found(self, secret_id: str) -> AwsSecret:
        """By name, ARN, or ARN less its suffix; also if it is marked for deletion."""
        return self._find(secret_id, timedelta(0))

    def usable(self, params: Params) -> AwsSecret:
        """The secret that a call wants to change."""
        return _unmarked(self.found(params["SecretId"]))

    def seen(self, params: Params) -> AwsSecret:
        """The secret as reads see it, which may be a while ago."""
        return self._find(params["SecretId"], self.lag)

    def readable(self, params: Params) -> AwsSecret:
        return _unmarked(self.seen(params))

    def all_seen(self) -> Iterator[AwsSecret]:
        for name in self._history:
            secret = self._before(name, self.lag)
            if secret is not None:
                yield secret

    def save(self, secret: AwsSecret) -> AwsSecret:
        changed = replace(secret, changed_at=self.at)
        self._remember(secret.name, changed)
        return changed

    def forget(self, secret: AwsSecret) -> None:
        self._remember(secret.name, None)

    def new_arn(self, name: str) -> str:
        """Another suffix each time, so that a secret made anew is not the old one."""
        self._births += 1
        digest = hashlib.sha256(f"{name} {self._births}".encode()).digest()
        return f"{self._prefix}{name}-" + "".join(_LETTERS[byte % 62] for byte in digest[:6])

    def name_in(self, secret_id: str) -> str:
        """The name that an id means, whether or not there is such a secret."""
        rest = secret_id.removeprefix(self._prefix)
        return _SUFFIX.sub("", rest) if rest != secret_id else secret_id

    def permit(self, operation: str, params: Params) -> None:
        """Raises AccessDeniedException where the principal may not; a create may need more."""
        allowed = self.authorize
        if allowed is None:
            return
        wanted = [operation]
        if operation == "CreateSecret":
            wanted += ["TagResource"] if params.get("Tags") else []
            wanted += ["ReplicateSecretToRegions"] if params.get("AddReplicaRegions") else []
        resource = self._resource(params)
        shown = {key: value for key, value in params.items() if not _is_value(key)}
        for action in (f"secretsmanager:{name}" for name in wanted):
            if not allowed(self.principal, action, resource, shown):
                raise self._denied(action, resource)

    def check_key(self, kms_key_id: str, failure: str) -> None:
        if kms_key_id in self.unusable_keys:
            raise AwsError(failure, _KEY_TROUBLE[failure])

    def _find(self, secret_id: str, lag: timedelta) -> AwsSecret:
        is_arn = secret_id.startswith("arn:")
        whole = is_arn and _SUFFIX.search(secret_id) is not None
        secret = self._before(self.name_in(secret_id), lag)
        if secret is None or (whole and secret.arn != secret_id):
            raise AwsError("ResourceNotFoundException", NOT_FOUND)
        return secret

    def _before(self, name: str, lag: timedelta) -> AwsSecret | None:
        """As it was `lag` ago; without a lag the last state, even if the clock was set back."""
        at = self.at - lag
        for since, secret in reversed(self._history.get(name, ())):
            if since <= at or not lag:
                over = secret is not None and secret.purge_at is not None and secret.purge_at <= at
                return None if over else secret
        return None

    def _remember(self, name: str, secret: AwsSecret | None) -> None:
        states = self._history.setdefault(name, [])
        states.append((self.at, secret))
        while len(states) > 1 and states[1][0] <= self.at - LONGEST_LAG:
            del states[0]

    def _resource(self, params: Params) -> str:
        secret_id = params.get("SecretId") or params.get("Name")
        if not isinstance(secret_id, str):
            return "*"
        name = self.name_in(secret_id)
        secret = self.now(name)
        return secret.arn if secret is not None else f"{self._prefix}{name}"

    def _denied(self, action: str, resource: str) -> AwsError:
        return AwsError(
            "AccessDeniedException",
            f"User: arn:aws:iam::{self.number}:user/{self.principal} is not authorized to perform: "
            f"{action} on resource: {resource} because no identity-based policy allows the "
            f"{action} action",
        )


def _unmarked(secret: AwsSecret) -> AwsSecret:
    if secret.deleted_at is not None:
        raise AwsError("InvalidRequestException", MARKED)
    return secret


def _is_value(parameter: str) -> bool:
    return parameter in ("SecretString", "SecretBinary")
