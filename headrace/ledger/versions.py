"""The versions of the ledger's tables, as Alembic keeps them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest version, within the connection's transaction."""
    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def version_of(connection: Connection) -> str | None:
    """The version of the tables that are there; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The version that this program works with."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def is_known(version: str) -> bool:
    """Whether this program can bring tables of this version to the newest one."""
    return version in {step.revision for step in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def _alembic() -> Config:
    config = Config()
    # Alembic reads % in its options as interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
