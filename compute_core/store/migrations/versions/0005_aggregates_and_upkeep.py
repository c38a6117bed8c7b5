"""Aggregates of hosts, and what is being done with hosts.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """A table for each."""
    op.create_table(
        "aggregates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_aggregates"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_aggregates_name", "aggregates", ["name"], unique=False)
    op.create_table(
        "upkeep",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("host", name="pk_upkeep"),
    )


def downgrade() -> None:
    """Back to 0004."""
    op.drop_table("upkeep")
    op.drop_index("ix_aggregates_name", table_name="aggregates")
    op.drop_table("aggregates")
