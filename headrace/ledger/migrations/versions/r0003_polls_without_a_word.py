"""How often a job was asked for without anybody saying what came of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("submissions", sa.Column("deliveries", sa.Integer(), nullable=False, server_default="0"))
