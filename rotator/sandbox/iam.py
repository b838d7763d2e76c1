"""IAM policies judged for the fakes of Secrets Manager and KMS, as far as policies like ours go.

    policies = {"worker": [json.loads(text)]}
    service.account.authorize = Guard(service, policies, {"alias/rotator": key_arn})

A principal without policies may do everything. An explicit Deny wins, then any Allow, else it is
denied. Whatever of the policy language is not known here raises, so that nothing is passed over.
Of Secrets Manager's calls KMS is asked as it would be asked there: through the caller, for keys of
the account's own. A call to KMS itself comes with its encryption context.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from rotator.sandbox.secrets_manager import SecretsManager

Policy = Mapping[str, Any]
Context = Mapping[str, str | Sequence[str]]


class Ground(NamedTuple):
    """The part of a policy that a decision rested on."""

    sid: str
    action: str
    resource: str


class Guard:
    """Decides calls of the fake, and remembers what each decision rested on."""

    def __init__(
        self,
        service: SecretsManager,
        policies: Mapping[str, Sequence[Policy]],
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """`keys`: the ARN of each KMS key of the account's own, by what callers name it."""
        self._service = service
        self._policies = policies
        self._keys = keys or {}
        self.used: set[Ground] = set()

    def __call__(
        self, principal: str, action: str, resource: str, params: Mapping[str, Any]
    ) -> bool:
        policies = self._policies.get(principal)
        if policies is None:
            return True
        asked: list[tuple[str, str, Context]] = [
            (action, resource, _context(params)),
            *self._of_kms(action, resource, params),
        ]
        return all(self._allows(policies, *each) for each in asked)

    def _of_kms(
        self, action: str, resource: str, params: Mapping[str, Any]
    ) -> Iterator[tuple[str, str, Context]]:
        wanted = _KEY_ACTIONS.get(action)
        if wanted is None:
            return
        region, name = _parts(resource)
        secret = self._service.secret(name)
        named = params.get("KmsKeyId", "") if secret is None else secret.kms_key_id
        if named not in self._keys:
            return
        context = {
            "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
            "kms:EncryptionContext:SecretARN": resource,
        }
        for kms_action in wanted:
            yield kms_action, self._keys[named], context

    def _allows(
        self, policies: Sequence[Policy], action: str, resource: str, context: Context
    ) -> bool:
        grounds = [
            (effect, ground)
            for policy in policies
            for effect, ground in _matching(policy, action, resource, context)
        ]
        denials = [ground for effect, ground in grounds if effect == "Deny"]
        deciding = denials or [ground for _, ground in grounds]
        self.used.update(deciding)
        return bool(deciding) and not denials


def grounds_of(policy: Policy) -> set[Ground]:
    """All that a decision could rest on; what no decision ever does is granted for nothing."""
    return {
        Ground(statement["Sid"], action, resource)
        for statement in policy["Statement"]
        for action in _many(statement["Action"])
        for resource in _many(statement["Resource"])
    }


def _matching(
    policy: Policy, action: str, resource: str, context: Context
) -> Iterator[tuple[str, Ground]]:
    for statement in policy["Statement"]:
        if unknown := statement.keys() - _KNOWN:
            raise ValueError(f"not judged here: {', '.join(sorted(unknown))}")
        if not _meets(statement.get("Condition", {}), context):
            continue
        for one_action in _many(statement["Action"]):
            for one_resource in _many(statement["Resource"]):
                if _like(one_action.lower(), action.lower()) and _like(one_resource, resource):
                    yield statement["Effect"], Ground(statement["Sid"], one_action, one_resource)


def _meets(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _holds(operator, _many(context.get(key, ())), _many(wanted))
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, given: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether any of the given values is one of those wanted; an absent key meets nothing."""
    match operator:
        case "StringEquals":
            return any(value in wanted for value in given)
        case "StringLike":
            return any(_like(pattern, value) for value in given for pattern in wanted)
        case _:
            raise ValueError(f"not judged here: {operator}")


def _context(params: Mapping[str, Any]) -> Context:
    """The condition keys that a call's own encryption context gives."""
    given = params.get("EncryptionContext", {})
    return {f"kms:EncryptionContext:{name}": text for name, text in given.items()}


def _many(one_or_more: str | Sequence[str]) -> Sequence[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char, re.escape(char)) for char in pattern), re.DOTALL)


def _parts(arn: str) -> tuple[str, str]:
    """Region and name of a secret's ARN, with or without its suffix."""
    _, _, _, region, _, _, name = arn.split(":", 6)
    return region, re.sub(r"-[A-Za-z0-9]{6}$", "", name)


_KNOWN = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
_KEY_ACTIONS: Mapping[str, Sequence[str]] = {
    "secretsmanager:CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "secretsmanager:PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
}
