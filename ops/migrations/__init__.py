"""The database's history; `ops.storage.database` lets it run at start where something is missing.

A new step, against a database that is up to date, with `alembic_config(connection, schema())` in hand:
`alembic.command.revision(config, "what it does", autogenerate=True, rev_id="0003")`. Look at what it wrote.
The revision is the number that its file begins with.
"""

from __future__ import annotations

from pathlib import Path


def newest() -> str:
    """The revision of a database that is up to date."""
    return max(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
