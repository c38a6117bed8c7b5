"""The tables of a cell's database, one schema for every cell of the tree. The migrations make the same; a test compares them.

An instance is kept whole as one JSON document beside the columns that are searched or sorted by: a change is one small UPDATE,
a read one decode. Columns are never NULL, so that sorting and paging by any of them is simple: an absent text is "".
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=CONVENTION)

SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")
"""A primary key that counts by itself."""

PUT_ASIDE = "vm_state IN ('shelved', 'soft-delete')"
"""What the watch of a cell takes further after a while."""


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _boolean(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


instances = Table(
    "instances",
    metadata,
    Column("uuid", Text, primary_key=True),
    _text("project_id"),
    _text("user_id"),
    _text("name"),
    _text("host"),
    _text("vm_state"),
    _text("task_state"),
    _integer("power_state"),
    _text("image_ref"),
    _text("flavor_id"),
    _text("key_name"),
    _text("reservation_id"),
    _text("availability_zone"),
    _text("hostname"),
    _text("description"),
    _text("ips"),
    _text("created_at"),
    _text("updated_at"),
    _text("launched_at"),
    _text("terminated_at"),
    _boolean("has_config_drive"),
    _integer("launch_index"),
    _boolean("is_deleted"),
    Column("update_seq", BigInteger, nullable=False),
    _text("document"),
    Index(None, "project_id", "is_deleted", "created_at", "uuid"),
    Index(None, "updated_at"),
    Index("ix_instances_present_on_host", "host", postgresql_where=text("NOT is_deleted"), sqlite_where=text("is_deleted = 0")),
    Index("ix_instances_busy", "updated_at", postgresql_where=text("task_state <> ''"), sqlite_where=text("task_state <> ''")),
    Index("ix_instances_put_aside", "vm_state", postgresql_where=text(PUT_ASIDE), sqlite_where=text(PUT_ASIDE)),
)

hosts = Table(
    "hosts",
    metadata,
    Column("host", Text, primary_key=True),
    _text("service_uuid"),
    _text("availability_zone"),
    Column("report", JSON, nullable=False),
    _integer("limit_vcpus"),
    _integer("limit_memory_mb"),
    _integer("limit_disk_gb"),
    _integer("claimed_vcpus"),
    _integer("claimed_memory_mb"),
    _integer("claimed_disk_gb"),
    _integer("claimed_instances"),
    _integer("other_memory_mb"),
    _integer("other_disk_gb"),
    _boolean("is_enabled"),
    _text("disabled_reason"),
    _boolean("is_forced_down"),
    Column("generation", BigInteger, nullable=False),
    Column("heartbeat_at_s", Double, nullable=False),
    _text("updated_at"),
    UniqueConstraint("service_uuid"),
)
"""``limit_*``: the most that may be claimed, worked out from the last report; ``heartbeat_at_s`` is a date in seconds since 1970."""

claims = Table(
    "claims",
    metadata,
    Column("instance_uuid", Text, primary_key=True),
    Column("host", Text, ForeignKey("hosts.host"), nullable=False),
    _integer("vcpus"),
    _integer("memory_mb"),
    _integer("disk_gb"),
    Index(None, "host"),
)

builds = Table(
    "builds",
    metadata,
    Column("instance_uuid", Text, primary_key=True),
    Column("request", JSON, nullable=False),
    Column("tried_hosts", JSON, nullable=False),
    _integer("attempt"),
    Column("deadline_s", Double, nullable=False),
)
"""What a compute cell needs to build an instance once more elsewhere, while it is not built."""

migrations = Table(
    "migrations",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("uuid", Text, nullable=False, unique=True),
    _text("instance_uuid"),
    _text("status"),
    _boolean("is_over"),
    _text("updated_at"),
    _text("document"),
    Index(None, "instance_uuid"),
    Index("ix_migrations_open", "instance_uuid", postgresql_where=text("NOT is_over"), sqlite_where=text("is_over = 0")),
    sqlite_autoincrement=True,
)
"""Servers on their way to another host or size, and those that were."""

instance_actions = Table(
    "instance_actions",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    _text("instance_uuid"),
    _text("request_id"),
    _text("action"),
    _text("user_id"),
    _text("project_id"),
    _text("started_at"),
    _text("updated_at"),
    _text("message"),
    Column("events", JSON, nullable=False),
    Index(None, "instance_uuid", "id"),
    sqlite_autoincrement=True,
)
"""What was asked of each instance, by whom, and what came of it; an event is one part of it on one host."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    Column("instance_uuid", Text, nullable=False, unique=True),
    Column("update_seq", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""The instances of which the parent has not yet acknowledged the newest state, longest waiting first."""

mappings = Table(
    "instance_mappings",
    metadata,
    Column("instance_uuid", Text, primary_key=True),
    _text("project_id"),
    _text("cell"),
    Column("tried_cells", JSON, nullable=False),
    Column("request", JSON, nullable=False),
    _boolean("is_settled"),
    _boolean("is_deleting"),
    Column("sent_at_s", Double, nullable=False),
    Index("ix_instance_mappings_unsettled", "sent_at_s", postgresql_where=text("NOT is_settled"), sqlite_where=text("is_settled = 0")),
)
"""Which cell has which instance, written before the cell is told. Settled: the cell has answered, nothing is to be sent again."""

usages = Table(
    "project_usages",
    metadata,
    Column("project_id", Text, primary_key=True),
    _integer("instances"),
    _integer("cores"),
    _integer("memory_mb"),
)

flavors = Table(
    "flavors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _integer("memory_mb"),
    _integer("vcpus"),
    _integer("root_gb"),
    _integer("ephemeral_gb"),
    _integer("swap_mb"),
    _boolean("is_public"),
    _boolean("is_disabled"),
    Column("rxtx_factor", Double, nullable=False),
    Column("description", Text, nullable=True),
    Column("extra_specs", JSON, nullable=False),
)

keypairs = Table(
    "keypairs",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _text("type"),
    _text("public_key"),
    _text("fingerprint"),
    _text("created_at"),
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("id", SEQUENCE, primary_key=True, autoincrement=True),
    _text("name"),
    _boolean("is_deleted"),
    Column("generation", BigInteger, nullable=False),
    _text("document"),
    Index(None, "name"),
    sqlite_autoincrement=True,
)
"""Sets of hosts; those that were deleted stay."""

upkeep = Table("upkeep", metadata, Column("host", Text, primary_key=True), _text("document"))
"""What is being done with hosts of a compute cell: maintenance, reboots, changes of pools."""

networks = Table(
    "networks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("label", Text, nullable=False, unique=True),
    _text("bridge"),
    _text("cidr"),
    _text("gateway"),
    Column("next_number", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False, server_default=text("0")),
)
"""``ordinal``: its place in the order of networks; MACs are made of it."""

ports = Table(
    "ports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("network_id", Text, ForeignKey("networks.id"), nullable=False),
    Column("number", BigInteger, nullable=False),
    _text("project_id"),
    _text("device_id"),
    _text("document"),
    UniqueConstraint("network_id", "number"),
    Index(None, "device_id"),
    Index(None, "project_id"),
)
"""Each has the ``number``-th address of its network."""

port_groups = Table(
    "port_groups",
    metadata,
    Column("port_id", Text, ForeignKey("ports.id"), primary_key=True),
    Column("group_id", Text, primary_key=True),
    Index(None, "group_id"),
)

security_groups = Table(
    "security_groups",
    metadata,
    Column("id", Text, primary_key=True),
    _text("project_id"),
    _text("name"),
    _text("document"),
    Index(None, "project_id", "name"),
)
