"""The words that every room uses. Imports nothing of ours."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

ACCESS_TOKEN = "access_token"
REFRESH_TOKEN = "refresh_token"


class Secret:
    """A string that cannot be printed, formatted, pickled or iterated by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The string itself, for a request or a sealed write and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled")


class Hidden(dict[str, Any]):
    """A dict that holds secrets in the clear, on their way to a request or out of an answer.

    No log, traceback or crash report that shows local variables shows what is in it.
    """

    def __repr__(self) -> str:
        return "Hidden(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A secret with its dates. A seed is a token that nobody has dated."""

    value: Secret
    issued_at: datetime | None = None
    """None: unknown, as for most seeds."""
    expires_at: datetime | None = None
    """None: it lives until somebody revokes it."""
    kind: str = ""
    """Which of several tokens that go by one name this is, e.g. Albato's `permanent`."""

    @property
    def lifespan(self) -> timedelta | None:
        """`expires_at - issued_at`, or None where either is unknown."""
        if self.issued_at is None or self.expires_at is None:
            return None
        return self.expires_at - self.issued_at


Keyring = Mapping[str, Token]
"""The tokens and seeds of one credential, by name."""


class Shelf(StrEnum):
    """The two secrets of a credential: the consumers', and the worker's own."""

    TOKEN = "token"
    KEYRING = "keyring"


class State(StrEnum):
    """What a credential is at, for every face."""

    FRESH = "fresh"
    DUE = "due"
    ROTATING = "rotating"
    BACKING_OFF = "backing off"
    LATE = "late"
    EXPIRED = "expired"
    NEEDS_A_PERSON = "needs a person"
    PAUSED = "paused"


class Reason(StrEnum):
    """Why a decision fell so. Closed: every log line, step and page uses these words."""

    LEASE_GONE = "another worker holds it"
    READ_LAG = "the store still shows an earlier version"
    LABEL_MOVED_BACK = "an older version of ours was made current"
    FOREIGN_NEWER = "somebody else published a higher generation"
    FOREIGN = "somebody else wrote to our secret"
    ANSWER_UNREAD = "an answer is sealed and not yet read"
    ANSWER_DONE = "the answer has reached every secret"
    REFRESH_TOKEN_NEW = "a new refresh token is not kept yet"
    SEED_NEW = "a seed that a grant will spend is not kept yet"
    TOKEN_IN_USE = "the token in use hangs on the chain at hand"
    CHAIN_MISSING = "with a second chain no renewal would end the token in use"
    ACCESS_TOKEN_NEW = "a new access token is not published yet"
    UNANSWERED = "a request went unanswered"
    IN_DOUBT = "the provider does not say whether the token lives"
    MISSING = "there is no token"
    DUE = "past its renewal time"
    ASKED_FOR = "a person asked for it"
    KILLED = "the last grant may have killed it"
    OUTLIVED = "no consumer holds the earlier token any more"
    NO_GRANT_LEFT = "no grant is left that a machine can use"
    TOKEN_SPENT = "the refresh token is spent, and no answer brought another"
    TOKEN_REFUSED = "the provider refuses the refresh token"
    SEED_REFUSED = "the provider refuses the seed"
    ANOTHER_LEDGER = "the keyring belongs to another ledger"
    FRESH = "nothing is due"
    BACKING_OFF = "the last attempt failed"
    REQUEST_OPEN = "an earlier request may still be answered"
    PAUSED = "a person paused it"
    TOO_MANY_STEPS = "the walk did not come to rest"
    UNREACHABLE = "the provider cannot be reached"
    PROVIDER_DOWN = "the provider answers nobody"
    THROTTLED = "the provider asks for patience"
    REJECTED = "the provider refused what was presented"
    MISCONFIGURED = "the provider refused our settings"
    GARBLED = "the provider's answer cannot be understood"
    STORE_UNAVAILABLE = "the store cannot be reached"
    STORE_THROTTLED = "AWS asks for patience"
    STORE_DENIED = "the store refuses us"
    KEY_DENIED = "the KMS key refuses us"
    STORE_UNSET = "AWS is not set up for the worker"
    NOT_OURS = "the secret's name belongs to somebody else"
    VERSION_BUDGET = "the secret took too many versions today"
    FENCE_LOST = "the label was moved meanwhile"
    SEED_MISSING = "a seed is not where its reference points"
    SEAL_UNREADABLE = "a sealed answer does not open with this key"
    VERIFY_FAILED = "the provider does not know the new token yet"
    DUE_ON_ARRIVAL = "the token was due when it arrived"
    UNEXPECTED = "something broke inside rotator"


def qualified(job: str, credential: str) -> str:
    """The name by which a credential goes everywhere: `job/credential`."""
    return f"{job}/{credential}"
