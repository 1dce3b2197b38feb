"""The database's history, run by `ops.database` at every start.

A new step, against a database that is up to date, with `alembic_config(connection, schema())` in hand:
`alembic.command.revision(config, "what it does", autogenerate=True, rev_id="0003")`. Look at what it wrote.
"""
