"""The first schema.

Revision 0001, after none.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    "instances",
    "hosts",
    "claims",
    "builds",
    "outbox",
    "instance_mappings",
    "project_usages",
    "flavors",
    "keypairs",
    "networks",
    "addresses",
)
"""In the order in which they are made: what is referred to comes first."""


def upgrade() -> None:
    """From an empty database."""
    _make_instances()
    _make_hosts()
    _make_claims()
    _make_builds()
    _make_outbox()
    _make_instance_mappings()
    _make_project_usages()
    _make_flavors()
    _make_keypairs()
    _make_networks()
    _make_addresses()


def downgrade() -> None:
    """To an empty database; indexes go with their tables."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_instances() -> None:
    op.create_table(
        "instances",
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("vm_state", sa.Text(), nullable=False),
        sa.Column("task_state", sa.Text(), nullable=False),
        sa.Column("power_state", sa.Integer(), nullable=False),
        sa.Column("image_ref", sa.Text(), nullable=False),
        sa.Column("flavor_id", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("reservation_id", sa.Text(), nullable=False),
        sa.Column("availability_zone", sa.Text(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("ips", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("launched_at", sa.Text(), nullable=False),
        sa.Column("terminated_at", sa.Text(), nullable=False),
        sa.Column("has_config_drive", sa.Boolean(), nullable=False),
        sa.Column("launch_index", sa.Integer(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("update_seq", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_instances"),
    )
    op.create_index(
        "ix_instances_busy",
        "instances",
        ["updated_at"],
        unique=False,
        postgresql_where=sa.text("task_state <> ''"),
        sqlite_where=sa.text("task_state <> ''"),
    )
    op.create_index(
        "ix_instances_present_on_host",
        "instances",
        ["host"],
        unique=False,
        postgresql_where=sa.text("NOT is_deleted"),
        sqlite_where=sa.text("is_deleted = 0"),
    )
    op.create_index(
        "ix_instances_project_id_is_deleted_created_at_uuid",
        "instances",
        ["project_id", "is_deleted", "created_at", "uuid"],
        unique=False,
    )
    op.create_index("ix_instances_updated_at", "instances", ["updated_at"], unique=False)


def _make_hosts() -> None:
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("service_uuid", sa.Text(), nullable=False),
        sa.Column("availability_zone", sa.Text(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("limit_vcpus", sa.Integer(), nullable=False),
        sa.Column("limit_memory_mb", sa.Integer(), nullable=False),
        sa.Column("limit_disk_gb", sa.Integer(), nullable=False),
        sa.Column("claimed_vcpus", sa.Integer(), nullable=False),
        sa.Column("claimed_memory_mb", sa.Integer(), nullable=False),
        sa.Column("claimed_disk_gb", sa.Integer(), nullable=False),
        sa.Column("claimed_instances", sa.Integer(), nullable=False),
        sa.Column("other_memory_mb", sa.Integer(), nullable=False),
        sa.Column("other_disk_gb", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=False),
        sa.Column("is_forced_down", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at_s", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_hosts"),
        sa.UniqueConstraint("service_uuid", name="uq_hosts_service_uuid"),
    )


def _make_claims() -> None:
    op.create_table(
        "claims",
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("disk_gb", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["host"], ["hosts.host"], name="fk_claims_host_hosts"),
        sa.PrimaryKeyConstraint("instance_uuid", name="pk_claims"),
    )
    op.create_index("ix_claims_host", "claims", ["host"], unique=False)


def _make_builds() -> None:
    op.create_table(
        "builds",
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("tried_hosts", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("deadline_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_uuid", name="pk_builds"),
    )


def _make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.Column("update_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("instance_uuid", name="uq_outbox_instance_uuid"),
        sqlite_autoincrement=True,
    )


def _make_instance_mappings() -> None:
    op.create_table(
        "instance_mappings",
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("cell", sa.Text(), nullable=False),
        sa.Column("tried_cells", sa.JSON(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.Column("is_deleting", sa.Boolean(), nullable=False),
        sa.Column("sent_at_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("instance_uuid", name="pk_instance_mappings"),
    )
    op.create_index(
        "ix_instance_mappings_unsettled",
        "instance_mappings",
        ["sent_at_s"],
        unique=False,
        postgresql_where=sa.text("NOT is_settled"),
        sqlite_where=sa.text("is_settled = 0"),
    )


def _make_project_usages() -> None:
    op.create_table(
        "project_usages",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_project_usages"),
    )


def _make_flavors() -> None:
    op.create_table(
        "flavors",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("root_gb", sa.Integer(), nullable=False),
        sa.Column("ephemeral_gb", sa.Integer(), nullable=False),
        sa.Column("swap_mb", sa.Integer(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("rxtx_factor", sa.Double(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("extra_specs", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flavors"),
        sa.UniqueConstraint("name", name="uq_flavors_name"),
    )


def _make_keypairs() -> None:
    op.create_table(
        "keypairs",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "name", name="pk_keypairs"),
    )


def _make_networks() -> None:
    op.create_table(
        "networks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("bridge", sa.Text(), nullable=False),
        sa.Column("cidr", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("next_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_networks"),
        sa.UniqueConstraint("label", name="uq_networks_label"),
    )


def _make_addresses() -> None:
    op.create_table(
        "addresses",
        sa.Column("network_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name="fk_addresses_network_id_networks"),
        sa.PrimaryKeyConstraint("network_id", "number", name="pk_addresses"),
    )
    op.create_index("ix_addresses_instance_uuid", "addresses", ["instance_uuid"], unique=False)
