"""One boto3 client for all threads: built when first needed, paced, quiet, and with our errors.

Secrets Manager's writes are paced, where a request is about to go out, so that botocore's own
retries are paced too and no write can forget to ask.

botocore logs whole bodies at DEBUG: `hush` keeps its loggers at INFO, whatever the root logger
is at. Never use `boto3.set_stream_logger` here, which undoes that.
"""

import logging
import os
import threading
from datetime import timedelta
from typing import Any, Literal

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from rotator import __version__
from rotator.errors import StoreError, StoreUnavailable
from rotator.store.aws_errors import from_answer, without_answer
from rotator.store.budget import WriteBudget

WRITES = (
    "CreateSecret",
    "PutResourcePolicy",
    "PutSecretValue",
    "RestoreSecret",
    "TagResource",
    "UpdateSecretVersionStage",
)
_ATTEMPTS = 3
_CONNECT_SECONDS = 3
_BACKOFF_SECONDS = 1
"""Between two attempts, on average, when throttled."""
_NAME = f"rotator/{__version__} Boto3/{boto3.__version__}"
"""As CloudTrail shows us. botocore's own tells more, and is put together twice for each call:
that takes a sixth of the call's processor time."""
_HOOK = "rotator-write-budget"
_LOUD = ("botocore", "boto3", "urllib3", "s3transfer")


class AwsClient:
    """One service of AWS, asked one thing at a time. Thread-safe."""

    def __init__(
        self,
        service: Literal["secretsmanager", "kms"],
        *,
        threads: int,
        timeout: timedelta,
        budget: WriteBudget | None = None,
        client: Any = None,
    ) -> None:
        """`timeout`: of one question with all its attempts. `budget`: of Secrets Manager's writes.

        `client`: one that is there already; else the usual chain of settings makes one.
        """
        self._service = service
        self._budget = budget
        an_attempt = timeout.total_seconds() / _ATTEMPTS
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=min(max(an_attempt - _CONNECT_SECONDS - _BACKOFF_SECONDS, 1), 10),
            max_pool_connections=max(threads, 1),
            user_agent=_NAME,
        )
        self._lock = threading.Lock()
        self._given = client is not None
        self._client: Any = client
        if client is not None:
            self._pace(client)

    def ask(self, action: str, about: str, **params: Any) -> dict[str, Any]:
        """AWS's answer. Raises StoreUnavailable or StoreDenied; Refused where a caller may know."""
        problem: StoreError
        wanted = f"{self._service}:{action}"  # as IAM calls it
        try:
            call = getattr(self._ready(), xform_name(action))
            answer: dict[str, Any] = call(**params)
        except ClientError as error:
            problem = from_answer(wanted, about, error)
        except NoCredentialsError as error:
            problem = without_answer(wanted, about, error)
            self.close()  # a client that was made without credentials never finds any
        except BotoCoreError as error:
            problem = without_answer(wanted, about, error)
        except Exception:  # noqa: BLE001 - a proxy's odd page breaks botocore in its own ways
            problem = StoreUnavailable(f"an unreadable answer to {wanted} on {about}")
        else:
            return answer
        params.clear()  # a traceback that shows locals shows no value here
        raise problem  # out here, so that it drags no botocore exception along

    def close(self) -> None:
        """Close our own client's connections; the next question opens new ones."""
        with self._lock:
            client = None if self._given else self._client
            if client is not None:
                self._client = None
        if client is not None:
            client.close()

    def _ready(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _session().client(self._service, config=self._config)
                self._pace(self._client)
            return self._client

    def _pace(self, client: Any) -> None:
        hush()
        budget = self._budget
        if budget is None:
            return

        def pace(**_: object) -> None:
            budget.spend()

        for write in WRITES:
            client.meta.events.register_first(
                f"before-send.secrets-manager.{write}", pace, unique_id=f"{_HOOK}-{write}"
            )


def refuse_without_region() -> None:
    """Raise StoreUnset where nothing says in which Region the secrets lie. Asks nobody.

    Not so for credentials: a role's may come a moment after the worker, and are then found.
    """
    wanted, about = "secretsmanager:DescribeSecret", "any secret"
    try:
        problem = None if _session().region_name else without_answer(wanted, about, NoRegionError())
    except BotoCoreError as error:  # a profile that is not there, a file that cannot be read
        problem = without_answer(wanted, about, error)
    if problem is not None:
        raise problem


def _session() -> Any:
    # AWS's other SDKs, ECS and Lambda say AWS_REGION; boto3 alone does not read it.
    return boto3.session.Session(region_name=os.environ.get("AWS_REGION") or None)


def hush() -> None:
    """Keep AWS's libraries at INFO or above, one logger at a time: children may have own levels."""
    names = [*_LOUD, *logging.root.manager.loggerDict]
    for name in names:
        if name.split(".")[0] in _LOUD:
            logger = logging.getLogger(name)
            level = max(logger.getEffectiveLevel(), logging.INFO)
            if logger.level != level:  # to set one clears what every logger has worked out
                logger.setLevel(level)
