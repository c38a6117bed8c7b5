"""What was asked of servers, and an index for those that are put aside.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_PUT_ASIDE = sa.text("vm_state IN ('shelved', 'soft-delete')")


def upgrade() -> None:
    """The table of actions; the index of what is shelved or deleted softly."""
    op.create_table(
        "instance_actions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("instance_uuid", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance_actions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_instance_actions_instance_uuid_id", "instance_actions", ["instance_uuid", "id"], unique=False)
    op.create_index("ix_instances_put_aside", "instances", ["vm_state"], unique=False, postgresql_where=_PUT_ASIDE, sqlite_where=_PUT_ASIDE)


def downgrade() -> None:
    """Back to 0002."""
    op.drop_index("ix_instances_put_aside", table_name="instances")
    op.drop_table("instance_actions")
