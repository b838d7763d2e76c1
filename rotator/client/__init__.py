"""Tokens that rotator keeps alive, in the services that use them.

    from rotator.client import Token

    token = Token("rotator/token/alation/etl")
    httpx.get(url, headers=token.header)

Needs boto3 and nothing else, imports nothing else of rotator, and comes alone as `rotator-client`.
`rotator.client.httpx_auth` and `rotator.client.requests_auth` fit it to those libraries,
`rotator.client.testing` fakes it. See README.md beside this file.
"""

from rotator.client.aws import SecretsManager
from rotator.client.errors import (
    AccessDenied,
    MalformedSecret,
    SecretNotFound,
    TokenError,
    TokenExpired,
    Unavailable,
)
from rotator.client.reading import Reading
from rotator.client.token import STALENESS, Token

__all__ = [
    "STALENESS",
    "AccessDenied",
    "MalformedSecret",
    "Reading",
    "SecretNotFound",
    "SecretsManager",
    "Token",
    "TokenError",
    "TokenExpired",
    "Unavailable",
]
