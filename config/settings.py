"""The environment -> Settings, read once, checked as a whole, passed on as a value."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from config.mistakes import did_you_mean, without_input
from headrace.errors import ConfigurationError

PREFIX = "HEADRACE_"

_NAMED_SECRETS = {
    "accounts": '{"nanonets-emea": "its API key"}',
    "passwords": '{"statements": "the password"}',
}
"""The settings that are JSON objects, each with an example."""

VENDOR_NAMES = {"NANONETS_API_KEY": "nanonets_api_key"}
"""The vendors' own names for a setting, understood beside ours."""

_HTTP = ("http://", "https://")
_SCHEMES = {
    "broker_url": ("redis://", "rediss://"),
    "ledger_url": ("sqlite:////", "postgresql+psycopg://"),
    "s3_endpoint": _HTTP,
    "nanonets_base_url": _HTTP,
    "sqs_endpoint": _HTTP,
}


class Settings(BaseModel):
    """Everything that the environment decides; what documents are and where they go is in headrace.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    data_folder: Path = Field(
        default=Path("data"), description="Where the local stack keeps its servers' data, logs and the embedded ledger."
    )
    port_base: int = Field(
        default=18330,
        ge=1024,
        le=65_000,
        description="The first of the 13 neighbouring ports that the local stack's own servers take on 127.0.0.1.",
    )
    routes_file: Path = Field(
        default=Path("headrace.toml"),
        description="The file with routes, lanes, budgets and schedules (second part of this page).",
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey, as redis://:password@host:6379/0 (rediss:// for TLS). "
        "Without it `headrace run` starts its own.",
    )
    ledger_url: SecretStr | None = Field(
        default=None,
        description="The ledger's database: postgresql+psycopg://user:password@host/name, or "
        "sqlite:////absolute/path.db on a local disk. Without it `headrace run` uses SQLite in the data folder.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        description="The S3 server's address, for anything but AWS. Without it `headrace run` starts its own, "
        "and every other process talks to AWS.",
    )
    s3_region: str = Field(
        default="us-east-1", min_length=1, description="The region of the buckets and of the queues."
    )
    s3_access_key_id: str | None = Field(
        default=None, description="The access key of S3 and SQS; without one AWS's own chain of credentials is used."
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, validate_default=True, description="The secret that belongs to it."
    )
    nanonets_api_key: SecretStr | None = Field(
        default=None,
        description='The key of the account "nanonets". The vendor\'s own name NANONETS_API_KEY is understood as well.',
    )
    accounts: Json[dict[str, SecretStr]] = Field(
        default={}, description='Further API keys by account name, as JSON: {"nanonets-emea": "…"}.'
    )
    passwords: Json[dict[str, SecretStr]] = Field(
        default={},
        description='Passwords of protected PDFs by the name that routes give, as JSON: {"statements": "…"}.',
    )
    nanonets_dialect: Literal["reference", "openapi", "guide"] = Field(
        default="reference",
        description="Which published description of the Nanonets API is spoken: the vendor's reference, the OpenAPI "
        "file, or the integration guide. They differ in paths, encodings and how days are counted.",
    )
    nanonets_base_url: str = Field(
        default="https://app.nanonets.com/api/v2",
        description="Where the Nanonets API is; a simulator's address works too.",
    )
    sqs_queue_urls: tuple[str, ...] = Field(
        default=(),
        description="The queues that bucket notifications arrive in, with spaces or commas between them; without one "
        "the listener only watches.",
    )
    sqs_endpoint: str | None = Field(default=None, description="The SQS server's address, for anything but AWS.")
    watch_seconds: float = Field(
        default=2.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How often the watched prefixes are listed, in seconds; 0 turns watching off.",
    )
    send_seconds: float = Field(
        default=120.0,
        ge=5,
        le=120,
        description="A paid request leaves this many seconds after its intent was noted, or not at all.",
    )
    settle_seconds: float = Field(
        default=900.0,
        ge=1,
        le=86_400,
        description="How long after a paid request can have left at the latest its absence from the provider's list "
        "counts, in seconds; longer than the list may lag behind, and than a single job takes that it has only once "
        "it is done.",
    )
    scan_hours: float = Field(
        default=24.0,
        ge=0,
        le=8760,
        allow_inf_nan=False,
        description="How often the whole of each watched prefix is compared with the ledger, in hours; 0 turns it off.",
    )
    count_seconds: float = Field(
        default=30.0, gt=0, le=100, description="How long counting one document's pages may take, in seconds."
    )
    count_memory_bytes: int = Field(
        default=1_073_741_824, ge=268_435_456, description="How much address space counting pages may take, in bytes."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important log lines that are written."
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description='"json": one object a line; "console": for eyes.'
    )

    # Rules over two settings stand with the later one, so that they are reported beside all other mistakes.

    @field_validator(*_SCHEMES)
    @classmethod
    def _address_is_one_we_speak(cls, address: SecretStr | str | None, info: ValidationInfo) -> SecretStr | str | None:
        text = _plain(address)
        if text is not None:
            _check_scheme(text, _SCHEMES[str(info.field_name)])
            # A database may be a file, or a socket that is named in the query.
            if info.field_name != "ledger_url":
                _check_host(text)
        return address

    @field_validator("sqs_queue_urls", mode="before")
    @classmethod
    def _queues_are_a_list(cls, urls: object) -> object:
        return tuple(urls.replace(",", " ").split()) if isinstance(urls, str) else urls

    @field_validator("sqs_queue_urls")
    @classmethod
    def _each_queue_has_an_address(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            _check_scheme(url, _HTTP)
            _check_host(url)
        if len(set(urls)) < len(urls):
            raise ValueError("names a queue twice: name it once, or start a second listener.")
        return urls

    @field_validator("s3_secret_access_key")
    @classmethod
    def _belongs_to_an_access_key(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("s3_access_key_id") is None):
            raise ValueError(
                f"and {variable('s3_access_key_id')} belong together: give both, or neither to use AWS's own "
                "chain of credentials."
            )
        return secret

    @field_validator("accounts")
    @classmethod
    def _account_has_one_key(cls, accounts: dict[str, SecretStr], info: ValidationInfo) -> dict[str, SecretStr]:
        if not all(name and key.get_secret_value() for name, key in accounts.items()):
            raise ValueError("has an account without a name or without a key.")
        if "nanonets" in accounts and info.data.get("nanonets_api_key") is not None:
            raise ValueError(
                f'names the account "nanonets", whose key is {variable("nanonets_api_key")}: give it in one of the two.'
            )
        return accounts

    @field_validator("passwords")
    @classmethod
    def _password_has_a_name(cls, passwords: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if not all(name and password.get_secret_value() for name, password in passwords.items()):
            raise ValueError("has a password without a name, or a name without a password.")
        return passwords

    @property
    def api_keys(self) -> Mapping[str, SecretStr]:
        """Every account's API key, by the account's name."""
        own = {} if self.nanonets_api_key is None else {"nanonets": self.nanonets_api_key}
        return {**self.accounts, **own}

    def account_key(self, account: str) -> SecretStr:
        """The API key of an account; ConfigurationError where none is given."""
        if account not in self.api_keys:
            raise ConfigurationError(missing_key(account))
        return self.api_keys[account]

    def require(self, name: str) -> str:
        """The plain value of a setting that this process cannot do without; ConfigurationError where it is not set."""
        value = _plain(getattr(self, name))
        if value is None:
            raise ConfigurationError(
                f"{variable(name)} must be set for this process. docs/configuration.md says what it is; "
                "`headrace run` brings servers of its own."
            )
        return value

    def secrets(self) -> frozenset[str]:
        """Every value that must never be shown: keys, and the passwords in addresses."""
        values = [self.s3_secret_access_key, *self.api_keys.values(), *self.passwords.values()]
        whole = {value.get_secret_value() for value in values if value is not None}
        return frozenset((whole | self._passwords()) - {""})

    def _passwords(self) -> set[str]:
        found = set()
        for address in (self.broker_url, self.ledger_url):
            password = urlsplit(address.get_secret_value()).password if address is not None else None
            if password is not None:
                found |= {password, unquote(password)}
        return found


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def missing_key(account: str) -> str:
    """What to say where an account has no API key."""
    if account == "nanonets":
        return 'The account "nanonets" has no API key: set NANONETS_API_KEY.'
    return f'The account "{account}" has no API key: add it to {variable("accounts")}, as {{"{account}": "…"}}.'


def environment(dotenv: Path | str = ".env") -> dict[str, str]:
    """The process's environment, and under it what a .env file says."""
    # Without interpolation a password may hold a dollar sign.
    written = dotenv_values(dotenv, interpolate=False)
    return {name: value for name, value in written.items() if value is not None} | dict(os.environ)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from HEADRACE_* and the vendors' own names; an empty value counts as not set.

    Raises ConfigurationError with every mistake at once, by the variable's name and never by its value.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    values, mistakes = _named(given)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        mistakes += [_mistake(detail) for detail in error.errors(include_url=False, include_input=False)]
        # The cause would hold the values.
        raise ConfigurationError("\n".join(mistakes)) from None
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return settings


