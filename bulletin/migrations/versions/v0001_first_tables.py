"""The tables of the first releases, made without a version, and the ledger's only when something was sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make what is missing; what is there stays untouched."""
    op.create_table(
        "subscriber",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "consent",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("subscriber", sa.String(40), sa.ForeignKey("subscriber.id"), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_consent_subscriber", "consent", ["subscriber"], if_not_exists=True)
    op.create_table(
        "mailing",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("issue", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "mailing_edition",
        sa.Column("mailing", sa.String(80), sa.ForeignKey("mailing.id"), primary_key=True),
        sa.Column("edition", sa.String(60), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "delivery",
        sa.Column("mailing", sa.String(80), sa.ForeignKey("mailing.id"), primary_key=True),
        sa.Column("subscriber", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("edition", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("claimed_at", _MOMENT),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("mailing", "number"),
        if_not_exists=True,
    )
    op.create_index("delivery_next", "delivery", ["mailing", "state", "tries", "number"], if_not_exists=True)
