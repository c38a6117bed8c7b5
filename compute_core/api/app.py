"""The Flask application: finds the route, reads the request, hands it over to the loop, writes the answer. Knows nothing else.

One trip through the portal for one request: token, role, schemas and handler all run on the loop.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import flask
import orjson
from werkzeug.exceptions import HTTPException

from compute_core.api import faults, microversions
from compute_core.api.call import Call, Query, Reply, Services
from compute_core.api.portal import Portal, iterate
from compute_core.api.route import Access, Route, Service, by_place, of_version, schema_of
from compute_core.api.routes import SERVICES
from compute_core.api.validation import check_body, check_query, parse_json
from compute_core.identity.port import Token, Unauthorized
from compute_core.model.errors import ComputeError, Forbidden, Invalid, NotFound
from compute_core.model.requests import RequestContext

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
UNAUTHORIZED = "The request you have made requires authentication."


class BadMediaType(ComputeError):
    """A body in a form that is not read here."""

    status = 415
    name = "badMediaType"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it came: everything that is read of Flask's request, so that nothing below has to know Flask."""

    service: Service
    routes: tuple[Route, ...]
    path: Mapping[str, str]
    query: Query
    headers: Mapping[str, str]
    content: bytes
    content_type: str
    chunks: Callable[[], AsyncIterator[bytes]]
    host_url: str
    url_path: str
    request_id: str


def create_app(services: Services, portal: Portal) -> flask.Flask:
    """The whole API over these services, reached through this portal."""
    app = flask.Flask("inova", static_folder=None)
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    for service in SERVICES:
        for (method, path), routes in by_place(service.routes).items():
            rule = (service.mount + path).replace("{", "<").replace("}", ">")
            view = _view(services, portal, service, routes)
            app.add_url_rule(rule, f"{method} {rule}", view, methods=[method], provide_automatic_options=False)
    app.register_error_handler(HTTPException, _refuse_http)
    app.register_error_handler(Exception, _log_unexpected)
    app.before_request(_name_request(services))
    app.after_request(_sign)
    return app


def _name_request(services: Services) -> Callable[[], None]:
    def name() -> None:
        flask.g.request_id = f"req-{services.new_id()}"

    return name


def _sign(response: flask.Response) -> flask.Response:
    """Every answer says which request it answers."""
    response.headers["x-openstack-request-id"] = flask.g.request_id
    response.headers["x-compute-request-id"] = flask.g.request_id
    return response


def _view(services: Services, portal: Portal, service: Service, routes: tuple[Route, ...]) -> Callable[..., flask.Response]:
    def view(**path: str) -> flask.Response:
        limit = services.image_limit_bytes if routes[0].is_raw else services.body_limit_bytes
        flask.request.max_content_length = limit
        exchange = _read(service, routes, path)
        try:
            version = _version(exchange)
        except ComputeError as problem:
            return _refuse(exchange, problem)
        try:
            reply = portal.run(serve(services, exchange, version))
            response = _write(portal, reply)
        except ComputeError as problem:
            response = _refuse(exchange, problem)
        if service.has_microversions:
            response.headers.extend(microversions.of_reply(version))
        return response

    return view


def _read(service: Service, routes: tuple[Route, ...], path: Mapping[str, str]) -> Exchange:
    request = flask.request
    return Exchange(
        service=service,
        routes=routes,
        path=path,
        query=Query(tuple(request.args.items(multi=True))),
        headers=request.headers,  # type: ignore[arg-type]  # a mapping in all but name
        content=b"" if routes[0].is_raw else request.get_data(cache=False),
        content_type=request.mimetype,
        chunks=_chunks_of(request),
        host_url=request.host_url.rstrip("/"),
        url_path=request.path,
        request_id=flask.g.request_id,
    )


def _chunks_of(request: flask.Request) -> Callable[[], AsyncIterator[bytes]]:
    stream = request.stream

    async def chunks() -> AsyncIterator[bytes]:
        # The server has taken the body in before the application is called: this reads memory or a local file.
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk

    return chunks


def _version(exchange: Exchange) -> int:
    return microversions.of_request(exchange.headers) if exchange.service.has_microversions else microversions.MINIMUM


