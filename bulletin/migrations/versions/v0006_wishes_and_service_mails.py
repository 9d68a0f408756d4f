"""What readers ask for on the pages, how often, and the mails that answer them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Three new tables; nothing else changes."""
    op.create_table(
        "web_request",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        *(_text(name, kind) for name, kind in _OF_A_WISH.items()),
    )
    op.create_table(
        "rate_limit",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("rate_limit_what", "rate_limit", ["what", "at"])
    op.create_table(
        "service_mail",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subscriber", sa.String(40), sa.ForeignKey("subscriber.id", ondelete="CASCADE"), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        _text("language", sa.String(20)),
        sa.Column("state", sa.String(20), nullable=False),
        *(sa.Column(name, _MOMENT, nullable=False) for name in ("at", "due_at", "changed_at")),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_index("ix_service_mail_subscriber", "service_mail", ["subscriber"])
    op.create_index("service_mail_next", "service_mail", ["state", "due_at"])


_OF_A_WISH = {
    "email": sa.String(254),
    "subscriber": sa.String(40),
    "name": sa.Text(),
    "language": sa.String(20),
    "lists": sa.Text(),
    "wording": sa.Text(),
    "wording_version": sa.String(40),
}


def _text(name: str, kind: sa.types.TypeEngine[str]) -> sa.Column[str]:
    return sa.Column(name, kind, nullable=False, server_default="")
