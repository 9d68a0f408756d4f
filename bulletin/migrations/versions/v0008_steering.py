"""What people decide about a mailing: when it leaves, how far and how fast, who approved it and who cancelled it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Mailings of before leave at once, in one go, as they did."""
    for column in (
        sa.Column("parts", sa.Text, nullable=False, server_default=""),
        sa.Column("due_at", _MOMENT),
        sa.Column("spread_s", sa.Integer),
        sa.Column("up_to", sa.Integer),
        sa.Column("cancelled_by", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("mailing", column)
    op.create_table(
        "approval",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("mailing", sa.String(80), nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("withdrawn_at", _MOMENT),
    )
    op.create_index("ix_approval_mailing", "approval", ["mailing"])
