import os
import signal

import boto3
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry

from headrace.clock import SystemClock
from workers.stack.child import Child
from workers.stack.ports import free_ports, is_free
from workers.stack.servers import Seaweed, Valkey

CLOCK = SystemClock()


def s3_client(server, secret_key=None):
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=secret_key or server.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
    )


def killed(child):
    os.kill(child.pid, signal.SIGKILL)
    child.end()


def test_valkey_keeps_its_messages_through_a_kill(tmp_path):
    server = Valkey(tmp_path / "valkey", free_ports(1), password="a-password")
    child = Child(server.command(tmp_path / "log"))
    child.wait_until_ready(CLOCK)
    with redis.Redis.from_url(server.url) as client:
        client.lpush("queue", *[f"message {number}" for number in range(100)])
    killed(child)

    child = Child(server.command(tmp_path / "log"))
    try:
        child.wait_until_ready(CLOCK)
        with redis.Redis.from_url(server.url) as client:
            assert client.llen("queue") == 100
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
    finally:
        child.stop(CLOCK)
    assert is_free(server.port)


def test_valkey_refuses_who_has_no_password(valkey_url):
    with redis.Redis.from_url(valkey_url) as client:
        port = client.connection_pool.connection_kwargs["port"]
        assert client.ping()
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_s3_keeps_its_objects_through_a_kill_and_on_other_ports(tmp_path):
    server = Seaweed(tmp_path / "s3", free_ports(10), "access", "secret")
    child = Child(server.command(tmp_path / "log"))
    child.wait_until_ready(CLOCK)
    client = s3_client(server)
    client.create_bucket(Bucket="inbox")
    client.put_object(Bucket="inbox", Key="a/b.pdf", Body=b"content", Metadata={"po": "7"})
    client.close()
    killed(child)

    server = Seaweed(tmp_path / "s3", free_ports(10), "access", "secret")
    child = Child(server.command(tmp_path / "log"))
    try:
        child.wait_until_ready(CLOCK)
        client = s3_client(server)
        answer = client.get_object(Bucket="inbox", Key="a/b.pdf")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"content", {"po": "7"})
        client.put_object(Bucket="inbox", Key="c.pdf", Body=b"more")
        client.close()
    finally:
        child.stop(CLOCK)
    assert all(is_free(port) for port in server.ports)
    assert not any(path.exists() for path in child.command.leftovers)


def test_s3_refuses_a_wrong_key(s3_server):
    client = s3_client(s3_server, secret_key="not the secret")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client.list_buckets()
    client.close()


def test_no_secret_stands_in_a_command_line_or_an_environment(tmp_path):
    commands = [
        Valkey(tmp_path / "valkey", 1, password="hush").command(tmp_path / "log"),
        Seaweed(tmp_path / "s3", 1, "access", secret_key="hush").command(tmp_path / "log"),
    ]
    for command in commands:
        assert "hush" not in " ".join([*command.argv, *command.environment.values(), repr(command)])
    for file in (tmp_path / "valkey" / "valkey.conf", tmp_path / "s3" / "identities.json"):
        assert "hush" in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o600
