"""Each reader's row tells under which keyed hash its address would be suppressed, so that sets can be told apart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The hashes need the publication's secret: the store of subscribers fills them in when it is next opened."""
    op.add_column("subscriber", sa.Column("address_hash", sa.String(64), nullable=False, server_default=""))
    missing = sa.text("address_hash = ''")
    op.create_index(
        "subscriber_unhashed", "subscriber", ["address_hash"], sqlite_where=missing, postgresql_where=missing
    )
