"""What one command works with: the environment it was called in, and the services, made on first use."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


def _start_logging(settings: "Settings", level: str) -> None:
    from workers.logging import configure_logging

    configure_logging(level, settings.log_format, settings.secrets())


def _person_is_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


@dataclass
class Session:
    """Settings and services of one command, and whether a person can be asked."""

    environ: Callable[[], dict[str, str]] = _environment
    local_environment: Callable[[Path], dict[str, str] | None] = _local_environment
    build: Callable[["Settings"], "Services"] = _build_services
    start_logging: Callable[["Settings", str], None] = _start_logging
    can_ask: Callable[[], bool] = _person_is_there

    @cached_property
    def settings(self) -> "Settings":
        """The settings; those of the local stack where it is meant. Logging follows them from here on."""
        from config.settings import load_settings

        own = self.environ()
        settings = load_settings(own)
        local = self.local_environment(settings.data_folder)
        if local is not None:
            settings = load_settings({**of_the_local_stack(local, own), **own})
        # A command's own words are its log, unless somebody asks for more.
        self.start_logging(settings, settings.log_level if own.get("HEADRACE_LOG_LEVEL") else "warning")
        return settings

    @property
    def routes_file(self) -> Path:
        """The routes that the next start takes: the user's own where there are any, else the local stack's."""
        from config.settings import load_settings

        own = load_settings(self.environ()).routes_file
        return own if own.exists() else self.settings.routes_file

    @property
    def has_stacks_store(self) -> bool:
        """Whether the object store is that of the local stack: nobody named another."""
        return self.settings.s3_endpoint is not None and not self.environ().get("HEADRACE_S3_ENDPOINT")

    @cached_property
    def services(self) -> "Services":
        return self.build(self.settings)


def of_the_local_stack(local: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What the local stack adds to what is set; nothing where that names other servers than the stack's."""
    servers = ("HEADRACE_BROKER_URL", "HEADRACE_LEDGER_URL", "HEADRACE_S3_ENDPOINT")
    elsewhere = any(own.get(name) not in ("", None, local.get(name)) for name in servers if name in local)
    if elsewhere or all(own.get(name) for name in servers):
        return {}
    added = dict(local)
    if own.get("NANONETS_API_KEY") or own.get("HEADRACE_NANONETS_API_KEY"):
        # A real key must never go to the simulator, nor the simulator's to the real API.
        added.pop("NANONETS_API_KEY", None)
        added.pop("HEADRACE_NANONETS_BASE_URL", None)
    return added


def session_of(context: typer.Context) -> Session:
    """The session that `main` put there, or a test gave."""
    return cast("Session", context.obj)
