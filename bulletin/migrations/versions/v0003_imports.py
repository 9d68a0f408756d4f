"""Which imports there were, and what the last one changed, so that it can be undone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two new tables; nothing else changes."""
    op.create_table(
        "import_batch",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False, unique=True),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=False, server_default=""),
        sa.Column("added", sa.Integer, nullable=False),
        sa.Column("changed", sa.Integer, nullable=False),
        sa.Column("taken_off", sa.Integer, nullable=False),
        sa.Column("undone_at", _MOMENT),
    )
    fields = ("name", "organisation", "role", "language", "topics")
    op.create_table(
        "import_change",
        sa.Column("batch", sa.Integer, sa.ForeignKey("import_batch.number"), primary_key=True),
        sa.Column("subscriber", sa.String(40), sa.ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True),
        *(sa.Column(f"{age}_{field}", sa.Text, nullable=False) for age in ("old", "new") for field in fields),
    )
