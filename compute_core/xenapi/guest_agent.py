"""The conversation with the agent in a guest: a password, keys, files, the network, the agent's own update. Three calls, five at most.

Our plugin in dom0 puts the requests, several in one call, and waits there for their answers. Everything that is said may be said again: a
guest that reboots meanwhile, or an answer that is lost, is no more than a beginning anew. May not know servers, nor what came of it before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex

from compute_core.model.errors import Conflict
from compute_core.model.instances import File
from compute_core.xenapi import guest_agent_errands as errands
from compute_core.xenapi.errors import ReplyLost
from compute_core.xenapi.guest_agent_errands import Ask
from compute_core.xenapi.guest_agent_rules import AgentRules, Terms, terms_in
from compute_core.xenapi.guest_agent_secrets import DERIVATIONS, BadPublicNumber, Exchange, encrypted
from compute_core.xenapi.place import Place
from compute_core.xenapi.plugins import AgentReply, AgentRequest, Dom0, GuestGone, PluginRefusal
from compute_core.xenapi.session import XenApi

BEGINNINGS = 4
"""How often a conversation is begun whose guest reboots, or whose answers are lost."""
EVENT_WAIT_S = 30.0


class NoAgent(PluginRefusal):
    """The guest has none, says its image."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a guest is to be told: "" and () for nothing. ``waits_s``: how long its agent may take to come up."""

    waits_s: float
    password: str = field(default="", repr=False)
    key: str = ""
    files: tuple[File, ...] = ()
    resets_network: bool = False
    updates: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it; ``complaints`` are sentences about what the agent did not do."""

    version: str = ""
    password_is_set: bool = False
    complaints: tuple[str, ...] = ()


async def introduce(xapi: XenApi, place: Place, vm: str, errand: Errand, terms: Terms, rules: AgentRules) -> Heard:
    """``converse`` with a guest that has just been started, whose terms are known: three calls, five at most."""
    return await converse(xapi, place, vm, int(await xapi.call("VM.get_domid", vm)), errand, terms, rules)


async def change_password(xapi: XenApi, place: Place, vm: str, password: str, rules: AgentRules) -> None:
    """Have a running guest take another password: three calls. NoAgent; PluginRefusal when the agent does not; see ``converse``."""
    domid, terms = await _spoken_to(xapi, vm)
    heard = await converse(xapi, place, vm, domid, Errand(rules.answer_s, password), terms, rules)
    if not heard.password_is_set:
        raise PluginRefusal("password", "Refused", "; ".join(heard.complaints))


async def reset_network(xapi: XenApi, place: Place, vm: str, rules: AgentRules) -> None:
    """Have a running guest set up its network anew, from what is written for it in xenstore: two calls.

    NoAgent; PluginRefusal when the agent does not; Conflict for a VM that does not run; XenApiFailure, NotSent, ReplyLost.
    """
    domid, _ = await _spoken_to(xapi, vm)
    await reset_network_in(xapi, place, _running(domid), rules)


async def reset_network_in(xapi: XenApi, place: Place, domid: int, rules: AgentRules) -> None:
    """As ``reset_network``, of a domain that is known to have an agent: one call. GuestGone when it is gone."""
    ask = errands.network(rules.reset_s)
    [reply] = await Dom0(xapi, place.host).ask_agent(domid, _name(), [AgentRequest("resetnetwork", "", ask.good, rules.reset_s)])
    if complaint := ask.complaint(reply):
        raise PluginRefusal("agent_ask", "Refused", complaint)


async def converse(xapi: XenApi, place: Place, vm: str, domid: int, errand: Errand, terms: Terms, rules: AgentRules) -> Heard:
    """Tell the guest in a domain what it is to know; when it reboots meanwhile, the one that follows it. All of that in the errand's time.

    Raises PluginRefusal (AgentTimedOut: the agent does not answer; GuestGone: the guest does not come back; PluginMissing), XenApiFailure,
    NotSent, ReplyLost, and Conflict for a VM that does not run.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + errand.waits_s
    for is_last in (*[False] * (BEGINNINGS - 1), True):
        left_s = max(end_s - loop.time(), rules.answer_s)
        try:
            return await _Talk(Dom0(xapi, place.host), _running(domid), replace(errand, waits_s=left_s), terms, rules).whole()
        except (GuestGone, ReplyLost) as problem:
            if is_last:
                raise
            gone = domid if isinstance(problem, GuestGone) else -1
        domid = await _domain(xapi, vm, gone, end_s)
    raise AssertionError("the last beginning comes to an end")


async def _spoken_to(xapi: XenApi, vm: str) -> tuple[int, Terms]:
    """The domain of a VM, and the terms on which it was built. NoAgent where these say so."""
    record = await xapi.call("VM.get_record", vm)
    terms = terms_in(record)
    if terms.is_there is False:
        raise NoAgent("agent", "NoAgent", "the server's image says that its guest has no agent")
    return int(record["domid"]), terms


