"""A database that knows addresses only is given a port for each interface that a server has, and the other way round."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from alembic import command
from sqlalchemy import Connection, text

from compute_core.model.instances import Vif
from compute_core.store import instances, ports
from compute_core.store.adapters import open_store
from compute_core.store.migrate import config, migrate
from tests.compute_core.networks.test_embedded import opened
from tests.compute_core.store.conftest import database_url
from tests.compute_core.values import an_instance

__all__ = ["database_url"]

NETWORK = "net-1"
VIF = Vif("port-1", "00:16:3e:00:00:02", NETWORK, "private", "xenbr0", "10.0.0.12", 12, "10.0.0.1", 0)
SERVER = an_instance(vifs=(VIF,), project_id="project-1")
GONE = replace(an_instance("11111111-2222-4333-8444-555555555555"), vifs=(replace(VIF, id="port-2", ip="10.0.0.13"),), is_deleted=True)


def _before(connection: Connection) -> None:
    """As it was when servers had addresses."""
    command.downgrade(config(connection), "0003")
    network = "INSERT INTO networks VALUES ('net-1', 'private', 'xenbr0', '10.0.0.0/12', '10.0.0.1', 9)"
    connection.execute(text(network))
    for number, server in ((2, SERVER), (7, replace(SERVER, uuid="nobody"))):
        connection.execute(text(f"INSERT INTO addresses VALUES ('{NETWORK}', {number}, '{server.uuid}')"))
    instances.add(connection, [SERVER, GONE])


def test_servers_keep_their_addresses_under_the_ports_that_they_know(database_url: str) -> None:
    async def main() -> None:
        store = await open_store(database_url)
        await store.run(_before)
        await store.run(migrate)
        (port,) = await store.run(ports.listed)
        assert (port.id, port.device_id, port.project_id, port.mac, port.ip) == ("port-1", SERVER.uuid, "project-1", VIF.mac, VIF.ip)
        default = await (await opened(store, [("other", "xenbr1", "10.32.0.0/16")])).groups.default("project-1")
        assert (port.is_users, port.security_groups) == (False, (default.id,))
        assert set(await store.run(ports.members, [default.id])) == {default.id}
        rows = await store.run(lambda connection: connection.execute(text("SELECT number, document FROM ports")).all())
        assert [(row.number, json.loads(row.document)["ip"]) for row in rows] == [(2, VIF.ip)]
        await store.run(lambda connection: command.downgrade(config(connection), "0003"))
        back = await store.run(lambda connection: connection.execute(text("SELECT number, instance_uuid FROM addresses")).all())
        assert [tuple(row) for row in back] == [(2, SERVER.uuid)]
        await store.close()

    asyncio.run(main())
