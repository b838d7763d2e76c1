"""What the worker writes about itself: one line a step, for people or as JSON.

Nothing in a line comes from a token, a seed or an answer: events carry names, enums and our own
errors' words. What libraries log goes the same way out, and only from warnings up.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from rotator import triage
from rotator.clock import Clock
from rotator.ledger.facts import Stepped
from rotator.ledger.writes import Rest
from rotator.model import State
from rotator.rotation.telling import Event
from rotator.settings import Settings

_FLOORS: Mapping[str, int | str] = {
    **dict.fromkeys(("alembic", "boto3", "botocore", "httpcore", "httpx", "urllib3"), "WARNING"),
    "apscheduler": "WARNING",
    "apscheduler.scheduler": "ERROR",  # warns of a sweep that runs already, which is normal
    "waitress": logging.CRITICAL + 1,  # quotes what strangers send to the API
    "apprise": logging.CRITICAL + 1,  # names addresses; alerts.py says what failed
}
_UNWELL = frozenset({State.NEEDS_A_PERSON, State.EXPIRED, State.LATE, State.BACKING_OFF})


def set_up(settings: Settings, out: TextIO | None = None) -> None:
    """Route structlog and the standard library's loggers to one stream, stderr by default.

    Our own lines do not pass through the standard library: that doubles what one costs.
    """
    out = out or sys.stderr
    level = settings.log_level.upper()
    handler = logging.StreamHandler(out)
    before: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _traceback,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, _logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings, out),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*before, _renderer(settings, out)],
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Unfailing(out))),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    _hold_down()


class _Unfailing:
    """A stream whose failure costs a line, and nothing else: no full disk ends a rotation."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._out.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._out.flush()


def _renderer(settings: Settings, out: TextIO) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)


def _logger_name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord | None = event.get("_record")
    return event if record is None else {"logger": record.name, **event}


def _traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Class and place of an exception, never its message: that may quote what was handled."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else given
    if not isinstance(error, BaseException):
        return event
    return {**event, "error": type(error).__name__, "where": where(error)}


def where(error: BaseException) -> str:
    """The innermost frames, the last first: `walk.py:88 rotate < local.py:40 _run`."""
    frames = reversed(extract_tb(error.__traceback__)[-6:])
    return " < ".join(f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames)


def _hold_down() -> None:
    for name, level in _FLOORS.items():
        logging.getLogger(name).setLevel(level)


def logger() -> Any:
    """Events by keyword: `log.info("reloaded", jobs=3)`."""
    return structlog.get_logger()


def observer(log: Any, clock: Clock) -> Callable[[Event], None]:
    """What a walk tells, as lines; how long things took is real time."""

    def told(event: Event) -> None:
        if event.stepped is not None:
            _step(log, event, event.stepped, clock.shrink(event.stepped.duration))
        if event.rest is not None:
            _rest(log, event, event.rest)

    return told


def _step(log: Any, event: Event, stepped: Stepped, seconds: float) -> None:
    trouble = triage.trouble_of(stepped.outcome)
    write = log.warning if trouble else log.info
    write(
        str(stepped.step),
        **_whose(event),
        step=stepped.seq,
        reason=str(stepped.reason),
        outcome=stepped.outcome,
        cause=stepped.cause,
        duration_ms=round(seconds * 1000, 1),
        **_text(stepped.text),
        **_trouble(trouble),
    )


def _rest(log: Any, event: Event, rest: Rest) -> None:
    """At debug while all is well and stays so; a change for the worse stands out, once."""
    changed, unwell = event.was is not rest.state, rest.state in _UNWELL
    write = log.warning if changed and unwell else log.info if changed or unwell else log.debug
    write(
        "rest",
        **_whose(event),
        state=str(rest.state),
        reason=str(rest.reason),
        due_at=rest.due_at.isoformat(timespec="seconds"),
        **({"was": str(event.was)} if changed and event.was else {}),
        **_text(rest.text),
        **_trouble(triage.BY_REASON.get(rest.reason)),
    )


def _whose(event: Event) -> dict[str, str]:
    job = event.credential.partition("/")[0]
    return {"job": job, "credential": event.credential, "run": event.run}


def _trouble(trouble: triage.Trouble | None) -> dict[str, str]:
    return {"class": trouble.name, "action": trouble.action} if trouble else {}


def _text(text: str) -> dict[str, str]:
    return {"text": text} if text else {}
