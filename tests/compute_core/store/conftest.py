"""Stores over both databases: a test that asks for `database_url` runs over SQLite and over a real PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import make_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cell.db'}"
    return postgresql_database(request.getfixturevalue("postgresql_url"))


def postgresql_database(server: str) -> str:
    """An empty database of its own on a PostgreSQL server."""
    url, name = make_url(server), f"test_{uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(host=url.host, port=url.port, user=url.username, database=url.database)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return url.set(database=name).render_as_string(hide_password=False)
