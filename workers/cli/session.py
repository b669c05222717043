"""What one command works with: the environment it was called in, and the services, made on first use."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from config.settings import Settings
    from tasks.services import Services


def _environment() -> dict[str, str]:
    from config.settings import environment

    return environment()


def _local_environment(data_folder: Path) -> dict[str, str] | None:
    from workers.stack.environment import local_environment

    return local_environment(data_folder)


def _build_services(settings: "Settings") -> "Services":
    from workers.factory import build_services

    return build_services(settings)


def _person_is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass
class Session:
    """Settings and services of one command, and whether a person can be asked."""

    environ: Callable[[], dict[str, str]] = _environment
    local_environment: Callable[[Path], dict[str, str] | None] = _local_environment
    build: Callable[["Settings"], "Services"] = _build_services
    can_ask: Callable[[], bool] = field(default=_person_is_there)

    @cached_property
    def settings(self) -> "Settings":
        """The settings; those of the local stack where it is meant. Logging follows them from here on."""
        from config.settings import load_settings
        from workers.logging import configure_logging

        own = self.environ()
        settings = load_settings(own)
        local = self.local_environment(settings.data_folder)
        if local is not None and is_meant(local, own):
            settings = load_settings({**local, **own})
        # A command's own words are its log, unless somebody asks for more.
        level = settings.log_level if "HEADRACE_LOG_LEVEL" in own else "warning"
        configure_logging(level, settings.log_format, secrets=settings.secrets())
        return settings

    @cached_property
    def services(self) -> "Services":
        return self.build(self.settings)


def is_meant(local: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether the local stack's servers are the ones to talk to: nothing that is set names another server."""
    servers = ("HEADRACE_BROKER_URL", "HEADRACE_LEDGER_URL", "HEADRACE_S3_ENDPOINT")
    return all(not own.get(name) or own[name] == local.get(name) for name in servers)


def session_of(context: typer.Context) -> Session:
    """The session that `main` put there, or a test gave."""
    return cast("Session", context.obj)
