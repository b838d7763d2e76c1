"""What a job file says of its secrets in AWS: the table `[secret]`, and the names that it makes.

The descriptions are the documentation, as in `fields`.
"""

import json
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from rotator.providers.base import Settings
from rotator.settings import KMS_KEY
from rotator.store import contract

_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_LIKE_AN_ARN = re.compile(r"-[A-Za-z0-9]{6}$")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("prefix", "job", "credential")


def _template(text: str) -> str:
    unknown = [name for name in _PLACEHOLDER.findall(text) if name not in _PLACEHOLDERS]
    if unknown or re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        raise ValueError("not a template; its placeholders are {prefix}, {job} and {credential}")
    return text


def _policy(text: str) -> str:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object; paste the policy between '''quotes'''")  # noqa: TRY004
    return text


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > 40:
        raise ValueError("more than 40 tags; AWS takes 50 with ours")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise ValueError("a tag that AWS refuses; keys up to 128, values up to 256, no aws:")
    return tags


def _added(keys: dict[str, str]) -> dict[str, str]:
    if len(keys) > contract.MOST_ADDED:
        raise ValueError(f"more than {contract.MOST_ADDED} keys; leave out those nobody reads")
    return keys


Template = Annotated[str, AfterValidator(_template)]
AddedKeys = dict[
    Annotated[str, AfterValidator(contract.added_key)],
    Annotated[str, AfterValidator(contract.template)],
]


class SecretSettings(Settings):
    """The table `[secret]`."""

    name: Template = Field(
        "{prefix}/token/{job}/{credential}", description="The secret that consumers read."
    )
    keyring_name: Template = Field(
        "{prefix}/keyring/{job}/{credential}",
        description="The worker's own secret, where a refresh token replaces another.",
    )
    adopt: bool = Field(
        default=False,
        description="Take over secrets of these names that we did not make; their other keys stay.",
    )
    kms_key_id: str = Field(
        "",
        pattern=rf"^({KMS_KEY})?$",
        description="The KMS key: alias/…, an id or an ARN. Unset: AWS's own for Secrets Manager.",
    )
    tags: Annotated[dict[str, str], AfterValidator(_tags)] = Field(
        {}, description="Tags of the secrets, beside our own."
    )
    keys: Annotated[AddedKeys, AfterValidator(_added)] = Field(
        {},
        description="More keys of what consumers read, each a template of the contract's own:"
        ' `authorization = "{header_value}"`, `api_token = "{access_token}"`. Its own keys stay as'
        " they are. They are there from the next publication on.",
    )
    replica_regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")], ...] = Field(
        (), description="Regions to which AWS copies what consumers read."
    )
    policy: Annotated[str, AfterValidator(_policy)] = Field(
        "", max_length=20_480, description="A resource policy as JSON, put once."
    )


def secret_name(template: str, prefix: str, job: str, credential: str) -> str:
    """The name that a template makes. Raises ValueError where AWS takes no such name."""
    filled = {"prefix": prefix, "job": job, "credential": credential}
    name = _PLACEHOLDER.sub(lambda match: filled[match[1]], template)
    check_secret_name(name)
    return name


def check_secret_name(name: str) -> None:
    """Raise ValueError for a name that AWS refuses, or may take for part of an ARN."""
    if not _SECRET_NAME.fullmatch(name):
        raise ValueError("not a secret's name; use letters, digits and /_+=.@-, at most 512")
    if _LIKE_AN_ARN.search(name):
        raise ValueError(
            "the name ends as ARNs do, with a hyphen and six characters; end it otherwise"
        )
