"""A server for tests, and a client that sees every byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import uvloop

from fake_xapi.datamodel.failure import Failure
from fake_xapi.datamodel.personality import Personality, personality
from fake_xapi.dom0.disks import DiskStore
from fake_xapi.engine.call import RunningCall
from fake_xapi.state.value import Value
from fake_xapi.state.world import World
from fake_xapi.transports.connection import Limits
from fake_xapi.transports.http import HttpServer
from fake_xapi.transports.ports import Credential, HttpTask, Xapi

T = TypeVar("T")
Runner = Callable[[Coroutine[Any, Any, T]], T]


def run(body: Coroutine[Any, Any, T]) -> T:
    """Run on the loop that the simulator runs on."""
    return uvloop.run(asyncio.wait_for(body, 30))


@dataclass
class Answering:
    """A dispatcher: each method is a plain function or a coroutine function of the parameters."""

    methods: Mapping[str, Callable[..., Any]]
    release: str = "latest"
    calls: list[tuple[str, list[Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(Value.empty(), "1", self.personality)
        self.disks = DiskStore()

    @property
    def personality(self) -> Personality:
        return personality(self.release)

    def dispatch(self, method: str, params: list[Any]) -> Any:
        self.calls.append((method, params))
        if method not in self.methods:
            raise Failure("MESSAGE_METHOD_UNKNOWN", method)
        return self.methods[method](*params)

    def authorise(self, credential: Credential, action: str) -> int:
        raise Failure("SESSION_INVALID", f"{credential} {action}")

    async def transfer(self, action: str, bytes_moved: int, work: Callable[[], Awaitable[T]]) -> T:
        raise Failure("NOT_IMPLEMENTED", f"{action} of {bytes_moved} bytes by {work}")

    def http_task(self, task_ref: str) -> HttpTask:
        raise Failure("HANDLE_INVALID", "task", task_ref)

    @property
    def host(self) -> int:
        return 0

    def authority(self, host: int) -> str:
        raise Failure("HANDLE_INVALID", "host", str(host))

    def server_identity(self) -> tuple[str, str]:
        return "", ""

    def now(self) -> str:
        return "20120801T00:00:00Z"

    def audit_lines(self, since: str) -> list[str]:
        return [since]

    def unseen_call(self, name: str) -> RunningCall:
        raise Failure("NOT_IMPLEMENTED", name)

    def begin_transfer(self, name: str, session: int, task_ref: str) -> RunningCall:
        raise Failure("NOT_IMPLEMENTED", f"{name} {session} {task_ref}")


@dataclass
class Addresses:
    """A router by local address; "" is for all others. None is a host that does not exist, "dead" one that died."""

    xapis: Mapping[str, Xapi | None]
    dead: frozenset[str] = frozenset()

    def xapi_at(self, address: str, port: int) -> Xapi | None:
        del port
        if address in self.dead:
            raise ConnectionRefusedError(address)
        return self.xapis.get(address, self.xapis.get(""))


class Reply(NamedTuple):
    """A reply as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection; ``address`` is the local address that the server sees."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def reply(self, *, has_body: bool = True) -> Reply:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
        length = int(headers["content-length"]) if has_body and "content-length" in headers else 0
        return Reply(int(head[0].split()[1]), headers, await self.reader.readexactly(length))

    async def post(self, body: bytes, path: str = "/RPC2", extra: str = "") -> Reply:
        await self.send(post(body, path, extra))
        return await self.reply()

    async def rest(self) -> bytes:
        """All that comes until the server closes; a reset ends it as well."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b"reset"

    def close(self) -> None:
        self.writer.transport.abort()


def post(body: bytes, path: str = "/RPC2", extra: str = "") -> bytes:
    """A POST request."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def call(method: str, *params: str) -> bytes:
    """An XML-RPC body with string parameters."""
    inside = "".join(f"<param><value>{param}</value></param>" for param in params)
    return f"<methodCall><methodName>{method}</methodName><params>{inside}</params></methodCall>".encode()


def success(value: str) -> bytes:
    """The XML-RPC body of an answer that is one value."""
    return (
        b'<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member>'
        b"<member><name>Value</name>%b</member></struct></value></param></params></methodResponse>" % value.encode()
    )


@asynccontextmanager
async def serving(xapi: Xapi | Addresses, limits: Limits | None = None) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """A server of one XAPI, or of a router's; gives a function that connects."""
    router = xapi if isinstance(xapi, Addresses) else Addresses({"": xapi})
    clients: list[Client] = []
    async with HttpServer(router, limits) as server:
        port = await server.listen(0)

        async def connect(address: str = "127.0.0.1") -> Client:
            client = Client(*await asyncio.open_connection(address, port))
            clients.append(client)
            return client

        try:
            yield connect
        finally:
            for client in clients:
                client.close()


ASK = call("VM.get_power_state", "s", "vm")
RUNNING = success("<value>Running</value>")


def vm_xapi(release: str = "latest") -> Answering:
    return Answering({"VM.get_power_state": lambda *_: "Running", "VM.get_all": lambda *_: ["x" * 1000] * 1000}, release)
