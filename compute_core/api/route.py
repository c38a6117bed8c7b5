"""One line of the table of routes, and how a call finds its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from compute_core.api.call import Handler
from compute_core.api.compute.server_actions import Act
from compute_core.api.microversions import MAXIMUM, MINIMUM
from compute_core.api.schemas.types import Schema, SchemaOf


class Access(Enum):
    """Who may: anybody, whoever has a token, or whoever has a role in the token's project."""

    ANYBODY = ""
    KNOWN = "any token"
    READER = "reader"
    MEMBER = "member"
    ADMIN = "admin"


ANYBODY, KNOWN, READER, MEMBER, ADMIN = Access.ANYBODY, Access.KNOWN, Access.READER, Access.MEMBER, Access.ADMIN


@dataclass(frozen=True, slots=True)
class Route:
    """One line. ``path`` has its parameters in braces; ``body`` and ``query`` are schemas; versions are minor ones, both included."""

    method: str
    path: str
    handler: Handler
    access: Access
    status: int = 200
    body: SchemaOf | None = None
    query: SchemaOf | None = None
    since: int = MINIMUM
    until: int = MAXIMUM
    is_raw: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One key of ``POST /servers/{id}/action``; the rest as in ``Route``."""

    key: str
    act: Act
    body: SchemaOf
    status: int = 202
    access: Access = Access.MEMBER
    since: int = MINIMUM
    until: int = MAXIMUM


@dataclass(frozen=True, slots=True)
class Service:
    """One service: where it is mounted and its routes. Only the Compute API speaks microversions."""

    name: str
    mount: str
    routes: tuple[Route, ...]
    has_microversions: bool = False


def by_place(routes: Iterable[Route]) -> Mapping[tuple[str, str], tuple[Route, ...]]:
    """The routes of each method and path, which differ in their versions."""
    places: dict[tuple[str, str], tuple[Route, ...]] = {}
    for route in routes:
        key = (route.method, route.path)
        places[key] = (*places.get(key, ()), route)
    return places


def of_version(routes: tuple[Route, ...], minor: int) -> Route | None:
    """The one that a version has."""
    return next((route for route in routes if route.since <= minor <= route.until), None)


def schema_of(schema: SchemaOf | None, minor: int) -> Schema | None:
    """The schema as it is at a version."""
    return schema(minor) if callable(schema) else schema
