"""What the server under test reports about itself: its era, its messages, its transports.

Everything is computed from the server's own answers. Where releases differ a test asks ``as_of`` for what its era promises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from contract_tests.target import Target

Era = Literal["boston", "tampa", "clearwater", "modern"]
ERAS: Final[tuple[Era, ...]] = ("boston", "tampa", "clearwater", "modern")

# The API version of the last release of each era; anything newer is modern.
_LAST_API: Final[tuple[tuple[tuple[int, int], Era], ...]] = (((1, 9), "boston"), ((1, 10), "tampa"), ((2, 0), "clearwater"))

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Server:
    """The facts about one server. ``messages`` are the dotted names that it lists; ``features`` those that no name reveals."""

    era: Era
    release: str
    brand: str
    messages: frozenset[str]
    features: frozenset[str]

    def has(self, capability: str) -> bool:
        """Whether the server has a message ("VM.shutdown"), a field ("VM.get_domain_type") or a feature ("jsonrpc")."""
        return capability in self.messages or capability in self.features

    @property
    def summary(self) -> str:
        """One line for a report."""
        return f"{self.brand} {self.release} ({self.era})"

    def as_of(self, **since: Value) -> Value:
        """The value of the newest era named that is not newer than this server: ``as_of(boston=[], clearwater=[task])``."""
        newest = ERAS.index(self.era)
        return next(since[era] for era in reversed(ERAS[: newest + 1]) if era in since)


def ask(target: Target, session: Any) -> Server:
    """Ask a server for its facts. ``session`` is logged in."""
    xapi = session.xenapi
    master = xapi.pool.get_master(xapi.pool.get_all()[0])
    version = xapi.host.get_software_version(master)
    api = (int(xapi.host.get_API_version_major(master)), int(xapi.host.get_API_version_minor(master)))
    return Server(
        era=era_of(api),
        release=version.get("product_version", ".".join(map(str, api))),
        brand=version.get("product_brand", "XenAPI"),
        messages=frozenset(session.system.listMethods()),
        features=frozenset(name for name, is_there in FEATURES.items() if is_there(target)),
    )


def era_of(api: tuple[int, int]) -> Era:
    """The era of an API version."""
    return next((era for last, era in _LAST_API if api <= last), "modern")


def exports_disks(target: Target) -> bool:
    """Whether `/export_raw_vdi` asks a stranger for credentials instead of denying that it exists."""
    return target.request("GET", "/export_raw_vdi").status == 401


def speaks_json(target: Target) -> bool:
    """Whether `/jsonrpc` answers a JSON-RPC call with JSON."""
    body = json.dumps({"jsonrpc": "2.0", "method": "system.listMethods", "params": [], "id": 1}).encode()
    reply = target.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
    return reply.status == 200 and "json" in reply.headers.get("content-type", "")


FEATURES: Final[Mapping[str, Callable[[Target], bool]]] = {"jsonrpc": speaks_json, "export_raw_vdi": exports_disks}
