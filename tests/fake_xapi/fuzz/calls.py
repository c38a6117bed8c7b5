"""Calls of every message with values that are wrong in every way, on a world with VMs, one after another; each is judged.

A chapter is a fresh host and so many calls: its seed, its release and its number of calls repeat it to the byte.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

from fake_xapi.datamodel.model import Message
from fake_xapi.engine.settings import Settings
from fake_xapi.engine.virtual_time import VirtualTimeLoop
from fake_xapi.engine.xapi import Xapi
from fake_xapi.fleet.fleet import Fleet, Order
from fake_xapi.lifecycle.registry import LIFECYCLES
from fake_xapi.lifecycle.rules import POOL
from fake_xapi.state.ids import Id
from fake_xapi.transports.calls import Later, Reply, answer_call
from tests.fake_xapi.fuzz.judging import Ears, change_complaint, listening, reply_complaint
from tests.fake_xapi.fuzz.limits import no_longer_than
from tests.fake_xapi.fuzz.values import Values
from tests.fake_xapi.fuzz.writing import FORMS, written
from tests.fake_xapi.stateful.holding import (
    both_ends_of_every_relation_agree,
    nobody_holds_what_nobody_does,
)

SUMS_BYTES = frozenset({"VDI.checksum"})
"""Takes as long as the bytes of a disk take to be read, which are as many as another call said."""
WAITS = frozenset({"event.from", "event.next", "event_from", "event_next"})
PARTIAL = frozenset({"HOSTS_FAILED_TO_ENABLE_CACHING"})
"""What some of a pool's hosts did although others could not."""
UNDER_WAY = frozenset({"VM.revert"})
"""Its first step, the end of the domain, stays done when a later one fails, as in XAPI."""
LONGEST_S = 30 * 86400.0
"""Of virtual time: no operation takes longer."""
CPU_SECONDS = 5
LOOK_EVERY = 50


