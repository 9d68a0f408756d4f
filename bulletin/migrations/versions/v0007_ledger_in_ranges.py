"""The ledger in the order of sending, with batches to be handed out, and who is at work on a mailing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Every delivery is kept; what was still to go, or in hand, is a batch of its own."""
    _number_mailings()
    op.rename_table("delivery", "delivery_before")
    if op.get_bind().dialect.name == "postgresql":  # its names of constraints are names of indexes
        op.execute("ALTER TABLE delivery_before RENAME CONSTRAINT delivery_pkey TO delivery_before_pkey")
    op.create_table(
        "delivery",
        sa.Column("mailing", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("subscriber", sa.String(40), nullable=False),
        sa.Column("edition", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("claimed_at", _MOMENT),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("subscriber", "mailing"),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 50},
    )
    columns = "subscriber, edition, state, attempts, provider, provider_id, reason, claimed_at, changed_at"
    op.execute(
        f"INSERT INTO delivery (mailing, number, {columns})"  # noqa: S608 - no value in it
        f" SELECT m.number, d.number, {columns} FROM delivery_before d JOIN mailing m ON m.id = d.mailing"
        " ORDER BY m.number, d.number"
    )
    for name in ("delivery", "mailing_edition", "mailing"):  # each before what it refers to
        op.drop_table(f"{name}_before")
    op.create_table(
        "batch",
        sa.Column("mailing", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("edition", sa.String(60), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("worker", sa.String(80), nullable=False, server_default=""),
        sa.Column("not_before", _MOMENT),
    )
    op.execute(
        "INSERT INTO batch (mailing, first, last, edition, attempt, worker)"
        " SELECT mailing, number, number, edition, attempts,"
        " CASE state WHEN 'claimed' THEN 'a program of before' ELSE '' END"
        " FROM delivery WHERE state IN ('planned', 'claimed')"
        " AND mailing IN (SELECT number FROM mailing WHERE kind = 'issue')"
    )
    op.create_table(
        "sending_rate",
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("free_at", _MOMENT, nullable=False),
    )


def _number_mailings() -> None:
    op.rename_table("mailing_edition", "mailing_edition_before")
    op.rename_table("mailing", "mailing_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE mailing_before RENAME CONSTRAINT mailing_pkey TO mailing_before_pkey")
        for kind in ("pkey", "mailing_fkey"):
            old = f"mailing_edition_{kind}"
            op.execute(f"ALTER TABLE mailing_edition_before RENAME CONSTRAINT {old} TO {old}_before")
    op.create_table(
        "mailing",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("issue", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("plan_digest", sa.String(64), nullable=False),
        sa.Column("head", sa.String(64), nullable=False, server_default=""),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("run", sa.Integer, nullable=False, server_default="0"),
        sa.Column("holder", sa.String(80), nullable=False, server_default=""),
        sa.Column("held_until", _MOMENT),
        sa.Column("home", sa.String(120), nullable=False, server_default=""),
    )
    columns = "id, issue, kind, plan_digest, started_at"
    op.execute(
        f"INSERT INTO mailing (number, {columns})"  # noqa: S608 - no value in it
        f" SELECT row_number() OVER (ORDER BY started_at, id), {columns} FROM mailing_before"
    )
    op.create_table(
        "mailing_edition",
        sa.Column("mailing", sa.String(80), sa.ForeignKey("mailing.id"), primary_key=True),
        sa.Column("edition", sa.String(60), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.execute("INSERT INTO mailing_edition SELECT mailing, edition, digest FROM mailing_edition_before")
