"""By what it is seen that a destination was written, whatever the clock of the machine that did it says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Add it; what there is was seen."""
    op.add_column(
        "relay_destination", sa.Column("revision", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """As it was."""
    with op.batch_alter_table("relay_destination") as table:
        table.drop_column("revision")
