"""The two adapters: SQLite on the loop's own thread, PostgreSQL over asyncpg. Both begin with the migrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from compute_core.model.errors import HostUnreachable
from compute_core.store.migrate import migrate
from compute_core.store.patterns import matches
from compute_core.store.port import Store

P = ParamSpec("P")
T = TypeVar("T")

PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000", "wal_autocheckpoint=4000")
UNSYNCED = ("synchronous=OFF", "locking_mode=EXCLUSIVE")
TRIES = 5
"""A transaction that lost to another (a deadlock, a serialisation failure) is run again this often."""

LOST_TO_ANOTHER = frozenset({"40001", "40P01"})


async def open_store(url: str, *, is_synced: bool = True) -> Store:
    """The store at a URL of SQLAlchemy's, brought to the newest schema. HostUnreachable, without the password, when it is not there.

    ``is_synced=False`` trades the safety of SQLite's files against power loss for speed: rehearsals may, services may not.
    ``sqlite:////var/lib/inova/cell.db``, ``sqlite://`` (in memory), ``postgresql://user:password@host/cell`` (over asyncpg).
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return SqliteStore(parsed, is_synced=is_synced)
    store = PostgresStore(parsed.set(drivername="postgresql+asyncpg"))
    await store.migrate()
    return store


class SqliteStore:
    """One connection, used by one thread: a transaction never waits, so none ever meets another."""

    def __init__(self, url: URL, *, is_synced: bool = True) -> None:
        self._engine = sqlite_engine(url, () if is_synced else UNSYNCED)
        with self._engine.begin() as connection:
            migrate(connection)
        self._connection = self._engine.connect()

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See the port."""
        with self._connection.begin():
            return function(self._connection, *args, **kwargs)

    async def close(self) -> None:
        """See the port."""
        self._connection.close()
        self._engine.dispose()


class PostgresStore:
    """A pool of connections to PostgreSQL."""

    def __init__(self, url: URL, pool_size: int = 10) -> None:
        self._where = url.render_as_string(hide_password=True)
        self._engine: AsyncEngine = create_async_engine(url, pool_size=pool_size, max_overflow=0, hide_parameters=True)

    async def migrate(self) -> None:
        """Bring the database to the newest schema."""
        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(migrate)
        except (SQLAlchemyError, OSError) as problem:
            await self.close()
            raise self._unreachable(problem) from problem

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """See the port."""
        for tries_left in reversed(range(TRIES)):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(function, *args, **kwargs)
            except DBAPIError as problem:
                if problem.connection_invalidated:
                    raise self._unreachable(problem) from problem
                if not tries_left or _sqlstate(problem) not in LOST_TO_ANOTHER:
                    raise
            except OSError as problem:
                raise self._unreachable(problem) from problem
        raise HostUnreachable(f"{self._where}: no transaction came through.")

    async def close(self) -> None:
        """See the port."""
        await self._engine.dispose()

    def _unreachable(self, problem: Exception) -> HostUnreachable:
        return HostUnreachable(f"No database at {self._where}: {type(problem).__name__}")


def sqlite_engine(url: URL, more_pragmas: Sequence[str] = ()) -> Engine:
    """An engine of one connection in WAL mode, whose transactions begin as SQLAlchemy says and not when pysqlite guesses."""
    engine = create_engine(url, poolclass=StaticPool, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (*PRAGMAS, *more_pragmas):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        connection.create_function("regexp", 2, matches, deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.connection.cursor().execute("BEGIN IMMEDIATE")  # not through SQLAlchemy, for whom it would be one more statement

    return engine


def _sqlstate(problem: DBAPIError) -> str | None:
    return getattr(problem.orig, "sqlstate", None)
