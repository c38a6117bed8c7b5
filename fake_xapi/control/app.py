"""The control plane as a WSGI application: find the operation, validate the request, hand it to the loop, write the answer.

May not know what an operation does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from inspect import isawaitable
from typing import Any

from flask import Flask, Response, request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException

from fake_xapi.control import guard
from fake_xapi.control.errors import Refused
from fake_xapi.control.metrics import CONTENT_TYPE, metrics
from fake_xapi.control.openapi import document
from fake_xapi.control.operations import OPERATIONS, Asked, Operation
from fake_xapi.control.portal import Portal
from fake_xapi.control.schemas import SCHEMAS, Schema
from fake_xapi.control.simulation import Simulation
from fake_xapi.control.streams import Streams

BODY_BYTES = 1 << 20
STATIC: Mapping[str, str] = {
    "index.html": "text/html; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "host_map.js": "text/javascript; charset=utf-8",
    "panels.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files of the dashboard, by name, with their types."""
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer: it must not be cached, framed, or run code from elsewhere."""


def create_app(simulation: Simulation, portal: Portal, streams: Streams, port: Callable[[], int]) -> Flask:
    """The application; ``port`` returns where it listens, once it does."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.before_request(lambda: guard.check(request.method, dict(request.headers.items()), port()))
    app.after_request(_guarded)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(HTTPException, _unknown)
    for operation in OPERATIONS:
        app.add_url_rule(
            re.sub(r"{(\w+)}", _converter, operation.path),
            operation.name,
            _view(operation, simulation, portal),
            methods=[operation.method],
            provide_automatic_options=False,
        )
    _add_texts(app, simulation, portal, streams)
    return app


def _converter(found: re.Match[str]) -> str:
    return "<int:handle>" if found[1] == "handle" else f"<{found[1]}>"


def _view(operation: Operation, simulation: Simulation, portal: Portal) -> Callable[..., Response]:
    async def acted(asked: Asked) -> Any:
        answer = operation.act(simulation, asked)
        return await answer if isawaitable(answer) else answer

    def view(**path: Any) -> Response:
        asked = Asked({name: str(value) for name, value in path.items()}, _query(operation), _body(operation))
        answer = portal.run(acted(asked))
        return Response(status=operation.status) if not operation.answers else _json(answer, operation.status)

    return view


def _add_texts(app: Flask, simulation: Simulation, portal: Portal, streams: Streams) -> None:
    pages: Mapping[str, Callable[..., Response]] = {
        "/": lambda: _file("index.html"),
        "/static/<name>": _file,
        "/openapi.json": lambda: _json(document()),
        "/metrics": lambda: Response(portal.run(metrics(simulation)), content_type=CONTENT_TYPE),
        "/live": lambda: _stream(streams.live()),
        "/calls/stream": lambda: _stream(streams.calls(**_query(_CALLS))),
    }
    for path, view in pages.items():
        app.add_url_rule(path, f"page {path}", view, methods=["GET"], provide_automatic_options=False)


_CALLS = next(operation for operation in OPERATIONS if operation.name == "calls")


def _file(name: str) -> Response:
    kind = STATIC.get(name)
    if kind is None:
        return _error(404, "not_found", f"there is no file {name!r}")
    return Response(resources.files("fake_xapi.control").joinpath("static", name).read_bytes(), content_type=kind)


def _stream(events: Iterator[bytes]) -> Response:
    return Response(events, content_type="text/event-stream; charset=utf-8")


# ---- what was asked -----------------------------------------------------------------------------------------------------------


def _query(operation: Operation) -> dict[str, Any]:
    """The parameters of the query, validated against their schemas."""
    for name in request.args:
        if name not in operation.query:
            known = ", ".join(operation.query) or "none"
            raise Refused(f"{operation.path} has no parameter {name!r}; it has {known}")
    return {name: _parameter(name, schema) for name, schema in operation.query.items()}


def _parameter(name: str, schema: Schema) -> Any:
    text = request.args.get(name)
    if text is None and "default" not in schema:
        raise Refused(f"the parameter {name!r} is missing; add ?{name}=...")
    if text is None:
        return schema["default"]
    value: Any = int(text) if schema.get("type") == "integer" and re.fullmatch(r"\d{1,18}", text) else text
    _check(value, schema, f"the parameter {name!r}")
    return value


def _body(operation: Operation) -> dict[str, Any]:
    """The JSON in the body, validated against its schema."""
    if not operation.takes:
        return {}
    if not request.is_json:
        raise _NoJson(f"{operation.method} {operation.path} takes JSON; send Content-Type: application/json")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise Refused(f"the body is no JSON: {error}; correct it") from error
    _check(body, SCHEMAS[operation.takes], "the body")
    found: dict[str, Any] = body
    return found


class _NoJson(Refused):
    status = 415
    code = "unsupported_media_type"


def _check(value: Any, schema: Schema, what: str) -> None:
    validator = Draft202012Validator({**schema, "components": {"schemas": SCHEMAS}})
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    if errors:
        where = "".join(f"[{part!r}]" for part in errors[0].path)
        raise Refused(f"{what}{where} is wrong: {errors[0].message}; /openapi.json says what it may be")


# ---- what is answered ---------------------------------------------------------------------------------------------------------


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), status=status, content_type="application/json")


def _error(status: int, code: str, message: str) -> Response:
    return _json({"error": {"status": status, "code": code, "message": message}}, status)


def _refused(refusal: Refused) -> Response:
    return _error(refusal.status, refusal.code, str(refusal))


def _unknown(error: HTTPException) -> Response:
    status = error.code or 500
    told = {
        404: f"there is nothing at {request.path}; /openapi.json lists all paths",
        405: f"{request.path} does not know {request.method}; /openapi.json lists the methods of each path",
        413: f"a body has at most {BODY_BYTES} bytes; send less",
    }
    return _error(status, error.name.lower().replace(" ", "_"), told.get(status, error.description or error.name))


def _guarded(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
