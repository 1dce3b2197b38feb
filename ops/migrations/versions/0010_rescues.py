"""What a batch added that another machine cut off, while it may have to be taken off again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Add it; there is none yet."""
    op.add_column("engagement_batch", sa.Column("rescue", sa.LargeBinary()))


def downgrade() -> None:
    """As it was."""
    with op.batch_alter_table("engagement_batch") as table:
        table.drop_column("rescue")
