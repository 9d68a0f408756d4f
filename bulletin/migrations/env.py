"""Run by Alembic: the steps go through the connection that `bulletin.migrations.upgrade` was given."""

from __future__ import annotations

from alembic import context

# The surrounding transaction is the caller's: all steps are kept, or none.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
