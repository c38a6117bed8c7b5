"""Ports in the place of addresses, and security groups.

Revision 0004, after 0003. The addresses that servers have become ports of the ids that the servers know them by.
"""

from __future__ import annotations

import json
from ipaddress import ip_network
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

RESERVED_ADDRESSES = 10


def upgrade() -> None:
    """Make the tables, and ports of what is given out."""
    op.add_column("networks", sa.Column("ordinal", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_table(
        "ports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("network_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_ports_network_id_networks"),
        sa.PrimaryKeyConstraint("id", name="pk_ports"),
        sa.UniqueConstraint("network_id", "number", name="uq_ports_network_id_number"),
    )
    op.create_index("ix_ports_device_id", "ports", ["device_id"])
    op.create_index("ix_ports_project_id", "ports", ["project_id"])
    op.create_table(
        "port_groups",
        sa.Column("port_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["ports.id"], name="fk_port_groups_port_id_ports"),
        sa.PrimaryKeyConstraint("port_id", "group_id", name="pk_port_groups"),
    )
    op.create_index("ix_port_groups_group_id", "port_groups", ["group_id"])
    op.create_table(
        "security_groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_security_groups"),
    )
    op.create_index("ix_security_groups_project_id_name", "security_groups", ["project_id", "name"])
    _take_over()
    op.drop_table("addresses")


def _take_over() -> None:
    """A port for each interface of a server, under the id that the server has of it."""
    connection = op.get_bind()
    cidrs = {row.id: ip_network(row.cidr) for row in connection.execute(sa.text("SELECT id, cidr FROM networks"))}
    taken = {(row.network_id, row.number) for row in connection.execute(sa.text("SELECT network_id, number FROM addresses"))}
    statement = sa.text(
        "INSERT INTO ports (id, network_id, number, project_id, device_id, document) "
        "VALUES (:id, :network_id, :number, :project_id, :device_id, :document)"
    )
    joined = sa.text("INSERT INTO port_groups (port_id, group_id) VALUES (:port_id, :group_id)")
    for row in connection.execute(sa.text("SELECT document FROM instances WHERE NOT is_deleted")).all():
        server = json.loads(row.document)
        for vif in server.get("vifs", ()):
            number = (
                int(ip_network(vif["ip"])[0]) - int(cidrs[vif["network_id"]][0]) - RESERVED_ADDRESSES if vif["network_id"] in cidrs else -1
            )
            if (vif["network_id"], number) in taken:
                connection.execute(statement, _port(server, vif, number))
                connection.execute(joined, {"port_id": vif["id"], "group_id": _default_group(server)})


def _default_group(server: dict[str, str]) -> str:
    """The id of the group that the server's project has as soon as somebody asks for it."""
    return str(uuid5(NAMESPACE_URL, f"inova:security-group:{server['project_id']}:default"))


def _port(server: dict[str, str], vif: dict[str, str], number: int) -> dict[str, object]:
    document = {
        "id": vif["id"],
        "network_id": vif["network_id"],
        "project_id": server["project_id"],
        "mac": vif["mac"],
        "ip": vif["ip"],
        "created_at": server["created_at"],
        "updated_at": server["created_at"],
        "device_id": server["uuid"],
        "device": vif.get("device", 0),
        "security_groups": [_default_group(server)],
    }
    columns = {name: document[name] for name in ("id", "network_id", "project_id", "device_id")}
    return {**columns, "number": number, "document": json.dumps(document)}


def downgrade() -> None:
    """Back to 0003."""
    op.create_table(
        "addresses",
        sa.Column("network_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_addresses_network_id_networks"),
        sa.PrimaryKeyConstraint("network_id", "number", name="pk_addresses"),
    )
    op.create_index("ix_addresses_instance_uuid", "addresses", ["instance_uuid"])
    op.execute(
        "INSERT INTO addresses (network_id, number, instance_uuid) SELECT network_id, number, device_id FROM ports WHERE device_id <> ''"
    )
    for table in ("port_groups", "ports", "security_groups"):
        op.drop_table(table)
    op.drop_column("networks", "ordinal")
