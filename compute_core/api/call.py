"""What a handler is given and what it gives back: one request of the REST API, already authenticated, checked and parsed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from compute_core.api.console_tokens import ConsoleTokens
from compute_core.cells.port import ComputeApi
from compute_core.identity.port import Identity, Token
from compute_core.images.port import ImageStore
from compute_core.model.clock import Clock
from compute_core.model.requests import RequestContext
from compute_core.networks.port import NetworkService
from compute_core.volumes.port import Volumes


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the API. ``new_id`` gives UUIDs, ``new_password`` what a guest's administrator gets."""

    compute: ComputeApi
    identity: Identity
    images: ImageStore
    networks: NetworkService
    clock: Clock
    new_id: Callable[[], str]
    new_password: Callable[[], str]
    consoles: ConsoleTokens = field(default_factory=ConsoleTokens)
    volumes: Volumes | None = None
    region: str = "RegionOne"
    body_limit_bytes: int = 1 << 20
    image_limit_bytes: int = 16 << 30


@dataclass(frozen=True, slots=True)
class Query:
    """The query of a URL, in order, names as often as they were written."""

    pairs: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The last value of a name, as Nova reads it; None when it is not there."""
        return next((value for key, value in reversed(self.pairs) if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name."""
        return tuple(value for key, value in self.pairs if key == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, once each."""
        return tuple(dict.fromkeys(key for key, _ in self.pairs))


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``version`` is the minor one; ``body`` is JSON that fits the route's schema, ``chunks`` the bytes of a raw one."""

    services: Services
    context: RequestContext
    token: Token | None
    secret: str | None = field(repr=False)
    version: int
    path: Mapping[str, str]
    query: Query
    headers: Mapping[str, str]
    body: Any
    chunks: Callable[[], AsyncIterator[bytes]]
    host_url: str
    mount: str
    url_path: str

    @property
    def base_url(self) -> str:
        """Where the service is mounted, as the client wrote it: ``http://HOST/v2.1``."""
        return self.host_url + self.mount


@dataclass(frozen=True, slots=True)
class Reply:
    """A handler's answer that is more than a body. ``stream`` is sent instead of ``body``; ``status`` None is the route's own."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Call], Awaitable[Any]]
"""``async def handler(call) -> JSON value, None or Reply``."""
