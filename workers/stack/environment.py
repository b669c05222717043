"""What the stack brings along and what it is told to use, as the environment of its processes."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from config.routes import RouteTable
from config.settings import Settings
from headrace.routing import Route
from workers.stack.errors import StackError
from workers.stack.folder import DataFolder
from workers.stack.ports import Ports
from workers.stack.servers import HOST, S3_REGION, Seaweed, Valkey, write_private

# The account whose key is NANONETS_API_KEY.
SIMULATED_ACCOUNT = "nanonets"


@dataclass(frozen=True)
class Secrets:
    """The keys of the stack's own servers: made at the first start, kept in the data folder."""

    valkey_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    simulator_key: str = field(repr=False)

    @classmethod
    def make(cls) -> "Secrets":
        """New ones."""
        return cls(
            valkey_password=secrets.token_hex(24),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
            simulator_key=f"simulated-{secrets.token_hex(8)}",
        )

    @classmethod
    def kept(cls, folder: DataFolder) -> "Secrets":
        """Those of this data folder, made and written down where there are none yet."""
        written = _read(folder.stack_file)
        if written is None:
            made = cls.make()
            _write(folder.stack_file, made, {})
            return made
        try:
            return cls(**written["secrets"])
        except (KeyError, TypeError) as error:
            raise _damaged(folder.stack_file) from error


@dataclass(frozen=True)
class Plan:
    """Which servers are the stack's own. None: the settings name another one, which is used instead."""

    valkey: Valkey | None
    s3: Seaweed | None
    simulator_port: int | None
    """None: there is a real key, and the real API is asked."""
    own_routes: bool
    """Whether the routes are the stack's own, with its samples; not those of a headrace.toml."""
    environment: Mapping[str, str] = field(repr=False)
    """What the processes need to know beside what is set already."""

    @property
    def ports(self) -> dict[int, str]:
        """Every port that must be free, and who wants it."""
        wanted = {} if self.valkey is None else {self.valkey.port: "the broker (Valkey)"}
        if self.simulator_port is not None:
            wanted[self.simulator_port] = "the simulator"
        if self.s3 is not None:
            wanted |= dict.fromkeys(self.s3.ports, "the object store (SeaweedFS)")
        return wanted


def plan(settings: Settings, folder: DataFolder, keys: Secrets) -> Plan:
    """Decide what to start; StackError where the stack's own routes would meet somebody else's store."""
    own_routes = not settings.routes_file.exists()
    if own_routes and settings.s3_endpoint is not None:
        raise StackError(
            f"HEADRACE_S3_ENDPOINT is set and there is no {settings.routes_file}: the stack's own routes and samples "
            "are for its own object store only. Write a headrace.toml (docs/configuration.md shows one), or unset it."
        )
    ports = Ports(settings.port_base)
    valkey = Valkey(folder.valkey, ports.valkey, keys.valkey_password) if settings.broker_url is None else None
    s3 = None
    if settings.s3_endpoint is None:
        s3 = Seaweed(folder.s3, ports.s3, keys.s3_access_key, keys.s3_secret_key)
    simulator_port = ports.simulator if settings.nanonets_api_key is None else None
    routes_file = folder.routes_file if own_routes else settings.routes_file.absolute()
    environment = {"HEADRACE_DATA_FOLDER": str(folder.path), "HEADRACE_ROUTES_FILE": str(routes_file)}
    if valkey is not None:
        environment["HEADRACE_BROKER_URL"] = valkey.url
    if settings.ledger_url is None:
        environment["HEADRACE_LEDGER_URL"] = f"sqlite:///{folder.ledger}"
    if s3 is not None:
        environment |= {
            "HEADRACE_S3_ENDPOINT": s3.endpoint,
            "HEADRACE_S3_REGION": S3_REGION,
            "HEADRACE_S3_ACCESS_KEY_ID": s3.access_key,
            "HEADRACE_S3_SECRET_ACCESS_KEY": s3.secret_key,
        }
    if simulator_port is not None:
        environment |= {
            "HEADRACE_NANONETS_BASE_URL": f"http://{HOST}:{simulator_port}/api/v2",
            "NANONETS_API_KEY": keys.simulator_key,
        }
    return Plan(valkey, s3, simulator_port, own_routes, environment)


def simulated_routes(planned: Plan, table: RouteTable) -> list[Route]:
    """The routes that the simulator answers, because there is no key for the real API."""
    if planned.simulator_port is None:
        return []
    return [route for route in table.routes if route.account == SIMULATED_ACCOUNT]


def told_of_simulation(planned: Plan, table: RouteTable) -> str | None:
    """What to say at the start where routes are simulated: which, what can be read, and where the bill is."""
    names = ", ".join(route.name for route in simulated_routes(planned, table))
    if not names:
        return None
    return (
        f"SIMULATED: {names}. Without NANONETS_API_KEY no API is asked; a simulator reads with the local engine: "
        "born-digital PDFs only, so pictures, scans and damaged files fail (prediction_failed). Nothing is paid; "
        f"what would be: http://{HOST}:{planned.simulator_port}/simulator/bill"
    )


def write_down(folder: DataFolder, keys: Secrets, planned: Plan) -> None:
    """Let other commands find the servers of this start."""
    _write(folder.stack_file, keys, planned.environment)


def local_environment(data_folder: Path) -> dict[str, str] | None:
    """How to reach the stack that works (or last worked) on this data folder; None where none ever did."""
    path = DataFolder(data_folder.absolute()).stack_file
    written = _read(path)
    if written is None:
        return None
    environment = written.get("environment")
    if not isinstance(environment, dict):
        raise _damaged(path)
    return {str(name): str(value) for name, value in environment.items()} or None


def _write(path: Path, keys: Secrets, environment: Mapping[str, str]) -> None:
    new = path.with_suffix(".new")
    write_private(new, json.dumps({"secrets": asdict(keys), "environment": dict(environment)}, indent=1))
    new.replace(path)


def _read(path: Path) -> dict[str, dict[str, str]] | None:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(written, dict):
        raise _damaged(path)
    return written


def _damaged(path: Path) -> StackError:
    return StackError(
        f"{path} is damaged: it holds the keys of the local stack's servers. "
        "Restore it, or remove the data folder to begin anew."
    )
