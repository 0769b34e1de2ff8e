"""Logs: one wide line per request, task and attempt, carrying request_id, actor and subject.

JSON in production, readable lines elsewhere. Never secrets, card data or bodies.
"""

import logging
import re
import sys
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import structlog

from gateway.settings import settings

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_SECRETS = re.compile(
    r"(?<![A-Za-z0-9])(sk|rk|pk|whsec|secret)_[A-Za-z0-9_\-+/=*]{6,}"
    r"|(?<![A-Za-z0-9_])[A-Za-z0-9_]{1,64}_secret_\S+"
)


def current_request_id() -> str | None:
    return _request_id.get()


def bind(*, request_id: str | None = None, **fields: Any) -> None:
    """Every line and event from here on, in this thread, carries these."""
    structlog.contextvars.clear_contextvars()
    _request_id.set(request_id)
    if request_id:
        fields["request_id"] = request_id
    structlog.contextvars.bind_contextvars(**fields)


def add(**fields: Any) -> None:
    """More for every line from here on: who it turned out to be, what it is about."""
    structlog.contextvars.bind_contextvars(**fields)


def get_logger(name: str) -> Any:
    return structlog.stdlib.get_logger(name)


def redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """The net under the rule that secrets are not logged."""
    return {
        key: _SECRETS.sub("[redacted]", value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def configure(process: str) -> None:
    """Send every log line of this process, ours and the libraries', to standard error."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_shared(process),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(process))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings().log_level)
    for noisy in ("stripe", "urllib3", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _died


def _died(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What ends a process is a line like any other; Ctrl-C is not worth one."""
    if isinstance(error, Exception):
        get_logger(__name__).critical("died", exc_info=error)
    else:
        sys.__excepthook__(kind, error, trace)


def formatter(process: str) -> structlog.stdlib.ProcessorFormatter:
    """How a line looks; Granian's too, which asks for it in `deploy/granian-logging.json`."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings().is_production
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(process),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _shared(process: str) -> list[Any]:
    def name_process(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "process": process}

    return [
        name_process,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
