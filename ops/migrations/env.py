"""Run by alembic: migrates on the connection and in the transaction that `ops.storage.database` gives it."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["declared"],
    # SQLite changes a table by making another one.
    render_as_batch=True,
)
context.run_migrations()
