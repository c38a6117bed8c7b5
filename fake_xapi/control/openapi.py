"""The OpenAPI document of the control plane, made from its operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fake_xapi import __name__ as product
from fake_xapi.control.guard import HEADER
from fake_xapi.control.operations import OPERATIONS, Operation
from fake_xapi.control.schemas import SCHEMAS, ref

VERSION = "1.0"
_TEXTS: Mapping[str, tuple[str, str, str]] = {
    "/metrics": ("metrics", "Metrics for Prometheus", "text/plain"),
    "/live": ("live", "What changes, as server-sent events: map, cells, faults, clock, traffic", "text/event-stream"),
    "/calls/stream": ("follow_calls", "Each call as it ends, as server-sent events", "text/event-stream"),
    "/openapi.json": ("openapi", "This document", "application/json"),
}
"""Paths that are not operations on the simulation: name, summary, and type of the answer."""


def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    for path, (name, summary, kind) in _TEXTS.items():
        answer = {"description": summary, "content": {kind: {"schema": {}}}}
        paths.setdefault(path, {})["get"] = {"operationId": name, "summary": summary, "responses": {"200": answer, "403": _error(403)}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Control of simulated XenServer hosts", "version": VERSION, "x-package": product},
        "paths": paths,
        "components": {"schemas": dict(SCHEMAS)},
    }


def _described(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_in_path(operation), *_in_query(operation), *_in_head(operation)],
        "responses": {str(operation.status): _success(operation), **_errors(operation)},
    }
    if operation.takes:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(operation.takes)}}}
    return made


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    kinds: Mapping[str, Any] = {"handle": {"type": "integer", "minimum": 1}}
    names = re.findall(r"{(\w+)}", operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": kinds.get(name, {"type": "string"})} for name in names]


def _in_query(operation: Operation) -> list[dict[str, Any]]:
    members = operation.query.items()
    return [{"name": name, "in": "query", "required": "default" not in schema, "schema": dict(schema)} for name, schema in members]


def _in_head(operation: Operation) -> list[dict[str, Any]]:
    if operation.method == "GET":
        return []
    why = "Any value: a page of another origin cannot send it."
    return [{"name": HEADER, "in": "header", "required": True, "description": why, "schema": {"type": "string"}}]


def _success(operation: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.answers:
        answer["content"] = {"application/json": {"schema": ref(operation.answers)}}
    return answer


def _errors(operation: Operation) -> dict[str, Any]:
    always = (400, 403) if operation.method == "GET" else (400, 403, 415)
    return {str(status): _error(status) for status in sorted({*always, *operation.refusals, 503})}


def _error(status: int) -> dict[str, Any]:
    return {"description": _MEANINGS[status], "content": {"application/json": {"schema": ref("Error")}}}


_MEANINGS: Mapping[int, str] = {
    400: "What was asked is wrong; the message says how to ask.",
    403: "Who asks may not: another host, or a page of another origin.",
    404: "There is nothing of that name.",
    409: "It cannot be done as things are now; the message says what to do first.",
    415: "The body is no JSON.",
    503: "The simulation is busy.",
}
