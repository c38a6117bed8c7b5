"""Tokens that open one screen once: given out by the API, taken back by the proxy. They live in memory, and not for long."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field

from compute_core.model.errors import ComputeError, NotFound

LIFE_S = 600.0
PATH = "/console"


class NoConsoles(ComputeError):
    """This process serves no consoles."""

    status = 503
    name = "serviceUnavailable"


@dataclass(frozen=True, slots=True)
class ConsoleToken:
    """What a token opens: the screen of a server. ``ends_s`` is by the loop's time."""

    instance_uuid: str
    ends_s: float


@dataclass(slots=True)
class ConsoleTokens:
    """``url`` is where the proxy listens, "" while it does not. All of it runs on the loop."""

    url: str = ""
    life_s: float = LIFE_S
    _tokens: dict[str, ConsoleToken] = field(default_factory=dict, repr=False)

    def issue(self, instance_uuid: str) -> str:
        """A new token. NoConsoles without a proxy."""
        if not self.url:
            raise NoConsoles("Consoles are not served here. Cure: ask an API that `inova core up` has started.")
        now_s = asyncio.get_running_loop().time()
        self._tokens = {token: held for token, held in self._tokens.items() if held.ends_s > now_s}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = ConsoleToken(instance_uuid, now_s + self.life_s)
        return token

    def look(self, token: str) -> ConsoleToken:
        """What a token opens, without using it up. NotFound: there is none such, or no longer."""
        held = self._tokens.get(token)
        if held is None or held.ends_s <= asyncio.get_running_loop().time():
            raise NotFound("The console token was not found, was used already, or has expired.")
        return held

    def take(self, token: str) -> ConsoleToken:
        """What a token opens; it opens nothing from now on. NotFound."""
        held = self.look(token)
        del self._tokens[token]
        return held
