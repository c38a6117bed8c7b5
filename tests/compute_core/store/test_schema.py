"""The schema in the code and the schema that the migrations make are one, on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Select, inspect

from compute_core.model.errors import HostUnreachable
from compute_core.store import instances, mappings
from compute_core.store.adapters import open_store
from compute_core.store.migrate import config, migrate
from compute_core.store.schema import metadata


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def test_models_and_migrations_make_the_same_tables(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        assert await store.run(differences) == []
        await store.close()

    asyncio.run(main())


def test_a_missing_index_would_be_noticed(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await store.run(lambda connection: connection.exec_driver_sql("DROP INDEX ix_claims_host"))
        assert [difference[0] for difference in await store.run(differences)] == ["add_index"]  # type: ignore[index]
        await store.close()

    asyncio.run(main())


def test_migrating_twice_changes_nothing_and_downgrading_leaves_nothing(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await store.run(migrate)
        await store.run(lambda connection: command.downgrade(config(connection), "base"))
        assert await store.run(lambda connection: inspect(connection).get_table_names()) == ["alembic_version"]
        await store.close()

    asyncio.run(main())


def test_programs_that_start_at_once_migrate_one_after_the_other(database_url: str) -> None:

    async def main() -> None:
        stores = await asyncio.gather(*(open_store(database_url) for _ in range(4)))
        assert await stores[0].run(differences) == []
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_an_absent_database_is_named_without_its_password() -> None:
    with pytest.raises(HostUnreachable) as caught:
        asyncio.run(open_store("postgresql://inova:hidden@127.0.0.1:9/cell"))
    assert caught.value.message == "No database at postgresql+asyncpg://inova:***@127.0.0.1:9/cell: ConnectionRefusedError"


def test_sqlite_writes_ahead_and_keeps_references(tmp_path: Path) -> None:
    async def main() -> None:
        store = await open_store(f"sqlite:///{tmp_path / 'cell.db'}")
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [await store.run(lambda connection, name=name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()) for name in pragmas]  # type: ignore[misc]
        assert found == ["wal", 1, 1]
        await store.close()

    asyncio.run(main())


def test_a_transaction_that_raises_leaves_nothing(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)

        def fail(connection: Connection) -> None:
            connection.exec_driver_sql("INSERT INTO project_usages VALUES ('p', 1, 1, 1)")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.run(fail)
        assert await store.run(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM project_usages").scalar()) == 0
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (instances._ON_HOST, "ix_instances_present_on_host"),
        (instances._BUSY, "ix_instances_busy"),
        (mappings._UNSETTLED, "ix_instance_mappings_unsettled"),
    ],
)
def test_what_is_asked_all_the_time_is_found_by_its_partial_index(statement: Select[Any], index: str) -> None:
    parameters = {"host": "h", "before": "2012", "before_s": 0.0, "count": 9}

    async def main() -> None:
        store = await open_store("sqlite://")

        def plan(connection: Connection) -> str:
            compiled = statement.compile(connection)
            values = [compiled.params.get(name) or parameters.get(name) for name in compiled.positiontup or ()]
            return str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", tuple(values)).all())

        assert index in await store.run(plan)
        await store.close()

    asyncio.run(main())
