"""The servers that tests are given are real, private and of this session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aio_pika
import asyncpg
import psutil
import pytest

from tests import services


def test_postgresql_answers_queries(postgresql_url: str) -> None:
    async def ask() -> str:
        connection = await asyncpg.connect(postgresql_url.replace("+asyncpg", ""))
        try:
            answer: str = await connection.fetchval("SELECT current_user || ' ' || current_setting('listen_addresses')")
        finally:
            await connection.close()
        return answer

    assert asyncio.run(ask()) == "inova 127.0.0.1"


def test_rabbitmq_carries_a_message(amqp_url: str) -> None:
    async def send_and_receive() -> bytes:
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue("tests", auto_delete=True)
            await channel.default_exchange.publish(aio_pika.Message(b"hello"), routing_key="tests")
            message = await queue.get(timeout=10)
            await message.ack()
            return message.body

    assert asyncio.run(send_and_receive()) == b"hello"


@pytest.mark.parametrize(
    "server", [pytest.param("postgresql", marks=pytest.mark.postgresql), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_a_server_leaves_no_process_and_no_folder_behind(server: str) -> None:
    mine = psutil.Process()
    earlier = set(mine.children(recursive=True))
    with getattr(services, server)():
        processes = set(mine.children(recursive=True)) - earlier
        folders = {Path(process.cwd()) for process in mine.children() if process not in earlier}
    gone, alive = psutil.wait_procs(list(processes), timeout=10)
    assert (len(gone) >= 2, alive, [folder for folder in folders if folder.exists()]) == (True, [], [])
