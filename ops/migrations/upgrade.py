"""Brings a database up to date with alembic, in the transaction of a connection."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from streamer.errors import StreamerError

_log = logging.getLogger(__name__)


class NewerDatabase(StreamerError):
    """A newer version of the server wrote it."""


def upgrade(connection: Connection) -> None:
    """Do every step that has not been done.

    Raises:
        NewerDatabase: it has steps behind it that are not known here.
    """
    config = alembic_config(connection)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    newer = set(MigrationContext.configure(connection).get_current_heads()) - known
    if newer:
        raise NewerDatabase(
            f"a newer version of the server wrote it (revision {', '.join(sorted(newer))}); use that one"
        )
    command.upgrade(config, "head")
    _log.info("the database was brought up to date")


def alembic_config(connection: Connection, declared: MetaData | None = None) -> AlembicConfig:
    """What alembic needs to know; there is no alembic.ini.

    Args:
        connection: where to work, in the transaction it is in.
        declared: `ops.migrations.declared.schema()`, for who lets a new step be written.
    """
    config = AlembicConfig()
    config.set_main_option("script_location", "ops:migrations")
    config.attributes.update(connection=connection, declared=declared)
    return config
