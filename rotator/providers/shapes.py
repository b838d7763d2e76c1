"""How requests are written and answers recognised, whoever the provider is. Pure."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from rotator.errors import Garbled, Throttled, Unanswered
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Secret, Token
from rotator.providers.base import Answer, BodyEncoding, Request

_CONTENT_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
_ACCEPT = Secret("application/json")
_LONGEST_LIFE = timedelta(days=3660)


def origin(url: str) -> str:
    """scheme://host:port of a URL, lower case, the default port left out."""
    parts = urlsplit(url)
    port = parts.port
    default = {"https": 443, "http": 80}.get(parts.scheme)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def post(
    url: str,
    fields: Mapping[str, object],
    encoding: BodyEncoding = "json",
    headers: Mapping[str, Secret] | None = None,
) -> Request:
    """A POST of `fields`, as JSON or as a form."""
    text = (
        json.dumps(fields)
        if encoding == "json"
        else urlencode({k: str(v) for k, v in fields.items()})
    )
    return Request(
        url=url,
        headers={"accept": _ACCEPT, **(headers or {})},
        body=Secret(text),
        content_type=_CONTENT_TYPES[encoding],
    )


def refuse_unless_documented(answer: Answer) -> None:
    """Raise what an answer without 2xx means where the vendor documents nothing for it.

    429 is Throttled (RFC 6585, 4); everything else is Unanswered: a proxy or a broken server may
    have spoken, and the provider may have acted all the same.
    """
    if answer.status == 429:
        raise Throttled("HTTP 429", retry_after=retry_after(answer))
    if not answer.ok:
        raise Unanswered(f"HTTP {answer.status} that the provider does not document")


def retry_after(answer: Answer) -> timedelta | None:
    """The Retry-After header as a duration (RFC 9110, 10.2.3), None where it is absent or odd."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 8:
        return timedelta(seconds=int(text))
    try:
        return max(parsedate_to_datetime(text) - answer.received_at, timedelta(0))
    except (TypeError, ValueError):
        return None


def text_field(found: Mapping[str, Any], name: str) -> str | None:
    """A non-empty string that can travel in a header, None where it is absent, null or empty.

    Raises Garbled for any other type, and for control characters or absurd length.
    """
    value = found.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Garbled(f"`{name}` is not a string")
    if len(value) > 32_768 or not value.isascii() or not value.isprintable() or " " in value:
        raise Garbled(f"`{name}` is not a token: odd characters or too long")
    return value


def required(found: Mapping[str, Any], name: str) -> Secret:
    """A token that must be there. Raises Garbled."""
    value = text_field(found, name)
    if value is None:
        raise Garbled(f"`{name}` is missing")
    return Secret(value)


def iso_instant(value: object, name: str) -> datetime | None:
    """An ISO 8601 instant with an offset, None where it is null or absent. Raises Garbled."""
    if value is None or value == "":
        return None
    try:
        at = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _odd(name) from None
    if at.tzinfo is None:
        raise _odd(name)
    return _sane(at, name)


def unix_instant(value: object, name: str) -> datetime | None:
    """Unix seconds, None where null or absent. Raises Garbled for what looks like milliseconds."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _odd(name)
    if value > 100_000_000_000:
        raise Garbled(f"`{name}` looks like milliseconds, not unix seconds")
    try:
        at = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise _odd(name) from None
    return _sane(at, name)


def _sane(at: datetime, name: str) -> datetime:
    if not 2000 <= at.year <= 2200:
        raise _odd(name)
    return at.astimezone(UTC)


def _odd(name: str) -> Garbled:
    return Garbled(f"`{name}` is not an instant that makes sense")


def jwt_expiry(secret: Secret) -> datetime | None:
    """The `exp` of a JWT, its signature unchecked; None for anything that is no JWT with one.

    It is the provider's word to us, not a login: PyJWT would check nothing here either.
    """
    try:
        _, payload, _ = secret.reveal().split(".")
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return unix_instant(claims.get("exp"), "exp")
    except (Garbled, ValueError, AttributeError, RecursionError):
        return None


def earliest(*instants: datetime | None) -> datetime | None:
    """The earlier of what several sources say, None where none says anything."""
    return min((at for at in instants if at is not None), default=None)


def soonest(sent_at: datetime, *instants: datetime | None) -> datetime | None:
    """The earliest of several sources that can be meant of a token asked for at `sent_at`.

    What lies beyond ten years is nobody's word. What is over within a minute counts only where no
    source says more: in Amino's own sample a token expires at the instant of its login.
    """
    said = [at for at in instants if at is not None and at - sent_at <= _LONGEST_LIFE]
    believable = [at for at in said if at - sent_at > timedelta(minutes=1)]
    return min(believable or said, default=None)


def counted(
    sent_at: datetime, created_at: datetime | None, expires_at: datetime | None
) -> datetime | None:
    """The provider's own lifespan from our request on; None where its dates make none."""
    if created_at is None or expires_at is None:
        return None
    lifespan = expires_at - created_at
    return sent_at + lifespan if abs(lifespan) <= _LONGEST_LIFE else None


def instant_if_sane(value: object) -> datetime | None:
    """`unix_instant`, but None for nonsense: a bad date never costs the token beside it."""
    try:
        return unix_instant(value, "instant")
    except Garbled:
        return None


def life_if_sane(value: object) -> timedelta | None:
    """Seconds to live, as a number or a string of one (Azure, Intuit).

    None for what states no life: zero, negative, not finite, or beyond ten years.
    """
    try:
        count = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(value, bool) or not 0 < count <= _LONGEST_LIFE.total_seconds():
        return None
    return timedelta(seconds=count)


def object_or_empty(answer: Answer) -> dict[str, Any]:
    """The body's JSON object; an empty one where it is anything else, for the status to speak."""
    try:
        return answer.json_object()
    except Garbled:
        return {}


def pair(found: Mapping[str, Any]) -> tuple[Secret | None, Secret | None]:
    """The access and the refresh token of an answer that may hold both, None for either not there.

    Beside a good refresh token a garbled access token counts as none, so that the good one is kept.
    A garbled refresh token is never passed over: Garbled.
    """
    refresh = text_field(found, REFRESH_TOKEN)
    try:
        access = text_field(found, ACCESS_TOKEN)
    except Garbled:
        if refresh is None:
            raise
        access = None
    return Secret(access) if access else None, Secret(refresh) if refresh else None


def lives(
    secret: Secret, issued_at: datetime, expires_at: datetime | None, kind: str = ""
) -> Token:
    """A token from an answer. Raises Garbled where its life would be longer than ten years."""
    if expires_at is not None and expires_at - issued_at > _LONGEST_LIFE:
        raise Garbled("a token that would live for more than ten years")
    return Token(value=secret, issued_at=issued_at, expires_at=expires_at, kind=kind)
