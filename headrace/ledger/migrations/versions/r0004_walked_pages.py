"""How many pages a run's document was walked to have, kept also where the answer has others."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("runs", sa.Column("walked_pages", sa.Integer(), nullable=True))