async def serve(services: Services, exchange: Exchange, version: int) -> Reply:
    """Do what the request asks, if the caller may and the request can be meant. Runs on the loop."""
    route = of_version(exchange.routes, version)
    if route is None:
        raise NotFound("The resource could not be found.")
    secret, token = await _authenticate(services, exchange, route)
    context = _context(exchange, token)
    _authorise(route, token)
    call = Call(
        services=services,
        context=context,
        token=token,
        secret=secret,
        version=version,
        path=exchange.path,
        query=exchange.query,
        headers=exchange.headers,
        body=_checked_body(exchange, route, version),
        chunks=exchange.chunks,
        host_url=exchange.host_url,
        mount=exchange.service.mount,
        url_path=exchange.url_path,
    )
    answer = await route.handler(call)
    reply = answer if isinstance(answer, Reply) else Reply(answer)
    return Reply(reply.body, reply.status or route.status, reply.headers, reply.stream)


async def _authenticate(services: Services, exchange: Exchange, route: Route) -> tuple[str | None, Token | None]:
    if route.access is Access.ANYBODY:
        return None, None
    secret = exchange.headers.get("X-Auth-Token")
    if not secret:
        raise Unauthorized(UNAUTHORIZED)
    return secret, await services.identity.validate(secret)


def _context(exchange: Exchange, token: Token | None) -> RequestContext:
    if token is None:
        return RequestContext("", "", (), exchange.request_id)
    project_id = "" if token.project is None else token.project.id
    return RequestContext(token.user.id, project_id, token.roles, exchange.request_id)


def _authorise(route: Route, token: Token | None) -> None:
    if token is None or route.access is Access.KNOWN:
        return
    if route.access.value not in token.roles:
        raise Forbidden(f"Policy doesn't allow {route.method} {route.path} to be performed: it needs the role {route.access.value}.")


def _checked_body(exchange: Exchange, route: Route, version: int) -> Any:
    query = schema_of(route.query, version)
    if query is not None:
        check_query(exchange.query, query)
    if route.is_raw and exchange.content_type != "application/octet-stream":
        raise BadMediaType("The bytes of an image are sent as application/octet-stream.")
    schema = schema_of(route.body, version)
    if schema is None:
        return None
    if not exchange.content:
        raise Invalid("Missing request body")
    if not exchange.content_type.endswith("json") and not exchange.content_type.endswith("json-patch"):
        raise BadMediaType(f"Unsupported Content-Type {exchange.content_type or 'of nothing'}: application/json is read here.")
    body = parse_json(exchange.content)
    check_body(body, schema)
    return body


def _write(portal: Portal, reply: Reply) -> flask.Response:
    assert reply.status is not None  # noqa: S101 - `serve` has filled it in
    if reply.stream is not None:
        return flask.Response(iterate(portal, reply.stream), reply.status, dict(reply.headers))
    if reply.body is None:
        response = flask.Response(b"", reply.status, dict(reply.headers))
        response.headers.remove("Content-Type")
        return response
    return flask.Response(orjson.dumps(reply.body), reply.status, dict(reply.headers), content_type="application/json")


def _refuse(exchange: Exchange, problem: ComputeError) -> flask.Response:
    if problem.status >= 500:
        log.error("%s: %s %s", exchange.request_id, type(problem).__name__, problem.message)
    status, body = faults.of_error(exchange.service.name, problem)
    response = flask.Response(orjson.dumps(body), status, content_type="application/json")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = f'Keystone uri="{exchange.host_url}/identity"'
    return response


def _refuse_http(problem: HTTPException) -> flask.Response:
    """What Flask itself refuses: an unknown path or method, a body that is too large."""
    status = problem.code or 500
    service = next((service.name for service in SERVICES if service.mount and flask.request.path.startswith(service.mount)), "compute")
    message = "The resource could not be found." if status == HTTPStatus.NOT_FOUND else problem.description or ""
    return flask.Response(orjson.dumps(faults.body_of(service, status, message)), status, content_type="application/json")


def _log_unexpected(problem: Exception) -> flask.Response:
    """The process's border: whatever nobody expected is logged whole, and told as nothing but its request's id."""
    log.error("%s: unexpected", flask.g.request_id, exc_info=problem)
    return flask.Response(orjson.dumps(faults.body_of("compute", 500, faults.UNEXPECTED)), 500, content_type="application/json")
