"""Structured logs: one line for each record, as text or as JSON, with its fields. They contain no secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
FIELDS: Mapping[str, str] = {"host": "host", "xapi_message": "message", "outcome": "outcome", "duration_s": "duration_s"}
"""Fields of a record, and their names in a line."""


class TextLines(logging.Formatter):
    """``2012-08-01T00:00:00.123Z DEBUG fake_xapi.calls call host=xs00001 message=VM.start outcome=success duration_s=0.002``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows it."""
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        head = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}{fields}"
        return "\n".join([head, *_trace(self, record)])


class JsonLines(logging.Formatter):
    """One JSON object for each record; a traceback is in its member ``trace``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        head = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name, "event": record.getMessage()}
        trace = "\n".join(_trace(self, record))
        return json.dumps({**head, **_fields(record), **({"trace": trace} if trace else {})})


def log_to_stderr(form: str, level: str) -> logging.Handler:
    """Start to write logs; returns the handler, to be removed at the end."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.getLogger().addHandler(handler)
    logging.getLogger("fake_xapi").setLevel(level.upper())
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Stop writing logs."""
    logging.getLogger().removeHandler(handler)
    logging.getLogger("fake_xapi").setLevel(logging.NOTSET)
    handler.close()


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {told: getattr(record, name) for name, told in FIELDS.items() if hasattr(record, name)}


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    return [formatter.formatException(record.exc_info)] if record.exc_info else []
