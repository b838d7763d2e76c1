"""What travels under the seal, and what is written into the two secrets: bytes and back. Pure."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from rotator.errors import SealError
from rotator.model import REFRESH_TOKEN, Hidden, Keyring, Secret, Token
from rotator.providers.base import Answer, Provider

SCHEMA = "1"
"""Of the consumers' value: keys are only ever added."""
SPARE = "spare_refresh_token"
"""The keyring field of a pair's other refresh token, the one that rests."""
TURNED = "turned"
"""The keyring field that says up to which generation published tokens came of the spare; empty:
they came of the chain at hand."""
NO_PAIR = "no_pair_since"
"""The keyring field that says when a pair was given up, as its other chain had died."""
SEED_HOST = "seed_host"
"""The keyring field that says where the seed was for, if the job has moved since."""
CHAIN = ("seed", "adopted_at")
PAIR = (TURNED, SPARE, "spare_issued_at", "spare_expires_at", NO_PAIR)
_IF_ANY = (SEED_HOST, *PAIR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A raw answer, with what was held when the request went out."""

    answer: Answer
    held: Secret | None
    """The refresh token of that moment: should the answer be unreadable, it is still here."""
    carried: Mapping[str, str]
    """What a keyring hands on to the next: see `handed_down`."""


def pack_answer(sealed: Sealed) -> bytes:
    """The plaintext of a seal."""
    answer = sealed.answer
    return json.dumps(
        {
            "status": answer.status,
            "headers": dict(answer.headers),
            "body": base64.b64encode(answer.body).decode(),
            "received_at": answer.received_at.isoformat(),
            "held": sealed.held.reveal() if sealed.held else None,
            "carried": dict(sealed.carried),
        }
    ).encode()


def unpack_answer(plain: bytes) -> Sealed:
    """Raises SealError where the plaintext is none of ours."""
    try:
        found = json.loads(plain)
        answer = Answer(
            status=found["status"],
            headers=found["headers"],
            body=base64.b64decode(found["body"]),
            received_at=datetime.fromisoformat(found["received_at"]),
        )
        held = Secret(found["held"]) if found["held"] else None
        return Sealed(answer=answer, held=held, carried=dict(found["carried"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SealError("a sealed answer holds something else than an answer") from None


def pack_tokens(tokens: Keyring, carried: Mapping[str, str]) -> bytes:
    """The plaintext of what a seal's answer was read to."""
    packed = {
        name: [
            token.value.reveal(),
            instant(token.issued_at),
            instant(token.expires_at),
            token.kind,
        ]
        for name, token in tokens.items()
    }
    return json.dumps({"tokens": packed, "carried": dict(carried)}).encode()


def unpack_tokens(plain: bytes) -> tuple[Keyring, dict[str, str]]:
    """The tokens, and what the keyring hands on. Raises SealError."""
    try:
        found = json.loads(plain)
        tokens = {
            name: Token(
                value=Secret(value), issued_at=parsed(issued), expires_at=parsed(expires), kind=kind
            )
            for name, (value, issued, expires, kind) in found["tokens"].items()
        }
        return tokens, dict(found["carried"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise SealError("a sealed keyring holds something else than tokens") from None


def instant(at: datetime | None) -> str:
    """RFC 3339 in UTC with Z, empty for None."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else ""


def parsed(text: str) -> datetime | None:
    """The instant that `instant` wrote; None for empty, odd or naive text."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def token_fields(provider: Provider, owner: str, token: Token, generation: int) -> Hidden:
    """The consumers' secret: one flat object of strings, a contract (schema 1)."""
    header_name, header_value = provider.header(token)
    epoch = str(int(token.expires_at.timestamp())) if token.expires_at else ""
    return Hidden(
        {
            "access_token": token.value.reveal(),
            "token_type": provider.token_type,
            "header_name": header_name,
            "header_value": header_value,
            "issued_at": instant(token.issued_at),
            "expires_at": instant(token.expires_at),
            "expires_at_epoch": epoch,
            "generation": str(generation),
            "provider": provider.name,
            "credential": owner,
            "schema": SCHEMA,
        }
    )


def keyring_fields(
    provider: Provider,
    owner: str,
    token: Token,
    generation: int,
    ledger_id: str,
    carried: Mapping[str, str],
) -> Hidden:
    """The worker's own secret: the only key to the next generation, and whose it is."""
    return Hidden(
        {
            REFRESH_TOKEN: token.value.reveal(),
            "issued_at": instant(token.issued_at),
            "expires_at": instant(token.expires_at),
            "generation": str(generation),
            "ledger_id": ledger_id,
            "provider": provider.name,
            "host": provider.host,
            **{name: carried.get(name, "") for name in CHAIN},
            **{name: value for name in _IF_ANY if (value := carried.get(name))},
            "credential": owner,
            "schema": SCHEMA,
        }
    )


def handed_down(provider: Provider, fields: Mapping[str, str]) -> dict[str, str]:
    """What outlives a rotation, out of the keyring that is there.

    The mark of the seed that the chain grew from, when another ledger took it over by itself, which
    happens once, and a pair's other chain. Where the job has moved, that chain stays behind: no
    token goes where it did not come from.
    """
    host = fields.get("host", "")
    if host == provider.host:
        return {name: fields.get(name, "") for name in (*CHAIN, *_IF_ANY)}
    chain = {name: fields.get(name, "") for name in CHAIN}
    return chain | {SEED_HOST: fields.get(SEED_HOST) or host}


def kept_token(fields: Mapping[str, str]) -> Token | None:
    """The refresh token in the worker's own secret, None where there is none."""
    value = fields.get(REFRESH_TOKEN)
    if not value:
        return None
    return Token(
        value=Secret(value),
        issued_at=parsed(fields.get("issued_at", "")),
        expires_at=parsed(fields.get("expires_at", "")),
    )


def spare_token(fields: Mapping[str, str]) -> Token | None:
    """The refresh token of a pair that rests, None where there is no pair."""
    value = fields.get(SPARE)
    if not value:
        return None
    return Token(
        value=Secret(value),
        issued_at=parsed(fields.get("spare_issued_at", "")),
        expires_at=parsed(fields.get("spare_expires_at", "")),
    )


def spare_fields(token: Token | None) -> dict[str, str]:
    """What a keyring says of the refresh token that rests; empty: there is none."""
    return {
        SPARE: token.value.reveal() if token else "",
        "spare_issued_at": instant(token.issued_at) if token else "",
        "spare_expires_at": instant(token.expires_at) if token else "",
    }


def seed_mark(provider: Provider, owner: str, seed: Secret) -> str:
    """Names a seed inside the keyring, the same on every ledger, so that an old one stays old."""
    key = blake2b(f"{provider.host} {owner}".encode()).digest()
    return blake2b(seed.reveal().encode(), key=key, digest_size=32).hexdigest()
