"""Many connections that send calls as fast as they are answered: the load for the HTTP benchmarks, in a process of its own.

Run as ``python -m scenarios.bench.load HOST PORT CONNECTIONS COUNT`` with a JSON list of bodies on standard input, sent in turn.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

import uvloop

from compute_core.xenapi.connection import Connection


def send_many(host: str, port: int, bodies: Sequence[str], *, connections: int, count: int) -> None:
    """Send ``count`` calls over that many connections, with the bodies in turn; returns when all replies have come."""
    command = [sys.executable, "-m", "scenarios.bench.load", host, str(port), str(connections), str(count)]
    subprocess.run(command, input=json.dumps(bodies), text=True, check=True)


async def _pump(host: str, port: int, requests: Iterator[bytes]) -> None:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    for request in requests:
        reply = await connection.exchange(request)
        if b"Failure" in reply[:200]:
            raise RuntimeError(reply.decode())
    connection.close()


async def _main(host: str, port: int, connections: int, count: int, bodies: Sequence[str]) -> None:
    head = f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: "
    requests = [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in bodies]
    shared = itertools.islice(itertools.cycle(requests), count)
    await asyncio.gather(*(_pump(host, port, shared) for _ in range(connections)))


if __name__ == "__main__":
    host_, port_, connections_, count_ = sys.argv[1:]
    uvloop.run(_main(host_, int(port_), int(connections_), int(count_), json.loads(sys.stdin.read())))