def _running(domid: int) -> int:
    if domid < 0:
        raise Conflict("The server is not running: there is nobody to be told. Cure: start it.")
    return domid


async def _domain(xapi: XenApi, vm: str, gone: int, end_s: float) -> int:
    """The domain of a VM, another one than ``gone``, as soon as there is one. GuestGone when there is none at ``end_s`` by the loop."""
    loop, token = asyncio.get_running_loop(), ""
    while (left_s := end_s - loop.time()) > 0:
        batch = await xapi.call("event.from", [f"vm/{vm}"], token, min(left_s, EVENT_WAIT_S))
        token = batch["token"]
        for event in batch["events"]:
            if event["operation"] == "del":
                raise GuestGone("agent", "Rebooted", "the VM is gone")
            domid = int(event["snapshot"]["domid"])
            if domid >= 0 and domid != gone:
                return domid
    raise GuestGone("agent", "Rebooted", "the guest did not come back in time")


def _name() -> str:
    """Of requests in xenstore, where those of a former life may still lie."""
    return f"inova-{token_hex(4)}"


@dataclass(frozen=True, slots=True)
class _Talk:
    """One conversation with one domain."""

    dom0: Dom0
    domid: int
    errand: Errand
    terms: Terms
    rules: AgentRules

    async def whole(self) -> Heard:
        """From the first question to the end."""
        exchange = Exchange.begun()
        asks = [AgentRequest("version", "agent", timeout_s=self.errand.waits_s), AgentRequest("features", "", None)]
        if self.errand.password:
            asks.append(AgentRequest("keyinit", exchange.public, None))
        version, *more = await self._said(asks)
        if not more:
            raise PluginRefusal("version", "Refused", errands.words(version))
        number, features = errands.version_in(version), errands.features_in(more[0])
        rest = self._rest(number, features)
        if not self.errand.password:
            return Heard(number, complaints=await self._complaints(rest))
        return await self._with_password(exchange, more[1], number, features, rest)

    def _rest(self, version: str, features: frozenset[str]) -> list[Ask]:
        """What follows the password, in its order: the agent may be another one when it has been updated."""
        errand, terms = self.errand, self.terms
        files = [errands.key_file(errand.key)] if errand.key and terms.takes_key and terms.os != "windows" else []
        files += errand.files if terms.takes_files else ()
        build = self.rules.newer_than(version, terms) if errand.updates else None
        return [
            *(errands.file(each, features) for each in files),
            *([errands.network(self.rules.reset_s)] if errand.resets_network else []),
            *([errands.update(build)] if build is not None else []),
        ]

    async def _with_password(
        self, exchange: Exchange, answer: AgentReply, version: str, features: frozenset[str], rest: Sequence[Ask]
    ) -> Heard:  # fmt: skip
        """By the derivation that the agent should have; if it cannot read that, by another one."""
        first = self.rules.derivation_of(version, features)
        second, complaint = next(name for name in DERIVATIONS if name != first), ""
        for is_last, derivation in ((False, first), (True, second)):
            if is_last:
                exchange = Exchange.begun()
                [answer] = await self._said([AgentRequest("keyinit", exchange.public, None)])
            sealed, complaint = self._sealed(exchange, answer, derivation)
            if not sealed:
                break
            reply, *more = await self._said([AgentRequest("password", sealed, None if is_last else ("0",)), *requests_of(rest)])
            if reply.returncode == "0":
                return Heard(version, password_is_set=True, complaints=_complaints(rest, more))
            complaint = f"password: {errands.words(reply)}"
            if is_last:
                return Heard(version, complaints=(complaint, *_complaints(rest, more)))
        return Heard(version, complaints=(complaint, *await self._complaints(rest)))

    def _sealed(self, exchange: Exchange, answer: AgentReply, derivation: str) -> tuple[str, str]:
        """The password as it goes to the agent; or "" and why there is none."""
        if answer.returncode != "D0":
            return "", f"keyinit: {errands.words(answer)}"
        try:
            return encrypted(f"{self.errand.password}\n", exchange.shared(answer.message), derivation), ""
        except BadPublicNumber as bad:
            return "", f"keyinit: {bad}"

    async def _complaints(self, asks: Sequence[Ask]) -> tuple[str, ...]:
        requests = requests_of(asks)
        return _complaints(asks, await self._said(requests) if requests else [])

    async def _said(self, requests: Sequence[AgentRequest]) -> list[AgentReply]:
        return await self.dom0.ask_agent(self.domid, _name(), requests, self.rules.answer_s)


def requests_of(asks: Sequence[Ask]) -> list[AgentRequest]:
    """Of those that can be put."""
    return [ask.request for ask in asks if ask.request is not None]


def _complaints(asks: Sequence[Ask], replies: Sequence[AgentReply]) -> tuple[str, ...]:
    answers = iter(replies)
    return tuple(complaint for ask in asks if (complaint := ask.complaint(None if ask.request is None else next(answers))))
