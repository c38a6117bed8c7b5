"""The handlers of consoles: ``CONNECT /console?ref=`` or ``uuid=``, for a console or its VM, and the same through a websocket.

After the head a graphical console speaks RFB, and a text console sends plain text. May not know how either is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlencode

from fake_xapi.dom0.glyphs import glyph
from fake_xapi.dom0.jpeg import picture
from fake_xapi.dom0.screens import Screen, screen_of
from fake_xapi.guest.console_log import console_text
from fake_xapi.guest.keyboard import BACKSPACE, ENTER, press_reset, type_keys
from fake_xapi.state.ids import NULL, Id, class_of
from fake_xapi.state.value import Change
from fake_xapi.state.world import World
from fake_xapi.transports.admitted import Admitted, admitting
from fake_xapi.transports.ports import Xapi
from fake_xapi.transports.rfb import GREETING, BadClient, Key, RfbServer
from fake_xapi.transports.transfers import BadRequest, Handlers, Peer, Talk, TransferAnswer
from fake_xapi.transports.websockets import websocket_answer

LOOKS_AGAIN_S = 0.04
"""The interval at which a constantly changing screen is drawn."""
SLOW_S = 1.0
_CONTROL, _ALT, _DELETE = frozenset({0xFFE3, 0xFFE4}), frozenset({0xFFE9, 0xFFEA}), frozenset({0xFFFF, 0xFF9F})
_NAMED = {0xFF0D: ENTER, 0xFF8D: ENTER, 0xFF08: BACKSPACE}
_ANEW = "\x1b[2J\x1b[H"
"""The sequence that clears a terminal."""


# ---- which ----------------------------------------------------------------------------------------------------------------------


def _console(admitted: Admitted) -> Id:
    """The requested console; of a VM, its first graphical one. BadRequest 400 when none is named, 404 when there is none."""
    world, parameters = admitted.xapi.world, admitted.parameters
    if not parameters.get("ref") and not parameters.get("uuid"):
        raise BadRequest(400, "Name the console with ref= or uuid=")
    ref, uuid = parameters.get("ref", ""), parameters.get("uuid", "")
    found = world.find_ref(ref) if ref else world.by_uuid("console", uuid) or world.by_uuid("VM", uuid)
    row = world.get(found) if found else None
    if row is not None and row.cls == "VM":
        found = next((console for console in sorted(row["consoles"]) if world[console]["protocol"] == "rfb"), NULL)
    if not found or class_of(found) != "console" or world.get(found) is None or world.get(world[found]["VM"]) is None:
        raise BadRequest(404, "There is no such console")
    return found


async def _open(admitted: Admitted, action: str, path: str, make: Callable[[Talk], TransferAnswer]) -> TransferAnswer:
    """Connect a client to a console of this host, or redirect it to the right host. Consoles of hosts are for their administrators."""
    xapi, world, console = admitted.xapi, admitted.xapi.world, _console(admitted)
    vm = world[console]["VM"]
    row = world[vm]
    if row["is_control_domain"]:
        xapi.authorise(world.ref(admitted.session), action)
    if row["resident_on"] == NULL:
        raise BadRequest(404, "The VM of the console does not run")
    if row["resident_on"] != xapi.host:
        location = f"http://{xapi.authority(row['resident_on'])}{path}?{urlencode(dict(admitted.parameters))}"
        return TransferAnswer((("Location", location),), status=302)
    return make(_TALKS[world[console]["protocol"]](xapi, console))


async def _connect(admitted: Admitted) -> TransferAnswer:
    return await _open(admitted, "connect_console/host_console", "/console", lambda talk: TransferAnswer(talk=talk))


async def _websocket(admitted: Admitted) -> TransferAnswer:
    headers = admitted.request.headers
    websocket_answer(headers, _nothing)  # one that asks for none is told so first
    return await _open(admitted, "connect_console_ws/host_console_ws", "/console", lambda talk: websocket_answer(headers, talk))


async def _nothing(_peer: Peer) -> None:
    """Send nothing: the console stays silent."""


# ---- graphical ------------------------------------------------------------------------------------------------------------------


def _rfb(xapi: Xapi, console: Id) -> Talk:
    """Show a screen, and pass on the keys that the client presses."""
    vm = xapi.world[console]["VM"]

    async def talk(peer: Peer) -> None:
        server = RfbServer(xapi.world[vm]["name_label"], screen_of(xapi.world, vm))
        keys = _Keys(xapi, vm)

        def show() -> None:
            peer.send(server.draw(screen_of(xapi.world, vm)))

        async def listen() -> None:
            async for content in peer.pieces:
                peer.send(server.take(content))
                keys.press(server.keys)
                server.keys.clear()
                show()

        peer.send(GREETING)
        try:
            await _watching(xapi.world, console, peer, show, listen)
        except BadClient as bad:
            raise ConnectionAbortedError(str(bad)) from bad

    return talk


class _Keys:
    """A keyboard: which modifiers are held, and what a key means with them."""

    def __init__(self, xapi: Xapi, vm: Id) -> None:
        self._xapi = xapi
        self._vm = vm
        self._held: set[int] = set()

    def press(self, keys: list[Key]) -> None:
        """Pass keys to the guest."""
        text = ""
        for key in keys:
            if not key.is_down:
                self._held.discard(key.keysym)
                continue
            self._held.add(key.keysym)
            if key.keysym in _DELETE and self._held & _CONTROL and self._held & _ALT:
                press_reset(self._xapi.unseen_call("VM.key"), self._vm)
            elif not self._held & _CONTROL:
                text += _character(key.keysym)
        if text:
            type_keys(self._xapi.unseen_call("VM.key"), self._vm, text)


def _character(keysym: int) -> str:
    """The character of a key, "" for none: keysyms below 256 are Latin 1, those above a million are Unicode."""
    if keysym in _NAMED:
        return _NAMED[keysym]
    if 0x20 <= keysym <= 0x7E or 0xA0 <= keysym <= 0xFF:
        return chr(keysym)
    return chr(keysym - 0x0100_0000) if 0x0100_0100 <= keysym <= 0x0110_FFFF else ""


# ---- text -----------------------------------------------------------------------------------------------------------------------


def _text(xapi: Xapi, console: Id) -> Talk:
    """Show a text as it grows, and pass on what the client types."""
    vm = xapi.world[console]["VM"]

    async def talk(peer: Peer) -> None:
        shown = ""

        def show() -> None:
            nonlocal shown
            text = console_text(xapi.world, vm)
            news = news_of(shown, text)
            shown = text
            if news:
                peer.send(news.encode())

        async def listen() -> None:
            async for content in peer.pieces:
                type_keys(xapi.unseen_call("VM.key"), vm, content.decode("utf-8", "replace"))

        show()
        await _watching(xapi.world, console, peer, show, listen)

    return talk


def news_of(before: str, text: str) -> str:
    """What to send to a terminal that shows one text to make it show another: an addition, a deletion, or everything anew."""
    if text.startswith(before):
        return text[len(before) :]
    if before.startswith(text):
        return "\b \b" * (len(before) - len(text))
    end = before[-1024:]
    place = text.rfind(end)
    return text[place + len(end) :] if place >= 0 and len(end) == 1024 else _ANEW + text


_TALKS: dict[str, Callable[[Xapi, Id], Talk]] = {"rfb": _rfb, "rdp": _rfb, "vt100": _text}


# ---- both -----------------------------------------------------------------------------------------------------------------------


async def _watching(world: World, console: Id, peer: Peer, show: Callable[[], None], listen: Callable[[], Awaitable[None]]) -> None:
    """Listen to a client, and show it every change, until either the client or the console goes."""
    listening = asyncio.ensure_future(listen())
    watch = _Watch(world, console, peer, show, listening)
    world.listeners.append(watch)
    try:
        await asyncio.wait((listening,))
        if not listening.cancelled():
            listening.result()
    finally:
        world.listeners.remove(watch)
        listening.cancel()
        watch.stop()


@dataclass(slots=True)
class _Watch:
    """Shows a client what has changed, shortly after the world does, waiting for slow clients."""

    world: World
    console: Id
    peer: Peer
    show: Callable[[], None]
    listening: asyncio.Future[None]
    timer: asyncio.TimerHandle | None = None

    def __call__(self, _generation: int, _changes: tuple[Change, ...]) -> None:
        """Note that something changed."""
        if self.timer is None:
            self._look_in(LOOKS_AGAIN_S)

    def _look_in(self, seconds: float) -> None:
        self.timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self.timer = None
        if self.world.get(self.console) is None:
            self.listening.cancel()
        elif self.peer.is_slow:
            self._look_in(SLOW_S)
        else:
            try:
                self.show()
            except ConnectionError:
                self.listening.cancel()

    def stop(self) -> None:
        """Stop showing changes."""
        if self.timer is not None:
            self.timer.cancel()


# ---- a picture ------------------------------------------------------------------------------------------------------------------

_LEVELS: dict[bool, tuple[int, int]] = {True: (29, 255), False: (0, 170)}
"""The brightness of background and letters: of a title, and of any other line."""


async def _snapshot(admitted: Admitted) -> TransferAnswer:
    """A JPEG image of the screen."""
    world, found = admitted.xapi.world, _console(admitted)
    answer = await _open(admitted, "get_vncsnapshot/host_console", "/vncsnapshot", lambda talk: TransferAnswer(talk=talk))
    if answer.talk is None:
        return answer
    screen = screen_of(world, world[found]["VM"])
    content = picture(screen.columns, 2 * screen.rows, _blocks(screen))
    admitted.task.result("")
    return TransferAnswer((("Content-Type", "image/jpeg"),), len(content), iter((content,)))


def _blocks(screen: Screen) -> Iterator[tuple[int, ...]]:
    """The screen as two rows of blocks for each line of text."""
    for number, line in enumerate(screen.lines):
        for half in (slice(0, 8), slice(8, 16)):
            for character in line:
                yield _block(glyph(character)[half], is_title=number == 0)


@lru_cache(maxsize=512)
def _block(rows: tuple[int, ...], *, is_title: bool) -> tuple[int, ...]:
    return tuple(_LEVELS[is_title][bits >> (7 - place) & 1] for bits in rows for place in range(8))


HANDLERS: Handlers = {
    (b"CONNECT", b"/console"): admitting("connect_console", _connect),
    (b"GET", b"/console"): admitting("connect_console_ws", _websocket),
    (b"GET", b"/vncsnapshot"): admitting("get_vncsnapshot", _snapshot),
}
