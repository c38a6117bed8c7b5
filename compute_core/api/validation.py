"""Bodies and queries against JSON schemas, refused in the words that Nova uses."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match

from compute_core.api.call import Query
from compute_core.model.errors import Invalid

Schema = Mapping[str, Any]

FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid")
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or _parses(uuid.UUID, value)


@FORMATS.checks("ipv4")
def _is_ipv4(value: object) -> bool:
    return not isinstance(value, str) or _parses(ipaddress.IPv4Address, value)


@FORMATS.checks("ipv6")
def _is_ipv6(value: object) -> bool:
    return not isinstance(value, str) or _parses(ipaddress.IPv6Address, value)


@FORMATS.checks("base64")
def _is_base64(value: object) -> bool:
    return not isinstance(value, str) or _decodes(value)


@FORMATS.checks("name")
def _is_name(value: object) -> bool:
    return not isinstance(value, str) or (value.isprintable() and value == value.strip())


@FORMATS.checks("regex")
def _is_regex(value: object) -> bool:
    try:
        re.compile(str(value))
    except re.error:
        return False
    return True


def _parses(kind: Any, value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def _decodes(value: str) -> bool:
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def parse_json(content: bytes) -> Any:
    """The JSON value of a body; Invalid when it is none, or nested beyond reason."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise Invalid("Malformed request body: it is not JSON.") from None


def check_body(body: Any, schema: Schema) -> None:
    """Invalid when the body does not fit."""
    problem = best_match(_validator(_frozen(schema)).iter_errors(body))
    if problem is not None:
        raise Invalid(_sentence(problem))


def check_query(query: Query, schema: Schema) -> None:
    """Invalid when a parameter does not fit. Each of them is a text; ``additionalProperties`` decides on unknown ones."""
    check_body({name: list(query.all(name)) for name in query.names}, schema)


def _sentence(problem: ValidationError) -> str:
    if not problem.path:
        return problem.message
    where = ".".join(str(part) for part in problem.path)
    return f"Invalid input for field/attribute {where}. Value: {_shown(problem.instance)}. {problem.message}"[:1024]


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _frozen(schema: Schema) -> bytes:
    return orjson.dumps(schema)


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(schema), format_checker=FORMATS)
