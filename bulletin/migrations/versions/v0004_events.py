"""What providers and mail servers report about deliveries, and how far it was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Two new tables; nothing else changes."""
    op.create_table(
        "event",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("identity", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("mailing", sa.String(80), nullable=False),
        sa.Column("subscriber", sa.String(40), sa.ForeignKey("subscriber.id", ondelete="CASCADE")),
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("doubt", sa.Text, nullable=False),
        sa.Column("handled_at", _MOMENT),
        sa.Column("decision", sa.Text, nullable=False),
        sa.UniqueConstraint("provider", "identity"),
    )
    op.create_index("ix_event_subscriber", "event", ["subscriber"])
    op.create_index("event_mailing", "event", ["mailing", "kind"])
    op.create_index("event_open", "event", ["handled_at"])
    op.create_table(
        "event_cursor",
        sa.Column("source", sa.String(80), primary_key=True),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
