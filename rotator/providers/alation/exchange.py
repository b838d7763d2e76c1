"""What is sent to Alation, and what its answers say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rotator.errors import Garbled, Misconfigured, Rejected
from rotator.model import ACCESS_TOKEN, REFRESH_TOKEN, Keyring, Token
from rotator.providers import shapes
from rotator.providers.alation.settings import Credential, Job
from rotator.providers.base import Alive, Answer, Dead, Request, Unknown, Verdict

PASSWORD = "password"
# A token without dates that make sense is not thrown away. It gets the shortest life that an
# administrator can set: `access_token_lifespan` counts hours, `refresh_token_lifespan` days.
_ASSUMED_ACCESS = timedelta(hours=1)
_ASSUMED_REFRESH = timedelta(days=1)
# The vendor's own sentences, which alone may be repeated in a message.
_SENTENCES = frozenset(
    {
        "Refresh token provided is invalid.",
        "Refresh token provided is expired or revoked.",
        "API Access Token provided is invalid.",
    }
)


@dataclass(frozen=True, slots=True)
class Exchange:
    job: Job
    credential: Credential

    def present(self, operation: str, token: str, field: str, keyring: Keyring) -> Request:
        fields = {field: keyring[token].value.reveal(), "user_id": self.credential.user_id}
        return self._post(operation, fields)

    def log_in(self, keyring: Keyring) -> Request:
        fields = {
            "username": self.credential.username,
            "password": keyring[PASSWORD].value.reveal(),
            "name": self.job.token_name,
        }
        return self._post("createRefreshToken", fields)

    def minted(self, answer: Answer, sent_at: datetime) -> Keyring:
        found = _granted(answer)
        secret = shapes.required(found, "api_access_token")
        self._require_our_user(found)
        if _status(found) not in ("active", None):
            raise Garbled("`token_status` of a new access token is not active")
        expires_at = _expiry(found, answer, sent_at) or sent_at + _ASSUMED_ACCESS
        return {ACCESS_TOKEN: Token(value=secret, issued_at=sent_at, expires_at=expires_at)}

    def regenerated(self, answer: Answer, sent_at: datetime) -> Keyring:
        """Whatever else the answer says, the token is taken: the one it replaces is dead."""
        found = _granted(answer)
        secret = shapes.required(found, REFRESH_TOKEN)
        expires_at = _expiry(found, answer, sent_at) or sent_at + _ASSUMED_REFRESH
        return {REFRESH_TOKEN: Token(value=secret, issued_at=sent_at, expires_at=expires_at)}

    def logged_in(self, answer: Answer, sent_at: datetime) -> Keyring:
        self._require_our_user(_granted(answer))
        return self.regenerated(answer, sent_at)

    def judged(self, answer: Answer) -> Verdict:
        """An expired token is 401 in one source and 200 with its status in another: both count."""
        found = shapes.object_or_empty(answer)
        if _is_refusal(answer, found) and answer.status == 401:
            return Dead(_sentence(found))
        if not answer.ok or not self._is_ours(found):
            return Unknown(f"HTTP {answer.status}")
        status = _status(found)
        if status in ("expired", "revoked"):
            return Dead(status)
        if status != "active":
            return Unknown("`token_status` is missing or not documented")
        return Alive(_date(found, "created_at"), _date(found, "token_expires_at"))

    def _post(self, operation: str, fields: Mapping[str, object]) -> Request:
        base = str(self.job.base_url).rstrip("/")
        return shapes.post(f"{base}/integration/v1/{operation}/", fields, self.job.body_encoding)

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        return str(found.get("user_id") or self.credential.user_id) == str(self.credential.user_id)

    def _require_our_user(self, found: Mapping[str, Any]) -> None:
        if not self._is_ours(found):
            raise Misconfigured("the token is another user's", remedy="correct `user_id`")


def _granted(answer: Answer) -> dict[str, Any]:
    found = shapes.object_or_empty(answer)
    if _is_refusal(answer, found):
        text = f"HTTP {answer.status}: {_sentence(found)}"
        if answer.status == 400:
            raise Misconfigured(text, remedy="correct `user_id` or `body_encoding`")
        raise Rejected(text)  # of a token and of a `user_id` that is not the token's alike
    shapes.refuse_unless_documented(answer)
    return answer.json_object()


def _is_refusal(answer: Answer, found: Mapping[str, Any]) -> bool:
    """Alation's own: `{"detail": …, "code": "401000"}`; a proxy does not know that code."""
    code = str(found.get("code") or "")
    documented = answer.status in (400, 401, 403) and code.isdecimal() and len(code) == 6
    return documented and code.startswith(str(answer.status))


def _sentence(found: Mapping[str, Any]) -> str:
    detail = found.get("detail")
    return detail if isinstance(detail, str) and detail in _SENTENCES else "refused"


def _status(found: Mapping[str, Any]) -> str | None:
    """Lower case in the documentation, upper case in every sample."""
    status = found.get("token_status")
    return None if status is None else str(status).casefold()


def _date(found: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return shapes.iso_instant(found.get(name), name)
    except Garbled:
        return None


def _expiry(found: Mapping[str, Any], answer: Answer, sent_at: datetime) -> datetime | None:
    """The earlier of Alation's word and our own clock plus the lifespan: clocks may differ."""
    expires_at = _date(found, "token_expires_at")
    created_at = _date(found, "created_at") or answer.date
    counted = shapes.counted(sent_at, created_at, expires_at)
    return shapes.soonest(sent_at, expires_at, counted)
