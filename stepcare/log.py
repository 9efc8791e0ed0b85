"""The program's own log: on stderr, and only what is known to be harmless.

Names, answers and free text never get here, because nothing gets here that is not on the list.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any

import structlog

from engine.audit import instant

ALLOWED = frozenset(
    {
        *("event", "level", "at", "entry", "episode", "kind", "outcome", "move", "failed", "code", "exit"),
        *("timers", "messages", "version", "pathway", "parameters", "count", "error", "seconds"),
        *("request", "method", "route", "status", "ms", "actor"),
    }
)
LONGEST = 200
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
Fields = MutableMapping[str, Any]


def configure_log(level: str, form: str, clock: Callable[[], datetime]) -> None:
    """Send log lines to stderr: from `level` up, as JSON lines or for people."""
    as_json = form == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,  # the id of the request a line belongs to
            structlog.processors.add_log_level,
            _stamped(clock),
            redacted,
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def _to_stderr(*_: object) -> structlog.PrintLogger:
    """Give what prints on stderr as it is now: whoever replaces it, and closes it again, gets his own lines only."""
    return structlog.PrintLogger(file=sys.stderr)


def _stamped(clock: Callable[[], datetime]) -> Callable[[Any, str, Fields], Fields]:
    def stamp(_: Any, __: str, fields: Fields) -> Fields:
        fields["at"] = instant(clock())
        return fields

    return stamp


def redacted(_: Any, __: str, fields: Fields) -> Fields:
    """Keep what is on the list, shortened; of the rest only the names, so that a developer sees what is missing."""
    kept: Fields = {key: _short(value) for key, value in fields.items() if key in ALLOWED}
    hidden = sorted(key for key in fields if key not in ALLOWED)
    if hidden:
        kept["hidden"] = hidden
    return kept


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    return type(value).__name__
