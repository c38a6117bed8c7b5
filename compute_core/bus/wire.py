"""Messages and answers as JSON bytes, errors by their names. Both adapters speak it: neither lets through what the other refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from compute_core.model import errors

ERRORS: Mapping[str, type[errors.ComputeError]] = {
    "ComputeError": errors.ComputeError,
    "NotFound": errors.NotFound,
    "Invalid": errors.Invalid,
    "Forbidden": errors.Forbidden,
    "Conflict": errors.Conflict,
    "NoValidHost": errors.NoValidHost,
    "BuildFailed": errors.BuildFailed,
    "HostUnreachable": errors.HostUnreachable,
    "BadImage": errors.BadImage,
}
"""The errors that cross a bus as themselves; any other arrives as ``ComputeError``."""


@dataclass(frozen=True, slots=True)
class Message:
    """One cast or call. ``timeout_s``: how long its sender waits for an answer, from its arrival; None for a cast.

    ``arguments`` may hold secrets, so they are not shown.
    """

    method: str
    arguments: Mapping[str, Any] = field(repr=False)
    timeout_s: float | None = None


def encode(message: Message) -> bytes:
    """Raises TypeError for what is no JSON value."""
    return orjson.dumps({"method": message.method, "arguments": message.arguments, "timeout_s": message.timeout_s})


def decode(body: bytes) -> Message:
    """Raises ValueError for what ``encode`` did not write."""
    match orjson.loads(body):
        case {"method": str(method), "arguments": dict(arguments), "timeout_s": None | int() | float() as timeout_s}:
            return Message(method, arguments, timeout_s)
        case other:
            raise ValueError(f"not a message: {type(other).__name__}")


def encode_answer(value: Any) -> bytes:
    """An endpoint's answer."""
    return orjson.dumps({"value": value})


def encode_error(error: errors.ComputeError) -> bytes:
    """An endpoint's refusal."""
    kind = type(error).__name__
    return orjson.dumps({"error": kind if kind in ERRORS else "ComputeError", "message": error.message})


def answer_of(body: bytes) -> Any:
    """The answer, or the refusal raised again."""
    answer = orjson.loads(body)
    if "error" in answer:
        raise ERRORS[answer["error"]](answer["message"])
    return answer["value"]
