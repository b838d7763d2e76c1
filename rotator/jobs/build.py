"""The last step from a job file to a job: credentials, their secrets and digests. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import NamedTuple

from pydantic import BaseModel

from rotator.jobs.job import Credential
from rotator.jobs.secret_fields import SecretSettings
from rotator.jobs.toml_lines import Place
from rotator.model import qualified
from rotator.providers.base import Plugin, Provider
from rotator.references import SeedRef
from rotator.schedule import Limits, Schedule
from rotator.store.base import SecretSpec


class Common(NamedTuple):
    """What all credentials of a job share."""

    job: str
    plugin: Plugin
    schedule: Schedule
    limits: Limits
    secret: SecretSettings
    own: BaseModel | None


class Draft(NamedTuple):
    """A credential whose settings are sound, before its provider is built."""

    name: str
    place: Place
    own: BaseModel | None
    seeds: Mapping[str, SeedRef]
    token: str
    keyring: str


def credential(common: Common, draft: Draft, provider: Provider) -> Credential:
    """A credential whose provider is built."""
    return Credential(
        name=draft.name,
        job=common.job,
        provider=provider,
        seeds=draft.seeds,
        token_secret=_spec(common, draft, draft.token, shared=True),
        keyring_secret=(
            _spec(common, draft, draft.keyring, shared=False) if provider.is_chain else None
        ),
        schedule=common.schedule,
        limits=common.limits,
        digest=digest(common, [draft]),
    )


def _spec(common: Common, draft: Draft, name: str, *, shared: bool) -> SecretSpec:
    """Copies and a resource policy are for what consumers read, never for the worker's own."""
    secret, owner = common.secret, qualified(common.job, draft.name)
    what = "what consumers read" if shared else "what rotator alone needs"
    return SecretSpec(
        name=name,
        owner=owner,
        adopt=secret.adopt,
        kms_key_id=secret.kms_key_id,
        description=f"{owner}: {what}",
        tags=secret.tags,
        replica_regions=secret.replica_regions if shared else (),
        policy=secret.policy if shared else "",
        templates=secret.keys if shared else {},
    )


def digest(common: Common, drafts: Sequence[Draft]) -> str:
    """Changes with whatever a job file and its environment say of these credentials."""
    parts = [common.plugin.name, common.schedule, common.limits, common.secret, common.own]
    parts += [part for draft in drafts for part in (draft.name, draft.own, draft.seeds)]
    return hashlib.sha256(json.dumps(_plain(parts), sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    """The same for the same settings, in every process: sets have no order of their own."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else str(value)
