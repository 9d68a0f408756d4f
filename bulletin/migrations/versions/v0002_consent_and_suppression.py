"""More of each reader, a consent history that only grows, lists, suppression that outlives erasure, confirmations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Every row of before is kept."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in ("organisation", "role", "topics"):
        op.add_column("subscriber", _text(name))
    op.add_column("subscriber", _text("domain", sa.String(253)))
    op.add_column("subscriber", sa.Column("paused_until", _MOMENT))
    domain = "substr(email, instr(email, '@') + 1)" if sqlite else "split_part(email, '@', 2)"
    op.execute(f"UPDATE subscriber SET domain = {domain}")  # noqa: S608 - both words stand above
    op.create_index("subscriber_domain", "subscriber", ["domain"])
    _widen_consent_in_sqlite() if sqlite else _widen_consent()
    _make_new_tables()
    _keep_consents(sqlite)


def _text(name: str, kind: sa.types.TypeEngine[str] | None = None) -> sa.Column[str]:
    return sa.Column(name, kind or sa.Text(), nullable=False, server_default="")


def _new_consent_columns() -> list[sa.Column[str]]:
    return [
        _text("route", sa.String(20)),
        _text("list", sa.String(60)),
        _text("wording"),
        _text("wording_version", sa.String(40)),
        _text("basis"),
        _text("source"),
    ]


def _subscriber(**more: bool) -> sa.Column[str]:
    key = sa.ForeignKey("subscriber.id", ondelete="CASCADE")
    return sa.Column("subscriber", sa.String(40), key, nullable=False, **more)  # type: ignore[arg-type]


def _widen_consent_in_sqlite() -> None:
    """SQLite cannot change a foreign key, so the rows move to a new table."""
    op.drop_index("ix_consent_subscriber", "consent")
    op.rename_table("consent", "consent_before")
    op.create_table(
        "consent",
        sa.Column("number", sa.Integer, primary_key=True),
        _subscriber(),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        *_new_consent_columns(),
    )
    columns = "number, subscriber, what, at, how"
    op.execute(f"INSERT INTO consent ({columns}) SELECT {columns} FROM consent_before")  # noqa: S608 - no value in it
    op.drop_table("consent_before")
    op.create_index("ix_consent_subscriber", "consent", ["subscriber"])


def _widen_consent() -> None:
    for column in _new_consent_columns():
        op.add_column("consent", column)
    op.drop_constraint("consent_subscriber_fkey", "consent", type_="foreignkey")
    op.create_foreign_key(
        "consent_subscriber_fkey", "consent", "subscriber", ["subscriber"], ["id"], ondelete="CASCADE"
    )


def _make_new_tables() -> None:
    op.create_table(
        "membership",
        _subscriber(primary_key=True),
        sa.Column("list", sa.String(60), primary_key=True),
        sa.Column("since", _MOMENT, nullable=False),
    )
    op.create_index("membership_list", "membership", ["list"])
    op.create_table(
        "suppression",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("suppression_key", "suppression", ["key"])
    op.create_table(
        "confirmation",
        sa.Column("token", sa.String(64), primary_key=True),
        _subscriber(),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT),
        _text("detail"),
    )
    op.create_index("ix_confirmation_subscriber", "confirmation", ["subscriber"])


def _keep_consents(sqlite: bool) -> None:
    """No row of the history is changed, and none goes before its subscriber does (P-10)."""
    if sqlite:
        op.execute(
            "CREATE TRIGGER consent_unchanged BEFORE UPDATE ON consent"
            " BEGIN SELECT RAISE(ABORT, 'consents are only ever added'); END"
        )
        op.execute(
            "CREATE TRIGGER consent_kept BEFORE DELETE ON consent"
            " WHEN EXISTS (SELECT 1 FROM subscriber WHERE id = OLD.subscriber)"
            " BEGIN SELECT RAISE(ABORT, 'consents are only ever added'); END"
        )
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION consent_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF TG_OP = 'UPDATE' OR EXISTS (SELECT 1 FROM subscriber WHERE id = OLD.subscriber)"
        " THEN RAISE EXCEPTION 'consents are only ever added'; END IF; RETURN OLD; END $$"
    )
    op.execute(
        "CREATE TRIGGER consent_kept BEFORE UPDATE OR DELETE ON consent FOR EACH ROW EXECUTE FUNCTION consent_is_kept()"
    )