def _named(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The values by setting, and what is wrong with the names."""
    known = {variable(name): name for name in Settings.model_fields}
    values: dict[str, Any] = {}
    mistakes = []
    for name, value in environ.items():
        if name in known:
            values[known[name]] = value
        elif name.startswith(PREFIX):
            mistakes.append(f"{name} is not a setting.{did_you_mean(name, known)}")
    for name, setting in VENDOR_NAMES.items():
        if name in environ and values.setdefault(setting, environ[name]) != environ[name]:
            mistakes.append(f"{name} and {variable(setting)} differ: give one of them.")
    return values, mistakes


def _mistake(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    if name in _NAMED_SECRETS and error["type"] != "value_error":
        return f"{variable(name)} cannot be read: write names and texts as a JSON object, as {_NAMED_SECRETS[name]}."
    return f"{variable(name)} {without_input(error)}"


def _plain(value: SecretStr | str | None) -> str | None:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _check_scheme(address: str, schemes: tuple[str, ...]) -> None:
    if not address.startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}.")


def _check_host(address: str) -> None:
    try:
        parts = urlsplit(address)
        if parts.hostname and (parts.port is None or parts.port > 0):
            return
    except ValueError:
        pass  # urlsplit's own words would repeat the address, which may hold a password
    raise ValueError("must name a host, and a port that is a number if any.")
