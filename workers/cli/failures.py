"""Errors for people: what a failed command says, and the code it ends with."""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import typer
from typer.core import TyperGroup

from headrace.errors import HeadraceError, StorageUnavailable
from workers.cli.exits import Exit, exit_for
from workers.cli.output import note, shown
from workers.cli.session import Session

if TYPE_CHECKING:
    from typer.models import Context

log = structlog.get_logger()


class Commands(TyperGroup):
    """The commands; whatever goes wrong in one ends with a message and an exit code, never a traceback."""

    def invoke(self, ctx: "Context") -> Any:  # type: ignore[override]  # typer's own class is private to it
        try:
            return super().invoke(ctx)
        except HeadraceError as error:
            for line in str(error).splitlines():
                note(f"headrace: {shown(line)}")
            if isinstance(error, StorageUnavailable) and isinstance(ctx.obj, Session) and ctx.obj.has_stacks_store:
                note(
                    "headrace: It is the local stack's own store, which is not up: start `headrace run`, and try again."
                )
            _log(error)
            raise typer.Exit(exit_for(error)) from error
        except KeyboardInterrupt as error:
            note("headrace: stopped.")
            raise typer.Exit(Exit.INTERRUPTED) from error
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise
        except Exception as error:
            # Its text was not written for people, and may quote an address with its password.
            note(f"headrace: something happened that nobody foresaw: {_where(error)}.")
            note("Run it again with HEADRACE_LOG_LEVEL=debug to see all of it, and report that.")
            _log(error)
            raise typer.Exit(Exit.UNEXPECTED) from error


def _log(error: Exception) -> None:
    # Before it is configured, structlog writes everything to stdout.
    if structlog.is_configured():
        log.debug("command failed", error=type(error).__name__, exc_info=error)


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place