class Chapter:
    """One fresh host, and what was wrong with its answers."""

    def __init__(self, seed: str, release: str) -> None:
        self.seed, self.release = seed, release
        self.chance = random.Random(f"{seed} {release}")
        self.complaints: list[str] = []
        self.count = 0
        self.refused = 0
        self.session = ""
        self.sent = ""

    def run(self, count: int) -> list[str]:
        """Send so many calls; the complaints."""
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(self._calls(count))
        return self.complaints

    async def _calls(self, count: int) -> None:
        fleet = Fleet(
            Order(vms=3, snapshots=2, personality=self.release, seed=self.chance.randrange(1 << 30), disk_bytes="measure"),
            Settings(busy_deadline_s=60.0),
        )
        xapi = next(iter(fleet.hosts.values()))
        messages = _weighted(xapi)
        values = Values(self.chance, xapi.world)
        forms = [form for form, codecs in FORMS.items() if xapi.personality.era in codecs]
        with listening() as ears:
            await self._log_in(xapi)
            while self.count < count:
                if self.count % LOOK_EVERY == 0:
                    values.look()
                message = self.chance.choice(messages)
                with no_longer_than(CPU_SECONDS):
                    await self._call(xapi, message, values, self.chance.choice(forms))
                self.count += 1
                self._hear(ears)
            await self._end(xapi)
            self._hear(ears)
        await fleet.close()

    def _hear(self, ears: Ears) -> None:
        for line in ears.heard:
            self._complain(f"logged: {line}")
        ears.heard.clear()

    async def _end(self, xapi: Xapi) -> None:
        """What holds whatever was called: the world agrees with itself, an honest client is served, and what has expired is gone."""
        self.sent = "all of it"
        await asyncio.sleep(LONGEST_S)
        await self._log_in(xapi)
        for holds in (both_ends_of_every_relation_agree, nobody_holds_what_nobody_does):
            try:
                holds(xapi.world)
            except AssertionError as error:
                self._complain(f"{holds.__name__} no more: {str(error)[:300]}")
        for cls, identity in _stale(xapi):
            self._complain(f"allowed_operations of {cls} {xapi.world.ref(identity)} are not what the rules say")
        left = {
            name: count for name, count in (("tasks", xapi.world.count("task")), ("sessions", xapi.world.count("session"))) if count > 1
        }
        if left or xapi.calls:
            self._complain(f"left after all has expired: {left} {list(xapi.calls.values())[:3]}")

    async def _log_in(self, xapi: Xapi) -> None:
        try:
            answer = xapi.dispatch("session.login_with_password", ["root", xapi.settings.password])
            self.session = str(await answer if asyncio.iscoroutine(answer) else answer)
        except ConnectionError:
            await asyncio.sleep(3600.0)

    async def _call(self, xapi: Xapi, message: Message, values: Values, form: str) -> None:
        method, params = self._made(message, values)
        is_settled = self.chance.random() < 0.2
        if is_settled:
            await asyncio.sleep(self.chance.uniform(1.0, 2.0))  # past whatever is due, and at no moment at which anything else is
        body = written(form, method, params)
        self.sent = f"{method}({', '.join(repr(param)[:120] for param in params)}) as {form}"
        before, began_s = xapi.world.value, asyncio.get_running_loop().time()
        codec = FORMS[form][xapi.personality.era]
        try:
            answer = answer_call(codec, xapi, body, keep_alive=True)
            reply = await self._awaited(answer, method) if isinstance(answer, Later) else answer
        except ConnectionError:
            await asyncio.sleep(3600.0)
            return
        if reply is None:
            return
        complaint, details = reply_complaint(reply.content, form, body.decode(errors="replace"))
        if details:
            self.refused += 1
            if (
                not complaint
                and details[0] not in PARTIAL
                and message.wire_name not in UNDER_WAY
                and (is_settled or isinstance(answer, Reply))
                and asyncio.get_running_loop().time() == began_s
            ):
                complaint = change_complaint(xapi, before)
        if complaint:
            self._complain(complaint)
        if details[:1] in (["SESSION_INVALID"], ["HOST_STILL_BOOTING"]) or self.count % 97 == 0:
            await self._log_in(xapi)

    async def _awaited(self, later: Later, method: str) -> Reply | None:
        task = asyncio.ensure_future(later.reply)
        done, _ = await asyncio.wait({task}, timeout=60.0 if method in WAITS else LONGEST_S)
        if done:
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        if method not in WAITS:
            self._complain("hangs")
        return None

    def _made(self, message: Message, values: Values) -> tuple[str, list[Any]]:
        chance = self.chance
        params = [values.of(param.type) for param in message.params if not param.is_optional or chance.random() < 0.6]
        if message.needs_session:
            params.insert(0, self.session if chance.random() < 0.98 else values.text())
        if chance.random() < 0.02:
            params = params[:-1] if chance.random() < 0.5 else [*params, values.any()]
        prefix = "Async." if message.is_async and chance.random() < 0.3 else ""
        name = message.wire_name if chance.random() < 0.95 or prefix else message.wire_name.replace(".", "_", 1)
        return prefix + name, params

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{text}\n    at {self.seed}/{self.release} call {self.count}: {self.sent}")


def _weighted(xapi: Xapi) -> list[Message]:
    """Verbs four times, accessors once."""
    known = {message.wire_name: message for message in xapi.personality.messages.values()}.values()
    return [
        message
        for message in known
        if message.wire_name not in SUMS_BYTES
        for _ in range(4 if message.kind in ("custom", "create", "destroy") else 1)
    ]


def _stale(xapi: Xapi) -> Iterator[tuple[str, Id]]:
    """Objects whose ``allowed_operations`` are old; what only the pool's own state forbids makes none look again, as in XAPI."""
    world = xapi.world
    if "rolling_upgrade_in_progress" in world[POOL]["other_config"]:
        return
    for cls, rules in LIFECYCLES.items():
        for identity, row in world.rows(cls):
            is_of_ha = cls == "VDI" and row["type"] in ("ha_statefile", "redo_log")
            if not is_of_ha and row["allowed_operations"] != rules.allowed(world, identity):
                yield cls, identity
