"""What can stand between a consumer and its token, by what to do next.

TokenError
  · SecretNotFound   there is no such secret in this account and Region
  · AccessDenied     AWS refuses this process: its credentials, a policy, the KMS key
  · MalformedSecret  what is there is not what rotator writes
  · Unavailable      Secrets Manager cannot be reached, or asks for patience
  · TokenExpired     the newest token that there is has died

None is raised while a token is held that lives. No message holds a token.
"""

from typing import Self


class TokenError(Exception):
    """The root. `secret` is its name, `remedy` what a person does next."""

    def __init__(self, secret: str, text: str, remedy: str) -> None:
        super().__init__(secret, text, remedy)
        self.secret = secret
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.secret}: {self.text} ({self.remedy})"

    def again(self) -> Self:
        """The same, to be raised anew: one instance must not be raised by several threads."""
        return type(self)(self.secret, self.text, self.remedy)


class SecretNotFound(TokenError):
    """There is no such secret, or it is scheduled for deletion."""


class AccessDenied(TokenError):
    """AWS refuses this process."""


class MalformedSecret(TokenError):
    """The secret holds something else than rotator's contract."""


class Unavailable(TokenError):
    """No answer, or a request for patience; the same may work later."""


class TokenExpired(TokenError):
    """The token is dead and nothing newer was found; `__cause__` says why, if reading failed."""
